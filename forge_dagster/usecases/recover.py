"""End what a run left open when it ended without deciding: killed, cancelled, or on an executor that ran no verdict."""

from forge_dagster.domain.changes import AttemptState
from forge_dagster.domain.graph import Job, gates_of, ready
from forge_dagster.ports import Services
from forge_dagster.usecases.decide import decide


def recover(services: Services, attempt_id: int, *, run_id: str) -> None:
    """Bring the attempt of the ended run `run_id` to its end, or free it for another run. Idempotent.

    A change is decided by the results there are: one that is missing counts against the machinery, never for the change. A
    release with a gate that could still run is freed, so that the next run resumes its rollout (DESIGN section 9, invariant 12);
    otherwise it is over. Does nothing for an attempt that is over, or that another run is working on.
    """
    attempt = services.ledger.attempt(attempt_id)
    if attempt.state.is_final or attempt.run_id not in (None, run_id):
        return
    if attempt.job is Job.CHANGE:
        decide(services, attempt_id, run_id=run_id)
        return
    outcomes = {gate: result.outcome for gate, result in services.ledger.results(attempt_id).items()}
    if ready(gates_of(attempt.job), outcomes, frozenset(outcomes)):
        services.ledger.release_claim(attempt_id)
    else:
        services.ledger.advance(attempt_id, AttemptState.DECIDED)
