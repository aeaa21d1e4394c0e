"""Tells the agent by the one comment of ours on its pull request."""

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.feedback import MARKER
from forge_dagster.ports import Ledger


class PrComment:
    """ports.AgentChannel: a later feedback replaces the comment, so that a pull request never fills with them."""

    name = "pr_comment"

    def tell(self, *, ledger: Ledger, attempt: Attempt, feedback: str, at: float) -> None:
        """Queue the comment. Does nothing for an attempt without a pull request."""
        if attempt.number is None:
            return
        ledger.post(
            key=f"comment:{attempt.repository}:{attempt.number}",
            kind="comment",
            repository=attempt.repository,
            body={"number": attempt.number, "marker": MARKER, "body": feedback},
            at=at,
        )
