"""What the author of a change is told: one comment on the pull request, and a check per gate. Pure rendering.

Titles, names, messages and reasons may all be hostile: they appear as code spans or as JSON escapes only.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.check_report import check_report
from forge_dagster.domain.decisions import Decision, Verdict
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.markdown import code, json_block
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.results import GateResult

MARKER = "<!-- forge:feedback -->"
"""Hidden first line of the one comment, by which the host finds it again."""

MAX_TEXT = 65_535
"""Characters in a comment, and in a check's summary (GitHub's own limit)."""

VERDICT_CHECK = "forge/verdict"
"""The check to require in a branch protection; the checks of gates are there to be read."""

_SHOWN = 10
"""Findings per gate written out for people; the JSON below has more."""
_FITTING = (200, 100, 50, 20, 10, 5, 2, 1, 0)

Conclusion = Literal["success", "failure", "cancelled", "skipped", "action_required"]

_CONCLUSIONS: Mapping[Outcome, Conclusion] = {
    Outcome.PASSED: "success",
    Outcome.FAILED: "failure",
    # Not "neutral": GitHub's branch protection takes that for success ("About status checks").
    Outcome.ERRORED: "cancelled",
    Outcome.SKIPPED: "skipped",
    Outcome.NOT_RUN: "skipped",
}
_SIGNS = {Outcome.PASSED: "✅", Outcome.FAILED: "❌", Outcome.ERRORED: "⚠️", Outcome.SKIPPED: "➖", Outcome.NOT_RUN: "⏹️"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """A finished check, ready to be shown on the head commit."""

    name: str
    conclusion: Conclusion
    title: str
    summary: str
    annotations: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What there is to tell. `results` are complete (domain.verdict.complete), in the graph's order.

    `judged` counts the heads of this pull request judged so far, this one included; `note` says what followed the verdict.
    """

    attempt: Attempt
    verdict: Verdict
    results: Mapping[str, GateResult]
    judged: int = 1
    run_url: str = ""
    note: str = ""


def headline(verdict: Verdict) -> str:
    """The verdict in a few words."""
    if verdict.decision is Decision.REJECT:
        return "rejected"
    if verdict.decision is Decision.MERGE:
        return "accepted"
    return "waits for a person" if verdict.outcome is Outcome.PASSED else "could not be judged"


def comment(feedback: Feedback) -> str:
    """The one comment: for people first, then the forge.check/1 object for programs. At most MAX_TEXT characters.

    Findings are dropped to fit, and the text says how many there are in all.
    """
    return _fit(lambda kept: _comment(feedback, kept))


def early_comment(attempt: Attempt, result: GateResult, run_url: str) -> str:
    """What stands in the comment's place while the other gates are still at work: the first fast gate that failed."""

    def render(kept: int) -> str:
        lines = [
            MARKER,
            f"## Forge: {result.gate} failed",
            "",
            "The other fast gates are still at work; this already rejects.",
            "",
        ]
        lines += [*_gate_lines(result, min(kept, _SHOWN)), "", f"- {code(_reproduce(attempt, result.gate))}"]
        lines += ["", f"Head: {code(attempt.head_sha)}", *([f"Run: <{run_url}>"] if run_url else [])]
        found = [finding.model_dump(mode="json") for finding in result.findings[:kept]]
        early = {"schema": "forge.early/1", "head": attempt.head_sha, "gate": result.gate, "findings": found}
        return "\n".join([*lines, "", "### For programs", "", json_block(early), ""])

    return _fit(render)


def checks(feedback: Feedback) -> tuple[CheckView, ...]:
    """One check per gate, then VERDICT_CHECK. What is not PASSED or SKIPPED is never shown as a success."""
    views = [gate_check(feedback.attempt, result, feedback.run_url) for result in feedback.results.values()]
    return (*views, _verdict_check(feedback))


def report(feedback: Feedback, *, findings_kept: int = 200) -> dict[str, Any]:
    """The forge.check/1 object with the verdict, the number of heads judged, how to reproduce it, and the run's address."""
    attempt, verdict = feedback.attempt, feedback.verdict
    kept = [_cut(result, findings_kept) for result in feedback.results.values()]
    checked = check_report(
        repository=attempt.repository,
        base=attempt.base_sha,
        head=attempt.head_sha,
        outcome=verdict.outcome,
        risk=verdict.risk,
        results=kept,
    )
    return {
        **checked,
        "verdict": {
            "decision": verdict.decision.value,
            "reasons": list(verdict.reasons),
            "trust": f"L{verdict.trust.value}",
            "approved_by": verdict.approved_by,
        },
        "attempt": {"id": attempt.id, "judged": feedback.judged, "round": attempt.round},
        "reproduce": _reproduce(attempt),
        "run": feedback.run_url,
    }


