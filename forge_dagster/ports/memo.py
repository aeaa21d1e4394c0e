"""The record of answers that gates gave before."""

from dataclasses import dataclass
from typing import Protocol

from forge_dagster.domain.results import GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An answer of before. `run`: address of the page of the run that earned it ("": `forge check`); `at`: seconds, epoch."""

    result: GateResult
    run: str
    at: float


class Memo(Protocol):
    """Keeps answers by key (domain.memo.memo_keys). Losing one costs time only, so nothing here raises."""

    def get(self, key: str) -> Remembered | None:
        """The answer with artifacts that are still there, or None."""
        ...

    def put(self, key: str, remembered: Remembered) -> None:
        """Keep it, with copies of its artifacts."""
        ...
