"""Tell the author of a change what came of it: checks on the head commit and one comment, through the outbox."""

from forge_dagster.agents.pr_comment import PrComment
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Verdict
from forge_dagster.domain.feedback import Feedback, checks, comment
from forge_dagster.domain.graph import GateSpec, Job, gates_of
from forge_dagster.domain.verdict import complete
from forge_dagster.ports import AgentChannel, Services
from forge_dagster.usecases.open_attempts import put_check

CHANNELS: tuple[AgentChannel, ...] = (PrComment(),)

JUDGING: tuple[GateSpec, ...] = tuple(spec for spec in gates_of(Job.CHANGE) if spec.name != "verdict")
"""The gates whose results make the verdict."""


def feed_back(services: Services, attempt: Attempt, verdict: Verdict, *, note: str = "") -> None:
    """Queue the feedback; later feedback on the same attempt replaces what was not sent yet. `note`: what followed."""
    now = services.clock.now()
    feedback = Feedback(
        attempt=attempt,
        verdict=verdict,
        results=complete(JUDGING, services.ledger.results(attempt.id)),
        judged=_judged(services, attempt),
        run_url=services.run_url(attempt.run_id) if attempt.run_id else "",
        note=note,
    )
    for view in checks(feedback):
        body = {"name": view.name, "title": view.title, "summary": view.summary, "conclusion": view.conclusion}
        notes = [finding.model_dump(mode="json") for finding in view.annotations]
        put_check(
            services,
            attempt,
            {**body, "status": "completed", "details_url": feedback.run_url, "annotations": notes},
        )
    text = comment(feedback)
    for channel in CHANNELS:
        channel.tell(ledger=services.ledger, attempt=attempt, feedback=text, at=now)


def _judged(services: Services, attempt: Attempt) -> int:
    """How many heads of the pull request have been judged, this one included."""
    same = services.ledger.attempts(repository=attempt.repository, job=Job.CHANGE, number=attempt.number, limit=1000)
    return len({one.head_sha for one in same if one.id <= attempt.id}) or 1
