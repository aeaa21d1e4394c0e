"""Waiting without waiting."""

from forge_dagster.workspace.processes import SystemClock


class LaterClock:
    """The clock of a moment that is still to come."""

    def __init__(self, seconds: float) -> None:
        self._inner, self._seconds = SystemClock(), seconds

    def now(self) -> float:
        return float(self._inner.now() + self._seconds)

    def monotonic(self) -> float:
        return float(self._inner.monotonic() + self._seconds)
