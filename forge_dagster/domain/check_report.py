"""The `forge.check/1` object: what `forge check --format json` prints and what agents get as feedback.

Its shape is fixed by `docs/forge.check-1.schema.json`; other programs rely on it, so a change is a new schema name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from forge_dagster.domain.decisions import Risk
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import GATES, gate_spec
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult, ToolRun

SCHEMA = "forge.check/1"

LANGUAGE_FREE = frozenset({"secrets", "integrity"})
"""Gates that look at any repository: alone, they have not examined code."""

NO_LANGUAGE = "no recognised language: nothing but secrets and integrity looked at this tree"
NOTHING_EXAMINED = "nothing was examined: every gate was skipped"


def overall_outcome(results: Iterable[GateResult], *, kind_declared: bool = False, light: bool = False) -> tuple[Outcome, str]:
    """The whole of a check, with the reason where it is ERRORED: FAILED first, then ERRORED, and silence is never PASSED.

    `kind_declared` says that `forge.toml` has [project].kind, so that a repository without code is meant to be one; `light`
    that the change touches documents only (domain.light), so that nothing had to look at code. A gate that did not run because
    a gate before it stopped the line adds nothing to that gate's own outcome. Advisory gates count for nothing.
    """
    given = tuple(result for result in results if not gate_spec(result.gate).advisory)
    outcomes = {result.outcome for result in given}
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED, ""
    if stuck := [result.gate for result in given if result.outcome in (Outcome.ERRORED, Outcome.NOT_RUN)]:
        return Outcome.ERRORED, f"without a result: {', '.join(stuck)}"
    passed = {result.gate for result in given if result.outcome is Outcome.PASSED}
    if not passed:
        return Outcome.ERRORED, NOTHING_EXAMINED
    of_code = {result.gate for result in given} - LANGUAGE_FREE
    if of_code and passed <= LANGUAGE_FREE and not kind_declared and not light:
        return Outcome.ERRORED, NO_LANGUAGE
    return Outcome.PASSED, ""


def check_report(
    *,
    repository: str,
    base: str | None,
    head: str | None,
    outcome: Outcome,
    risk: Risk,
    results: Mapping[str, GateResult] | Iterable[GateResult],
) -> dict[str, Any]:
    """The object, with the gates in the graph's order. `base` and `head` are full commit ids, None where there is none.

    `outcome` is PASSED, FAILED or ERRORED; raises ValueError for any other.
    """
    if outcome not in (Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED):
        raise ValueError(f"a check is passed, failed or errored, not {outcome.value}")
    order = {spec.name: index for index, spec in enumerate(GATES)}
    given = results.values() if isinstance(results, Mapping) else results
    return {
        "schema": SCHEMA,
        "repository": repository,
        "base": base,
        "head": head,
        "outcome": outcome.value,
        "risk": {"level": risk.level.value, "reasons": list(risk.reasons)},
        "gates": [_gate(result) for result in sorted(given, key=lambda r: order[r.gate])],
    }


def _gate(result: GateResult) -> dict[str, Any]:
    return {
        "gate": result.gate,
        "stage": result.stage.value,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "duration_s": round(result.duration_s, 3),
        "cached": result.cached,
        "tools": [_tool(tool) for tool in result.tools],
        "metrics": dict(result.metrics),
        "findings": [_finding(finding) for finding in result.findings],
        "findings_total": result.findings_total,
        "truncated": result.truncated,
    }


def _tool(tool: ToolRun) -> dict[str, Any]:
    return {
        "tool": tool.tool,
        "version": tool.version,
        "outcome": tool.outcome.value,
        "exit_code": tool.exit_code,
        "examined": tool.examined,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "fingerprint": finding.fingerprint,
        "tool": finding.tool,
        "rule": finding.rule,
        "message": finding.message,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "severity": finding.severity.value,
        "category": finding.category.value,
        "attribution": finding.attribution.value,
        "suggested_fix": finding.suggested_fix,
    }
