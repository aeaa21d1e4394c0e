"""What a JavaScript runner's report tells, whichever runner wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Severity

State = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. `file` from the repository's root; `handle` names it to its runner, where the full name does not."""

    file: str | None
    name: str
    state: State
    text: str = ""
    line: int | None = None
    handle: str = ""

    @property
    def id(self) -> str:
        return f"{self.file}::{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What went wrong outside of a test: a file that cannot be loaded, an error that nothing caught."""

    rule: str
    text: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A report. `success` is what it claims itself; `whole`: it tells of the run's end; `obsolete`: snapshots nobody asked for
    are a reason for it to claim failure and for the runner to end with 1; `last`: the test that ran when it broke off.
    """

    cases: tuple[Case, ...] = ()
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Finding, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    success: bool | None = None
    whole: bool = True
    obsolete: bool = False
    last: str = ""

    def of(self, state: State) -> tuple[Case, ...]:
        """The tests in this state."""
        return tuple(case for case in self.cases if case.state == state)

    @property
    def ran(self) -> tuple[str, ...]:
        """Ids of the tests that were not skipped."""
        return tuple(case.id for case in self.cases if case.state != "skipped")


def warning(tool: str, rule: str, message: str, *, file: str | None, snippet: str, fix: str) -> Finding:
    """What does not fail the tests, and is another gate's to judge."""
    return Finding(
        tool=tool,
        rule=rule,
        category=Category.TEST,
        severity=Severity.WARNING,
        file=file,
        message=message,
        suggested_fix=fix,
        snippet=snippet,
    )
