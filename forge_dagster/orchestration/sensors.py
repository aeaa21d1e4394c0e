"""What Forge does by itself: turn events into runs, look for what no event announced, send what is due, settle what ended."""

import json
import time
from collections.abc import Sequence

import dagster as dg

from forge_dagster.domain.changes import Attempt
from forge_dagster.errors import ForgeError
from forge_dagster.orchestration.discretion import discreet
from forge_dagster.orchestration.jobs import JOBS
from forge_dagster.orchestration.partitions import COMMITS
from forge_dagster.orchestration.resources import Forge
from forge_dagster.orchestration.settling import cancel, runs_of, settle
from forge_dagster.ports import Services
from forge_dagster.usecases.intake import Intake, intake, requested
from forge_dagster.usecases.outbox import drain
from forge_dagster.usecases.reconcile import reconcile

LISTEN_S = 4.0
"""Dagster starts sensors every 5 s; listening inside the evaluation for most of that time makes an event wait tenths of a
second. A longer evaluation would miss the next start and lose 5 s."""
LISTEN_STEP_S = 0.2
MAX_PAUSE_S = 300.0

RUNNING = dg.DefaultSensorStatus.RUNNING


@dg.sensor(
    jobs=JOBS,
    minimum_interval_seconds=1,
    default_status=RUNNING,
    description="Turns pushes and pull requests into runs, and cancels the runs that a newer commit replaces.",
)
@discreet
def git_events(context: dg.SensorEvaluationContext, forge: Forge) -> dg.SensorResult | dg.SkipReason:
    """Listen to the inbox; one run per attempt that is due."""
    try:
        services = forge.ready()
        due, cancelled = listen(services, context.instance, seconds=LISTEN_S)
    except ForgeError as error:
        return dg.SkipReason(forge.redaction().text(str(error)))
    for run_id in cancelled:
        cancel(context.instance, run_id)
    if not due:
        return dg.SkipReason("no event")
    requests = [run_request(context.instance, attempt) for attempt in due]
    requested(services, due)
    keys = sorted({attempt.partition for attempt in due})
    return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=[COMMITS.build_add_request(keys)])


def listen(services: Services, instance: dg.DagsterInstance, *, seconds: float) -> tuple[list[Attempt], Sequence[str]]:
    """Wait up to `seconds` for something to do: attempts to run now, and ids of runs to cancel."""
    until = time.monotonic() + seconds
    while True:
        found: Intake = intake(services)
        due = [attempt for attempt in found.attempts if not _pausing(services, instance, attempt)]
        if due or found.cancel_runs or time.monotonic() >= until:
            return due, found.cancel_runs
        time.sleep(LISTEN_STEP_S)


def _pausing(services: Services, instance: dg.DagsterInstance, attempt: Attempt) -> bool:
    """Whether the attempt's workers keep dying (out of memory, a broken installation) and the next run has to wait a while."""
    runs = runs_of(instance, attempt.id)
    if len(runs) < 2:
        return False
    ended = runs[0].end_time or runs[0].update_timestamp.timestamp()
    return services.clock.now() < ended + min(2.0 ** len(runs), MAX_PAUSE_S)


def run_request(instance: dg.DagsterInstance, attempt: Attempt) -> dg.RunRequest:
    """The run of an attempt. The key counts the runs there were, so that a repeated tick asks for the same run again."""
    number = len(runs_of(instance, attempt.id)) + 1
    return dg.RunRequest(
        run_key=f"attempt-{attempt.id}-{number}",
        job_name=attempt.job.value,
        partition_key=attempt.partition,
        tags=dict(attempt.tags),
    )


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=RUNNING,
    description="Compares the git hosts with what Forge knows, for events that never arrived.",
)
@discreet
def reconciliation(context: dg.SensorEvaluationContext, forge: Forge) -> dg.SkipReason:
    """Poll every settings.poll_s. What is missing becomes an attempt, which `git_events` then runs."""
    try:
        services = forge.ready()
        now = services.clock.now()
        last = float(json.loads(context.cursor or "0"))
        if 0 <= now - last < services.settings.poll_s:
            return dg.SkipReason("not due yet")
        reconcile(services)
    except ForgeError as error:
        return dg.SkipReason(forge.redaction().text(str(error)))
    context.update_cursor(json.dumps(now))
    return dg.SkipReason("compared")


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=RUNNING,
    description="Sends what is due to git hosts and agents: checks, comments, merges.",
)
@discreet
def outbox(forge: Forge) -> dg.SkipReason:
    """Work off the outbox; a refused errand stays until its time comes again."""
    try:
        drain(forge.ready())
    except ForgeError as error:
        return dg.SkipReason(forge.redaction().text(str(error)))
    return dg.SkipReason("drained")


def _ended_sensor(name: str, status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=name,
        minimum_interval_seconds=1,
        default_status=RUNNING,
        description="Gives the verdict of a run that ended without one, and frees or ends its attempt.",
    )
    @discreet
    def ended(context: dg.RunStatusSensorContext, forge: Forge) -> dg.SkipReason | None:
        try:
            done = settle(context.instance, forge.ready(), context.dagster_run)
        except ForgeError as error:
            return dg.SkipReason(forge.redaction().text(str(error)))
        return None if done else dg.SkipReason("nothing to settle")

    return ended


RUN_STATUS = (
    _ended_sensor("run_succeeded", dg.DagsterRunStatus.SUCCESS),
    _ended_sensor("run_failed", dg.DagsterRunStatus.FAILURE),
    _ended_sensor("run_canceled", dg.DagsterRunStatus.CANCELED),
)
"""The stock executors cannot run the verdict after a failed gate, and a dead worker runs nothing: both are settled here."""
