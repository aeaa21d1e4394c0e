"""End what a run left open when it ended without deciding: killed, cancelled, or on an executor that ran no verdict."""

import contextlib

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.graph import Job, gates_of, ready
from forge_dagster.domain.rollout_state import Rollout
from forge_dagster.errors import Superseded
from forge_dagster.ports import Services
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.open_nightly import tell_nightly
from forge_dagster.usecases.roll_out import rollout_key


def recover(services: Services, attempt_id: int, *, run_id: str, cancelled: bool = False) -> None:
    """Bring the attempt of the ended run `run_id` to its end, or free it for another run. Idempotent.

    A change is decided by the results there are: one that is missing counts against the machinery, never for the change. A
    release with a gate that could still run is freed, so that the next run resumes its rollout (a rollout ends promoted or
    stable, whatever is killed); otherwise it is over. `cancelled`: somebody wanted the run to end, so a release whose rollout
    is not open is given up.
    Does nothing for an attempt that is over, or that another run is working on. Raises HostError when the host cannot say what
    the pull request is now: nothing is decided then, call again.
    """
    attempt = services.ledger.attempt(attempt_id)
    if attempt.state.is_final or attempt.run_id not in (None, run_id):
        return
    if attempt.job is Job.CHANGE:
        with contextlib.suppress(Superseded):  # the pull request has moved on: deciding has ended the attempt
            decide(services, attempt_id, run_id=run_id)
        return
    outcomes = {gate: result.outcome for gate, result in services.ledger.results(attempt_id).items()}
    if not ready(gates_of(attempt.job), outcomes, frozenset(outcomes)):
        if attempt.job is Job.NIGHTLY:
            tell_nightly(services, attempt)
        services.ledger.advance(attempt_id, AttemptState.DECIDED)
    elif cancelled and not _is_rolling_out(services, attempt):
        services.ledger.advance(attempt_id, AttemptState.ABANDONED)
    else:
        services.ledger.release_claim(attempt_id)


def _is_rolling_out(services: Services, attempt: Attempt) -> bool:
    """Whether a rollout was begun and has neither been promoted nor taken back: it may not be left like that."""
    stored = services.ledger.rollout(rollout_key(attempt))
    return stored is not None and not Rollout.model_validate(stored).ended