def _cut(result: GateResult, kept: int) -> GateResult:
    metrics = {name: value for name, value in result.metrics.items() if math.isfinite(value)}  # JSON has no NaN
    cut = len(result.findings) > kept
    changes = {"metrics": metrics, "findings": result.findings[:kept], "truncated": result.truncated or cut}
    return result.model_copy(update=changes)


def _reproduce(attempt: Attempt, gate: str = "") -> str:
    parts = ["forge", "check", *(["--base", attempt.base_sha] if attempt.base_sha else []), "--head", attempt.head_sha]
    return " ".join([*parts, *(["--gate", gate] if gate else [])])


def _fit(render: Callable[[int], str]) -> str:
    """The fullest rendering that fits; `render` takes the number of findings kept per gate."""
    text = ""
    for kept in _FITTING:
        text = render(kept)
        if len(text) <= MAX_TEXT:
            return text
    return text[: MAX_TEXT - 1] + "…"


def _comment(feedback: Feedback, kept: int) -> str:
    verdict = feedback.verdict
    lines = [MARKER, f"## Forge: {headline(verdict)}", ""]
    lines += [f"- {code(reason, 500) or '(no reason)'}" for reason in verdict.reasons]
    if note := code(feedback.note):
        lines += ["", f"**{note}**"]
    lines += ["", "### Gates", ""]
    for result in feedback.results.values():
        lines += _gate_lines(result, min(kept, _SHOWN))
    lines += _not_yours(feedback, min(kept, _SHOWN))
    lines += ["", "### What to do", "", what_to_do(feedback), ""]
    broken = [r.gate for r in feedback.results.values() if r.outcome in (Outcome.FAILED, Outcome.ERRORED)]
    for gate in broken:
        lines.append(f"- {code(_reproduce(feedback.attempt, gate))}")
    risk = verdict.risk
    lines += ["", f"Risk: {risk.level.value} · trust: L{verdict.trust.value} · heads judged: {feedback.judged}"]
    lines += [f"Head: {code(feedback.attempt.head_sha)} · base: {code(feedback.attempt.base_sha or 'unknown')}"]
    if feedback.run_url:
        lines += [f"Run: <{feedback.run_url}>"]
    lines += ["", "### For programs", "", json_block(report(feedback, findings_kept=kept)), ""]
    return "\n".join(lines)


def _gate_lines(result: GateResult, kept: int) -> list[str]:
    """The gate and what the change is to answer for; of the rest only how much there is."""
    lines = [f"- {_SIGNS[result.outcome]} **{result.gate}** {result.outcome.value.replace('_', ' ')}"]
    if (reason := code(result.reason)) and _tells(result):
        lines[0] += f": {reason}"
    if result.over_target:
        lines[0] += f" ({result.over_target})"
    others = [finding for finding in result.findings if _is_others(finding, result)]
    own = [finding for finding in result.findings if not _is_others(finding, result)]
    lines += [f"  - {_finding_line(finding)}" for finding in own[:kept]]
    hidden = result.findings_total - len(others) - min(kept, len(own))
    if hidden > 0:
        lines.append(f"  - … and {hidden} more finding{'s' if hidden != 1 else ''}")
    if others:
        lines.append(f"  - {len(others)} not of this change's doing, see below")
    return lines


def _tells(result: GateResult) -> bool:
    """Whether the gate's reason is worth reading: a pass needs none, unless something was overlooked on purpose."""
    return result.outcome is not Outcome.PASSED or any(f.attribution is Attribution.PREEXISTING for f in result.findings)


def _is_others(finding: Finding, result: GateResult) -> bool:
    """Whether the change need not answer for it. A gate that FAILED by nothing but flaky tests failed by the change's own."""
    if finding.severity is not Severity.ERROR:
        return False
    if finding.attribution is Attribution.FLAKY and result.outcome is Outcome.FAILED:
        blamed = (Attribution.NEW, Attribution.UNKNOWN)
        return any(other.severity is Severity.ERROR and other.attribution in blamed for other in result.findings)
    return finding.attribution in _OTHERS


