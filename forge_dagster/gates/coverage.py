"""Gate `coverage`: tests execute what the change adds (90% of lines, 80% of branches), and no less of the whole than before.

The whole is compared only where it can have decreased (domain.coverage.may_decrease), since to know the base's coverage costs a
run of the base's tests. That measurement is kept under `context.cache`, keyed by the base revision and the tools' versions, so
that all changes on one base, and every later `forge check` on it, pay for it once. Where the base's tests cannot be run or do
not pass, there is nothing to compare with, and the result says so. Tests that wait, draw lots or race do not execute the same
lines each time: where the whole has decreased, the change's tests run once more, and what either run executed counts.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.changes import ChangedFile
from forge_dagster.domain.coverage import DECREASE, CoverageJudgement, comparable, judge_coverage, may_decrease
from forge_dagster.domain.coverage_lost import lost_coverage
from forge_dagster.domain.coverage_report import Coverage, dump_coverage, merge_coverage, parse_coverage
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.project import Language
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.sources import code_lines, source_rule
from forge_dagster.domain.test_kinds import integration_tests
from forge_dagster.gates.coverage_exclusions import excluded
from forge_dagster.gates.kept import keep
from forge_dagster.gates.suites import REPORT_PREFIX, measured, run_suite, tree_text
from forge_dagster.ports import GateContext

_SOURCE_LIMIT = 4 * 1024 * 1024
"""Bytes of a source file that are read for its lines."""
_NOT_ALWAYS = (
    "some lines are executed in one run and not in another; two runs of the tests together cover no less than the base"
)
_KEPT = 50
"""Base measurements kept per repository and job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageGate:
    """The gate."""

    name: str = "coverage"

    def examine(self, context: GateContext) -> GateResult:
        """Judge the reports that `unit` and `integration` left. Raises Interrupted while the base's tests run."""
        unit, integration = context.results.get("unit"), context.results.get("integration")
        ran = [result for result in (unit, integration) if result is not None and result.outcome is Outcome.PASSED]
        refusal = _refusal(self.name, unit, integration, ran)
        if refusal is not None:
            return refusal
        is_source = source_rule(context.project)
        changed = [f for f in context.change.files if f.status != "removed" and is_source(f.path)]
        sources = {f.path: text for f in changed if (text := source_text(context.root, f.path)) is not None}
        lacking = next((said for result in ran if (said := _unmeasured(result, changed, sources))), "")
        if lacking:
            return gate_result(self.name, Outcome.ERRORED, reason=lacking)
        found = {result.gate: coverage for result in ran if (coverage := _of(context, result)) is not None}
        left = [result.gate for result in ran if any(name.startswith("coverage") for name in result.artifacts)]
        lost = [gate for gate in left if gate not in found]
        if lost and changed:
            reason = f"the coverage report of {lost[0]} cannot be read\n  -> run the gate {lost[0]} again"
            return gate_result(self.name, Outcome.ERRORED, reason=reason)
        head = merge_coverage(found.values())
        parts = found.get("unit", {}), found.get("integration", {})
        whole = comparable(*parts, context.change, integration_tests(context.project))
        section = context.policy.coverage
        base: Coverage | None = None
        note = ""
        if context.base is not None and not section.allow_decrease and may_decrease(context.change, whole, is_source):
            base, note = (
                base_coverage(context, unit)
                if unit in ran and unit is not None
                else (None, "overall coverage is not compared, no unit test was run")
            )
        outside = excluded(context) if any(file.path not in head for file in changed) else ()

        def judged_by(whole: Coverage) -> CoverageJudgement:
            return judge_coverage(context.change, head, base, section, is_source, sources, whole=whole, left_out=outside)

        judged, chance = _twice_where_it_falls(context, judged_by, base, whole, is_source)
        return _result(self.name, judged, chance or note)


def source_text(root: Path, path: str) -> str | None:
    """The text of a file of the tree; None when it is too large, no regular file, or outside of the tree."""
    return tree_text(root, path, _SOURCE_LIMIT)


def base_coverage(context: GateContext, unit: GateResult) -> tuple[Coverage | None, str]:
    """What the base's own tests execute of the base, and, when that cannot be known, why."""
    versions = ",".join(f"{run.tool}={run.version}" for run in unit.tools)
    key = hashlib.sha256(f"3|{context.change.base_sha}|{versions}".encode()).hexdigest()[:32]
    kept = context.cache / "coverage" / f"{key}.json" if context.cache is not None and context.change.base_sha else None
    known = _read(str(kept)) if kept is not None else None
    if known is not None:
        context.log("the base's coverage is known from an earlier run")
        return known, ""
    assert context.base is not None
    context.log("running the base's tests, to compare overall coverage")
    with context.base() as root:
        scratch = context.scratch / "base"
        scratch.mkdir(parents=True, exist_ok=True)
        project = context.detect(root) if context.detect is not None else context.project
        there = replace(context, gate="unit", root=root, project=project, scratch=scratch, base=None)
        result = run_suite(there)
        if result.outcome is not Outcome.PASSED:
            return None, f"the base cannot be compared with, its tests do not pass ({result.summary})"
        found = measured(there, result)
    if found is None:
        return None, "the base cannot be compared with, its coverage was not measured"
    if kept is not None:
        keep(kept, dump_coverage(found), count=_KEPT)
    return found, ""


