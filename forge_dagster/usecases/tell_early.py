"""Tell the author of the first fast gate that failed, while the others are still at work."""

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.feedback import early_comment, gate_check
from forge_dagster.domain.graph import Job, Stage
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult
from forge_dagster.errors import ForgeError
from forge_dagster.ports import Services
from forge_dagster.usecases.feed_back import CHANNELS
from forge_dagster.usecases.open_attempts import put_check
from forge_dagster.usecases.outbox import drain


def tell_early(services: Services, attempt: Attempt, result: GateResult) -> bool:
    """Queue and send the check of `result`, and the comment where it is the first that failed; whether there was need to.

    Raises LedgerError. A host that does not answer is asked again by the outbox.
    """
    if attempt.job is not Job.CHANGE or result.stage is not Stage.FAST or result.outcome is not Outcome.FAILED:
        return False
    url = services.run_url(attempt.run_id) if attempt.run_id else ""
    view = gate_check(attempt, result, url)
    body = {"name": view.name, "title": view.title, "summary": view.summary, "conclusion": view.conclusion}
    notes = [finding.model_dump(mode="json") for finding in view.annotations]
    put_check(services, attempt, {**body, "status": "completed", "details_url": url, "annotations": notes})
    others = (one for gate, one in services.ledger.results(attempt.id).items() if gate != result.gate)
    if not any(one.outcome is Outcome.FAILED for one in others):
        text, now = early_comment(attempt, result, url), services.clock.now()
        for channel in CHANNELS:
            channel.tell(ledger=services.ledger, attempt=attempt, feedback=text, at=now)
    drain(services)
    return True


def told_early(services: Services, attempt: Attempt, result: GateResult) -> None:
    """`tell_early`, for a gate that has given its answer: that nobody can be told of it now must not undo the answer."""
    try:
        tell_early(services, attempt, result)
    except ForgeError:
        return
