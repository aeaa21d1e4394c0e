"""Gate `snapshot`: no snapshot is obsolete, left unchecked or written by the test run. It runs nothing itself on the head.

The tests of gate `unit` compared the snapshots; what their runners said of them is in its result, as warnings of the rules
below and as metrics. Where there is something to say, the base's tests are asked too, so that only what the change adds fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forge_dagster.domain.attribution import Baseline, baseline, compared, conclude
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.suites import run_suite
from forge_dagster.ports import GateContext

KINDS = {"snapshot-obsolete": "obsolete", "snapshot-unchecked": "unchecked", "snapshot-written": "written by the test run"}
"""Rule of a finding of `unit` -> what its snapshot is."""

_METRICS = ("snapshots", "snapshots_obsolete", "snapshots_unchecked", "snapshots_written")
"""What the runners count in the metrics of `unit`: snapshots compared, and those at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The gate."""

    name: str = "snapshot"

    def examine(self, context: GateContext) -> GateResult:
        """Judge what `unit` found out about snapshots. Raises Interrupted while the base's tests run."""
        unit = context.results.get("unit")
        if unit is None:
            return gate_result(self.name, Outcome.ERRORED, reason="unit left no result\n  -> run the gate unit first")
        if unit.outcome is Outcome.SKIPPED:
            return gate_result(self.name, Outcome.SKIPPED, reason=f"no tests were run: {unit.reason}")
        if unit.outcome is not Outcome.PASSED:
            return gate_result(self.name, Outcome.ERRORED, reason=f"the tests did not pass: {unit.summary}")
        metrics = {name: unit.metrics[name] for name in _METRICS if name in unit.metrics}
        faults = _faults(unit)
        if not faults:
            count = int(metrics.get("snapshots", 0))
            if not count:
                return gate_result(self.name, Outcome.SKIPPED, reason="no test compares with a snapshot")
            reason = f"{count} snapshots compared, none obsolete, unchecked or written"
            return gate_result(self.name, Outcome.PASSED, reason=reason, tools=unit.tools, metrics=metrics)
        base = _base(context)
        errors = compared(faults, base, change=context.change)
        end = conclude(errors, reason=_told(errors), is_touched=lambda _finding: True)
        reason = f"{end.reason}; the base could not be compared with: {base.problem}" if base.problem else end.reason
        return gate_result(self.name, end.outcome, reason=reason, findings=errors, tools=unit.tools, metrics=metrics)


def _faults(unit: GateResult) -> tuple[Finding, ...]:
    """Each snapshot at fault, as an error; where only the metrics tell of any, one finding for all."""
    found = tuple(
        finding.model_copy(update={"severity": Severity.ERROR, "attribution": Attribution.UNKNOWN})
        for finding in unit.findings
        if finding.rule in KINDS
    )
    if found:
        return found
    return tuple(
        Finding(
            tool="unit",
            rule=rule,
            category=Category.TEST,
            message=f"{int(unit.metrics[metric])} snapshots are {kind}",
            suggested_fix="run the tests and look at what they say of snapshots",
            snippet=metric,
        )
        for (rule, kind), metric in zip(KINDS.items(), _METRICS[1:], strict=True)
        if unit.metrics.get(metric, 0.0) > 0
    )


def _base(context: GateContext) -> Baseline:
    """What the base's own tests say of its snapshots. Without a base to ask, all that is there counts."""
    if context.base is None or context.change.base_sha is None:
        return Baseline(problem="there is none")
    context.log("asking the base's tests about its snapshots, to tell what this change brings from what was there")
    try:
        with context.base() as root:
            project = context.detect(root) if context.detect is not None else context.project
            scratch = context.scratch / "base"
            scratch.mkdir(parents=True, exist_ok=True)
            there = replace(
                context, gate="unit", root=root, project=project, scratch=scratch, base=None, cache=None, results={}
            )
            result = run_suite(there, measure=False)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return Baseline(problem=error.message)
    if result.outcome is Outcome.ERRORED:
        return Baseline(problem=result.reason)
    return baseline(_faults(result))


def _told(errors: Sequence[Finding]) -> str:
    counts = {rule: sum(finding.rule == rule for finding in errors) for rule in KINDS}
    return ", ".join(f"{count} {KINDS[rule]}" for rule, count in counts.items() if count)


ADAPTER = Snapshot()
