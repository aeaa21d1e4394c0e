"""Gate `review`: a reviewer's opinion, where the policy asks for one and the operator has named a reviewer.

It is advisory (domain/graph.py): that no opinion can be had blocks nothing, a good opinion is no approval, and a grave remark
asks for a person. The reviewer sees the diff and nothing else: no tools, no repository, no secrets.
"""

from dataclasses import dataclass

from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy_gates import ReviewSection
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.domain.review import INSTRUCTIONS, question, review_findings
from forge_dagster.errors import ForgeError, Interrupted, Superseded, ToolError
from forge_dagster.ports import Command, GateContext, ReviewRequest

_DIFF = ("git", "--no-pager", "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=8", "--find-renames")


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The gate."""

    name: str = "review"

    def examine(self, context: GateContext) -> GateResult:
        """Ask the operator's reviewer. Raises Interrupted, and ToolError when no opinion can be had."""
        if context.reviewer is None:
            reason = "the operator has named no reviewer ([reviewer] in settings.toml)"
            return gate_result(self.name, Outcome.SKIPPED, reason=reason)
        if context.change.base_sha is None or not context.change.files:
            return gate_result(self.name, Outcome.SKIPPED, reason="there is no change to review")
        section = context.policy.section("review", ReviewSection)
        request = ReviewRequest(
            change=context.change,
            instructions=INSTRUCTIONS,
            question=question(context.change, _diff(context), limit=section.max_diff),
            timeout_s=section.timeout,
            run=context.run,
        )
        reviewer = context.reviewer
        try:
            answer = reviewer.review(request)
        except (Interrupted, Superseded):
            raise
        except ForgeError as error:
            raise ToolError(f"{reviewer.name} gave no opinion: {error.message}", hint=error.hint) from error
        if answer is None:
            return gate_result(self.name, Outcome.SKIPPED, reason=f"{reviewer.name} has said nothing of this head yet")
        findings = review_findings(reviewer.name, answer, context.change)
        grave = any(finding.severity is Severity.ERROR for finding in findings)
        outcome = Outcome.FAILED if grave else Outcome.PASSED
        lost = len(answer.remarks) - len(findings)
        left_out = f"; {lost} remarks about other files or beyond the limit were left out" if lost else ""
        reason = (answer.summary or f"{len(findings)} remarks") + left_out
        run = ToolRun(tool=reviewer.name, outcome=outcome, examined=len(context.change.files))
        return gate_result(self.name, outcome, reason=reason[:1_000], findings=findings, tools=(run,))


def _diff(context: GateContext) -> str:
    base = context.change.base_sha or ""
    done = context.run.run(Command(argv=(*_DIFF, base, "--"), cwd=context.root, timeout_s=60.0))
    if done.ended == "interrupted":
        raise Interrupted("the review was interrupted", hint="run it again")
    if done.exit_code != 0:
        raise ToolError(f"git could not tell the difference from {base[:12]}", hint="run it again")
    return done.stdout.decode("utf-8", "replace")


ADAPTER = Review()
