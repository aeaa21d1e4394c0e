"""A person's word on a rollout that waits for one."""

from forge_dagster.domain.decisions import Approval
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.rollout_state import Phase, Rollout
from forge_dagster.errors import UsageError
from forge_dagster.ports import Services

RELEASE_NUMBER = 0
"""Releases have no pull request: approvals of them are kept under this number."""


def promote(services: Services, environment: str, *, by: str, approved: bool = True, comment: str = "") -> Rollout:
    """Let the paused rollout of `environment` ("owner/repo/production") go on to its next step, or (not `approved`) back.

    The run that drives it acts within a look. Raises UsageError when no rollout waits there.
    """
    stored = services.ledger.rollouts(environment=environment, open_only=True)
    rollout = next((r for r in map(Rollout.model_validate, stored) if r.phase is Phase.PAUSED), None)
    if rollout is None:
        raise UsageError(f"no rollout of {environment} waits for a person", hint="`forge status` shows where rollouts are")
    word = Approval(
        repository=rollout.repository,
        number=RELEASE_NUMBER,
        head_sha=rollout.release.sha,
        by=one_line(by, 100),
        approved=approved,
        comment=one_line(comment, 1000),
        at=services.clock.now(),
    )
    kind = "rollout.approved" if approved else "rollout.rejected"
    services.ledger.record(kind, {"environment": environment, **word.model_dump(mode="json")}, word.at)
    services.ledger.put_approval(word)
    return rollout
