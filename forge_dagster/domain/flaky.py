"""The history of flaky tests: those that failed and then passed alone on the same input."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.results import GateResult

MAX_NAME = 300
"""Characters kept of a test's name."""


class FlakyTest(BaseModel):
    """A test seen to be flaky `count` times. Times are seconds since the epoch; `last_head` is None for a work tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    fingerprint: str
    test: str
    first_at: float
    last_at: float
    count: int = Field(ge=1)
    last_head: str | None = None

    @property
    def told(self) -> str:
        """`flaky: 3 times since 2026-11-01`."""
        since = datetime.fromtimestamp(self.first_at, UTC).date().isoformat()
        return f"flaky: {self.count} time{'' if self.count == 1 else 's'} since {since}"


def seen(result: GateResult) -> Mapping[str, str]:
    """Fingerprint -> name of each flaky test in a result."""
    return {finding.fingerprint: _name(finding) for finding in result.findings if finding.attribution is Attribution.FLAKY}


def _name(finding: Finding) -> str:
    return one_line(finding.snippet or finding.message or finding.rule, MAX_NAME)


def again(known: FlakyTest | None, *, repository: str, fingerprint: str, test: str, head: str | None, at: float) -> FlakyTest:
    """The history with one more sighting."""
    if known is None:
        return FlakyTest(
            repository=repository, fingerprint=fingerprint, test=test, first_at=at, last_at=at, count=1, last_head=head
        )
    update = {"count": known.count + 1, "first_at": min(known.first_at, at), "last_at": max(known.last_at, at)}
    return known.model_copy(update={**update, "last_head": head})


def with_history(result: GateResult, history: Mapping[str, FlakyTest]) -> GateResult:
    """The result whose flaky findings say how often that happened, once it is more than once. Fingerprints stay."""

    def told(finding: Finding) -> Finding:
        known = history.get(finding.fingerprint)
        if known is None or known.count < 2 or finding.attribution is not Attribution.FLAKY:
            return finding
        return finding.model_copy(update={"message": f"{finding.message} ({known.told})"})

    return result.model_copy(update={"findings": tuple(told(finding) for finding in result.findings)})
