"""A gate's time limit, laid over everything it starts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult
from forge_dagster.errors import ToolError
from forge_dagster.ports import Clock, Command, ProcessResult, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A Run whose commands all end by `at` (Clock.monotonic seconds), whatever longer limit they name themselves.

    `more` are seconds by which that is later, as known by now: what was waited for environments.
    """

    inner: Run
    clock: Clock
    at: float
    more: Callable[[], float] = lambda: 0.0

    @property
    def left(self) -> float:
        """Seconds until the limit, negative once it is over."""
        return self.at + self.more() - self.clock.monotonic()

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        """As Run.run; a command that would begin after the limit is not started and ended "timeout"."""
        left = self.left
        if left <= 0:
            return ProcessResult(ended="timeout", exit_code=None)
        return self.inner.run(replace(command, timeout_s=min(command.timeout_s, left)), log=log)

    def wait(self, seconds: float) -> None:
        """As Run.wait. Raises ToolError when the limit comes first."""
        left = self.left
        self.inner.wait(max(0.0, min(seconds, left)))
        if seconds > left:
            raise ToolError("the gate's time limit came first")

    def stop(self) -> None:
        """As Run.stop."""
        self.inner.stop()


def limited(result: GateResult, *, elapsed_s: float, limit_s: float) -> GateResult:
    """The result in the light of the gate's time limit: past it nothing has passed, but a fault found stays found."""
    if elapsed_s < limit_s or result.outcome is Outcome.FAILED:
        return result
    reason = f"timed out after {span(limit_s)}"
    if result.reason and result.outcome is Outcome.ERRORED:
        reason = f"{reason} ({result.reason})"
    return result.model_copy(update={"outcome": Outcome.ERRORED, "reason": reason})


def span(seconds: float) -> str:
    """A duration as people write it in forge.toml: "10m", "90s", "1.5s"."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
