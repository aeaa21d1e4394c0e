"""Ends what cannot end by itself: runs whose worker was killed or never came, runs over their time, attempts without a run."""

import json
import logging
from collections.abc import Mapping

import dagster as dg

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.errors import ForgeError
from forge_dagster.orchestration.dagster_internals import MAX_RUNTIME_SECONDS_TAG
from forge_dagster.orchestration.discretion import discreet
from forge_dagster.orchestration.jobs import DEFAULT_TIME_LIMIT_S
from forge_dagster.orchestration.resources import Forge
from forge_dagster.orchestration.sensors import RUNNING
from forge_dagster.orchestration.settling import attempt_id, cancel, runs_of, settle
from forge_dagster.orchestration.workers import WORKER, Worker
from forge_dagster.ports import Services
from forge_dagster.usecases.recover import recover
from forge_dagster.workspace.reaping import reap

START_LIMIT_S = 180.0
"""From launch to the run's first sign of life; starting a worker takes about 2 s."""
CANCEL_LIMIT_S = 90.0
"""From the request to end until the worker is killed; its own grace is threads.GRACE_S."""
ORPHAN_LIMIT_S = 30.0
"""How long an attempt may be without a run: between asking for one and Dagster making it lies less than a second."""

_Status = dg.DagsterRunStatus
_WATCHED = [_Status.NOT_STARTED, _Status.STARTING, _Status.STARTED, _Status.CANCELING, _Status.QUEUED]
_OPEN = (AttemptState.REQUESTED, AttemptState.RUNNING)
_DEAD = (AttemptState.SUPERSEDED, AttemptState.ABANDONED)
_logger = logging.getLogger(__name__)


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=RUNNING,
    description="Ends runs whose worker is gone or whose time is over, and resumes releases.",
)
@discreet
def watchdog(context: dg.SensorEvaluationContext, forge: Forge) -> dg.SkipReason:
    """One look at every run under way and every open attempt."""
    try:
        services = forge.ready()
        ended = watch_runs(context.instance, services)
        orphans = watch_attempts(context.instance, services, json.loads(context.cursor or "{}"))
    except ForgeError as error:
        return dg.SkipReason(forge.redaction().text(str(error)))
    context.update_cursor(json.dumps(orphans))
    return dg.SkipReason(f"ended {len(ended)} runs: {', '.join(ended)}" if ended else "all is well")


def watch_runs(instance: dg.DagsterInstance, services: Services) -> list[str]:
    """End every run that needs it; their ids. One that cannot be seen to does not keep the others from it."""
    ended = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=_WATCHED)):
        run = record.dagster_run
        if WORKER not in run.tags and attempt_id(run) is None:
            continue  # another code location's
        try:
            if _watch(instance, services, record):
                ended.append(run.run_id)
        except ForgeError as error:
            _logger.warning("run %s: %s", run.run_id, error)
    return ended


def _watch(instance: dg.DagsterInstance, services: Services, record: dg.RunRecord) -> bool:
    run, now = record.dagster_run, services.clock.now()
    reason = _dead(record, now)
    if reason is not None:
        _end(instance, services, run.run_id, reason)
        return True
    if run.status is not _Status.CANCELING and (_overdue(record, now) or _replaced(services, run)):
        cancel(instance, run.run_id)
    return False


def _dead(record: dg.RunRecord, now: float) -> str | None:
    """Why a run can be given up, if it can."""
    run, worker = record.dagster_run, Worker.of(record.dagster_run.tags)
    if run.status is _Status.QUEUED:
        return None
    if worker is not None and run.status is not _Status.NOT_STARTED and worker.is_dead:
        return f"the run's worker (pid {worker.pid}) died"
    since = now - record.update_timestamp.timestamp()
    if run.status is _Status.CANCELING and since > CANCEL_LIMIT_S:
        return f"the run did not end within {CANCEL_LIMIT_S:.0f} s of being asked to"
    if run.status in (_Status.STARTING, _Status.NOT_STARTED) and since > START_LIMIT_S:
        return f"the run did not start within {START_LIMIT_S:.0f} s"
    return None


def _overdue(record: dg.RunRecord, now: float) -> bool:
    limit = record.dagster_run.tags.get(MAX_RUNTIME_SECONDS_TAG, "")
    seconds = float(limit) if limit.isdigit() else DEFAULT_TIME_LIMIT_S
    return record.start_time is not None and now - record.start_time > seconds


def _replaced(services: Services, run: dg.DagsterRun) -> bool:
    """Whether a newer commit took the run's place and the request to end it was lost."""
    attempt = attempt_id(run)
    return attempt is not None and services.ledger.attempt(attempt).state in _DEAD


def _end(instance: dg.DagsterInstance, services: Services, run_id: str, reason: str) -> None:
    run = instance.get_run_by_id(run_id)  # it may have ended, and its worker exited, since it was listed
    if run is None or run.is_finished:
        return
    worker = Worker.of(run.tags)
    if worker is not None:
        worker.kill()
    killed = reap(services.settings.home, run_id)
    message = f"Ended by Forge's watchdog: {reason}." + (
        f" {killed} processes it had left behind were killed." if killed else ""
    )
    _logger.warning("run %s: %s", run_id, message)
    if run.status is _Status.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        instance.report_run_failed(run, message)
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    over = instance.get_run_by_id(run_id)
    if over is not None:
        settle(instance, services, over)


def watch_attempts(instance: dg.DagsterInstance, services: Services, seen: Mapping[str, float]) -> dict[str, float]:
    """Settle attempts whose run is over, and free those that have had none for a while.

    `seen` and the answer: attempt -> when it was first found to have no run.
    """
    orphans: dict[str, float] = {}
    now = services.clock.now()
    for attempt in services.ledger.attempts(states=_OPEN, limit=1000):
        try:
            since = _watch_attempt(instance, services, attempt, seen.get(str(attempt.id), now), now)
        except ForgeError as error:
            _logger.warning("attempt %s: %s", attempt.id, error)
        else:
            orphans |= {} if since is None else {str(attempt.id): since}
    return orphans


def _watch_attempt(
    instance: dg.DagsterInstance, services: Services, attempt: Attempt, since: float, now: float
) -> float | None:
    """Since when the attempt has had no run, None if it has one or has been seen to."""
    runs = runs_of(instance, attempt.id, limit=1)
    if runs:
        if runs[0].dagster_run.is_finished:
            settle(instance, services, runs[0].dagster_run)
        return None
    if now - since < ORPHAN_LIMIT_S:
        return min(since, now)
    if attempt.run_id is None:  # Dagster never made the run that was asked for
        services.ledger.release_claim(attempt.id)
    else:  # somebody deleted it
        recover(services, attempt.id, run_id=attempt.run_id)
    return None