def _twice_where_it_falls(
    context: GateContext,
    judged_by: Callable[[Coverage], CoverageJudgement],
    base: Coverage | None,
    whole: Coverage,
    is_source: Callable[[str], bool],
) -> tuple[CoverageJudgement, str]:
    """The judgement, with the places that are not covered any more; by two runs of the tests where only those fail the change.

    The text says that chance decided, where it did.
    """
    judged = judged_by(whole)
    if base is None or DECREASE not in _errors(judged):
        return judged, ""
    places = _lost(context, base, whole, is_source)
    if places and _errors(judged) == {DECREASE}:
        again = merge_coverage([whole, _measured_again(context)])
        judged = judged_by(again)
        if DECREASE not in _errors(judged):
            return judged, _NOT_ALWAYS
        places = _lost(context, base, again, is_source)
    return replace(judged, findings=(*judged.findings, *places)), ""


def _errors(judged: CoverageJudgement) -> set[str]:
    return {finding.rule for finding in judged.findings if finding.severity is Severity.ERROR}


def _measured_again(context: GateContext) -> Coverage:
    """What a second run of the change's own tests executes; nothing where they do not pass this time."""
    context.log("running the tests once more: what they execute may depend on chance")
    scratch = context.scratch / "again"
    scratch.mkdir(parents=True, exist_ok=True)
    there = replace(context, gate="unit", scratch=scratch, base=None)
    result = run_suite(there)
    found = measured(there, result) if result.outcome is Outcome.PASSED else None
    return found or {}


def _lost(context: GateContext, base: Coverage, head: Coverage, is_source: Callable[[str], bool]) -> tuple[Finding, ...]:
    """The places that are not covered any more. Only the files that the change touches are read of the base."""
    assert context.base is not None
    with context.base() as root:
        return lost_coverage(
            context.change,
            base,
            head,
            is_source,
            base_text=lambda path: source_text(root, path),
            head_text=lambda path: source_text(context.root, path),
        )


def _unmeasured(unit: GateResult, changed: list[ChangedFile], sources: dict[str, str]) -> str:
    """Why the change cannot be judged: it has code of a language whose tests ran without being measured."""
    for run in unit.tools:
        tool = registry.tools().get(run.tool)
        known = f"{REPORT_PREFIX}{run.tool}"
        measures = any(name.partition("@")[0] == known for name in unit.artifacts)
        if tool is None or tool.gate != "unit" or run.outcome is not Outcome.PASSED or measures:
            continue
        for file in changed:
            language = Language.PYTHON if file.path.endswith(".py") else Language.TYPESCRIPT
            lines = code_lines(file.path, sources.get(file.path, "")) & file.added_lines
            if language is tool.language and lines:
                advice = f"{getattr(tool, 'measured_by', 'measure it')}, or set [gates.coverage] enabled = false in forge.toml"
                return f"{run.tool} ran the tests without measuring what they execute\n  -> {advice}"
    return ""


def _refusal(
    name: str, unit: GateResult | None, integration: GateResult | None, ran: Sequence[GateResult]
) -> GateResult | None:
    """Why nothing can be said: the tests left no result, did not pass, or did not run at all."""
    if unit is None:
        return gate_result(name, Outcome.ERRORED, reason="unit left no result\n  -> run the gate unit first")
    for result in (unit, *([integration] if integration is not None else [])):
        if result.outcome not in (Outcome.PASSED, Outcome.SKIPPED):
            return gate_result(name, Outcome.ERRORED, reason=f"the tests did not pass: {result.summary}")
    if not ran:
        return gate_result(name, Outcome.SKIPPED, reason=f"no tests were run: {unit.reason}")
    return None


def _of(context: GateContext, result: GateResult) -> Coverage | None:
    """What the tests of a gate executed: the one report it made, else what its tools left."""
    return _read(result.artifacts["coverage"]) if "coverage" in result.artifacts else measured(context, result)


def _result(name: str, judged: CoverageJudgement, note: str) -> GateResult:
    reason = f"{judged.reason}; {note}" if note else judged.reason
    return gate_result(name, judged.outcome, reason=reason, findings=judged.findings, metrics=dict(judged.metrics))


def _read(location: str | None) -> Coverage | None:
    if not location:
        return None
    try:
        return parse_coverage(Path(location).read_bytes(), ())
    except OSError:
        return None


ADAPTER = CoverageGate()
