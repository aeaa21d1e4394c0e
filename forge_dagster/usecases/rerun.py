"""Judge the same commit again."""

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.rounds import same_case
from forge_dagster.errors import Superseded
from forge_dagster.ports import Services


def rerun(services: Services, attempt_id: int, *, run_id: str) -> Attempt:
    """A fresh attempt at the same head under the same policy, already claimed by `run_id`; the one under way if there is one.

    Raises Superseded when a newer commit has replaced this one, or another run is judging it.
    """
    asked = services.ledger.attempt(attempt_id)
    for _ in range(3):  # somebody else may open the same round in between
        attempt = _latest(services, asked)
        if attempt.state is AttemptState.SUPERSEDED:
            raise Superseded(
                f"{attempt.partition} has been replaced by a newer commit",
                hint="judge the newer commit: this one is not merged",
            )
        if attempt.state.is_final:
            fresh = attempt.model_copy(
                update={
                    "id": 0,
                    "round": attempt.round + 1,
                    "state": AttemptState.PENDING,
                    "run_id": None,
                    "tested_tree": None,
                    "created_at": services.clock.now(),
                }
            )
            opened = services.ledger.open_attempt(fresh)
            if opened is None:
                continue
            attempt = opened
        return services.ledger.claim(attempt.id, run_id)
    raise Superseded(f"{asked.partition} is being judged by somebody else", hint="look at the newest run of this partition")


def _latest(services: Services, asked: Attempt) -> Attempt:
    same = services.ledger.attempts(
        repository=asked.repository, job=asked.job, number=asked.number, head_sha=asked.head_sha, limit=1000
    )
    return max((one for one in same if same_case(one, asked)), key=lambda one: one.round, default=asked)
