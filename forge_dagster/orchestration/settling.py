"""What happens to an attempt when its run is over, however it ended; and how a run is cancelled."""

import logging

import dagster as dg

from forge_dagster.orchestration.dagster_internals import UNREACHABLE
from forge_dagster.orchestration.metadata import run_tags
from forge_dagster.orchestration.partitions import ATTEMPT
from forge_dagster.ports import Services
from forge_dagster.usecases.recover import recover
from forge_dagster.workspace.reaping import reap

SETTLED = "forge/settled"
"""Run tag: the run's attempt has been seen to. Its value is the run's own id, since a re-executed run inherits tags."""

_logger = logging.getLogger(__name__)


def attempt_id(run: dg.DagsterRun) -> int | None:
    """The attempt that a run was started for or took up, None for a run that is none of Forge's."""
    text = run.tags.get(ATTEMPT, "")
    return int(text) if text.isdigit() else None


def is_settled(run: dg.DagsterRun) -> bool:
    """Whether `settle` has been through with the run."""
    return run.tags.get(SETTLED) == run.run_id


def settle(instance: dg.DagsterInstance, services: Services, run: dg.DagsterRun) -> bool:
    """End or free the attempt of a finished run, and remove what the run left behind. Idempotent; False: nothing to do."""
    attempt = attempt_id(run)
    if attempt is None or is_settled(run):
        return False
    reap(services.settings.home, run.run_id)
    recover(services, attempt, run_id=run.run_id, cancelled=run.status is dg.DagsterRunStatus.CANCELED)
    instance.add_run_tags(run.run_id, {SETTLED: run.run_id, **run_tags(services.ledger.verdict(attempt))})
    now = services.ledger.attempt(attempt)
    if now.state.is_final:
        services.workspace.clean(now)
    return True


def runs_of(instance: dg.DagsterInstance, attempt: int, *, limit: int = 100) -> list[dg.RunRecord]:
    """The runs made for an attempt, newest first."""
    return list(instance.get_run_records(filters=dg.RunsFilter(tags={ATTEMPT: str(attempt)}), limit=limit))


def cancel(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Ask a queued or running run to end. False when it is over, or cannot be reached now: the watchdog asks again."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    try:
        return bool(instance.run_coordinator.cancel_run(run_id))
    except UNREACHABLE as error:
        _logger.warning("run %s could not be cancelled yet: %s", run_id, error)
        return False