_NAMES = {
    Attribution.PREEXISTING: "baseline red",
    Attribution.FLAKY: "flaky",
    Attribution.INFRASTRUCTURE: "surroundings",
}
_OTHERS: Mapping[Attribution, str] = {
    Attribution.PREEXISTING: "**Baseline red**: the base has these too. They do not count against the change, but a person has "
    "to look before it is merged.",
    Attribution.FLAKY: "**Flaky**: failed, then passed alone on the same input. That is neither a pass nor a fault of the "
    "change; it is to be run again.",
    Attribution.INFRASTRUCTURE: "**Surroundings**: nearly everything failed at once. Whoever runs Forge is to look at that.",
}


def _not_yours(feedback: Feedback, kept: int) -> list[str]:
    """What failed and is not the change's doing, by why."""
    lines: list[str] = []
    for attribution, words in _OTHERS.items():
        found = [
            (result.gate, finding)
            for result in feedback.results.values()
            for finding in result.findings
            if finding.attribution is attribution and _is_others(finding, result)
        ]
        if not found:
            continue
        lines += [] if lines else ["", "### Not this change's doing"]
        lines += ["", words, ""]
        lines += [f"- {gate}: {_finding_line(finding)}" for gate, finding in found[:kept]]
        if len(found) > kept:
            lines.append(f"- … and {len(found) - kept} more")
    return lines


def _finding_line(finding: Finding) -> str:
    parts = [code(finding.place, 200), code(finding.message or finding.rule), f"({code(f'{finding.tool} {finding.rule}', 80)})"]
    if finding.suggested_fix:
        parts.append(f"→ {code(finding.suggested_fix)}")
    return " ".join(part for part in parts if part)


def what_to_do(feedback: Feedback) -> str:
    """The next step, for whoever reads it."""
    verdict = feedback.verdict
    if verdict.decision is Decision.REJECT:
        return "Correct what is listed above and push to the same branch: Forge judges the new head. To see it locally:"
    if verdict.outcome is not Outcome.PASSED:
        return "The machinery failed, not the change. Once that is put right, run it again. To see it locally:"
    if verdict.decision is Decision.REVIEW:
        command = code(f"forge approve {feedback.attempt.repository} {feedback.attempt.number}")
        return f"Every gate let it through. A person who is not the author approves it by a review, or with {command}."
    return "Nothing: Forge merges it."


def gate_check(attempt: Attempt, result: GateResult, run_url: str) -> CheckView:
    """The check of one gate; what is not PASSED or SKIPPED is never shown as a success."""

    def render(kept: int) -> str:
        lines = [code(result.reason, 1000), ""] if result.reason else []
        lines += _gate_lines(result, kept)
        lines += [f"  - {_NAMES[f.attribution]}: {_finding_line(f)}" for f in result.findings if _is_others(f, result)][:kept]
        for tool in result.tools:
            lines.append(f"- {code(f'{tool.tool} {tool.version}', 80)} {tool.outcome.value} {code(tool.reason)}".rstrip())
        if result.outcome in (Outcome.FAILED, Outcome.ERRORED):
            lines += ["", f"To see it locally: {code(_reproduce(attempt, result.gate))}"]
        if run_url:
            lines += ["", f"Run: <{run_url}>"]
        return "\n".join(lines)

    placed = (finding for finding in result.findings if finding.file is not None)
    return CheckView(
        name=f"forge/{result.gate}",
        conclusion=_CONCLUSIONS[result.outcome],
        title=one_line(result.summary),
        summary=_fit(render),
        annotations=tuple(f if f.line is not None else f.model_copy(update={"line": 1}) for f in placed),
    )


def _verdict_check(feedback: Feedback) -> CheckView:
    verdict = feedback.verdict
    conclusion: Conclusion = "success" if verdict.decision is Decision.MERGE else "failure"
    if verdict.decision is Decision.REVIEW:
        conclusion = "action_required" if verdict.outcome is Outcome.PASSED else "cancelled"
    lines = [f"- {code(reason, 500) or '(no reason)'}" for reason in verdict.reasons]
    if note := code(feedback.note):
        lines += ["", note]
    lines += ["", f"Risk: {verdict.risk.level.value}", *(f"- {code(reason)}" for reason in verdict.risk.reasons)]
    lines += ["", what_to_do(feedback)]
    if feedback.run_url:
        lines += ["", f"Run: <{feedback.run_url}>"]
    first = f": {verdict.reasons[0]}" if verdict.reasons else ""
    title = one_line(f"{headline(verdict)}{first}")
    return CheckView(name=VERDICT_CHECK, conclusion=conclusion, title=title, summary="\n".join(lines)[:MAX_TEXT])
