"""What a gate hands on: its result, with one line per tool."""

from pydantic import BaseModel, ConfigDict, Field

from forge_dagster.domain.findings import MAX_FINDINGS, Finding, fingerprinted
from forge_dagster.domain.graph import Stage, gate_spec
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity

MAX_REASON = 10_000
"""Characters kept of a reason; beyond it the text says how many there were."""


class ToolRun(BaseModel):
    """One tool's part in a gate, as judged from its parsed report and its exit code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    version: str = ""
    outcome: Outcome
    reason: str = ""
    exit_code: int | None = None
    examined: int = 0
    """How many things (files, tests, commits) the tool looked at; 0 never counts as PASSED."""
    chosen_because: str = ""
    duration_s: float = 0.0


INSTALLING = "seconds_installing"
"""Metric: of a result's duration, what its gate waited for environments to be installed."""


class GateResult(BaseModel):
    """The result of one gate on one change; a Dagster materialization holds exactly this."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str
    stage: Stage
    outcome: Outcome
    reason: str = ""
    duration_s: float = 0.0
    cached: bool = False
    tools: tuple[ToolRun, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    findings_total: int = 0
    truncated: bool = False
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Name -> location (a path or UPath URI) of what the gate made for later gates: "coverage", "artifact"."""
    links: dict[str, str] = Field(default_factory=dict)
    """Name -> address worth opening: "preview"."""

    @property
    def summary(self) -> str:
        """One line for people: `lint failed: 2 findings, src/a.py:4 unused import`."""
        head = f"{self.gate} {self.outcome.value}"
        if not self.findings:
            return f"{head}: {self.reason}" if self.reason else head
        first = next((f for f in self.findings if f.severity is Severity.ERROR), self.findings[0])
        count = f"{self.findings_total} finding{'s' if self.findings_total != 1 else ''}"
        message = first.message.splitlines()[0] if first.message else first.rule
        return f"{head}: {count}, {first.place} {message}".strip()

    @property
    def over_target(self) -> str:
        """That it took longer than its stage's target, in words; "" where it did not, has none, or was answered from memory.

        What it waited for an installation does not count, which is paid once.
        """
        target, own = self.stage.target_s, self.duration_s - self.metrics.get(INSTALLING, 0.0)
        if target is None or self.cached or own <= target:
            return ""
        return f"took {own:.0f} s, over the stage's target of {target:.0f} s"


def gate_result(
    gate: str,
    outcome: Outcome,
    *,
    reason: str = "",
    findings: "tuple[Finding, ...] | list[Finding]" = (),
    tools: tuple[ToolRun, ...] = (),
    metrics: dict[str, float] | None = None,
    artifacts: dict[str, str] | None = None,
    links: dict[str, str] | None = None,
) -> GateResult:
    """Make a bounded, fingerprinted result of the gate named `gate`: errors first, and of those what the base has too last.

    Raises KeyError when no such gate is in the graph.
    """
    unique = sorted(fingerprinted(findings), key=_weight)
    return GateResult(
        gate=gate,
        stage=gate_spec(gate).stage,
        outcome=outcome,
        reason=_cut(reason),
        tools=tuple(
            run if len(run.reason) <= MAX_REASON else run.model_copy(update={"reason": _cut(run.reason)}) for run in tools
        ),
        metrics=metrics or {},
        findings=tuple(unique[:MAX_FINDINGS]),
        findings_total=len(unique),
        truncated=len(unique) > MAX_FINDINGS,
        artifacts=artifacts or {},
        links=links or {},
    )


def _cut(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]} [... {len(reason)} characters in all]"


_SEVERITIES = {severity: number for number, severity in enumerate(Severity)}


def _weight(finding: Finding) -> tuple[int, bool]:
    return _SEVERITIES[finding.severity], finding.attribution is Attribution.PREEXISTING
