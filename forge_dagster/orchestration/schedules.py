"""The nightly run, and retention: Dagster has none of its own (dagster#33785), and every run brings about 0.3 MB."""

import os
import time

import dagster as dg

from forge_dagster.errors import ForgeError
from forge_dagster.orchestration.dagster_internals import PARTITION_NAME_TAG
from forge_dagster.orchestration.discretion import discreet
from forge_dagster.orchestration.jobs import NIGHTLY
from forge_dagster.orchestration.partitions import COMMITS
from forge_dagster.orchestration.resources import Forge
from forge_dagster.usecases.open_nightly import open_nightly

KEEP_DAYS = 30
KEEP_RUNS = 200
"""The newest runs stay, whatever their age."""
PER_DAY = 2_000
"""Runs deleted at most by one pruning, so that it ends in minutes."""
DAY_S = 86_400

_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class Retention(dg.Config):
    """How much history to keep."""

    days: int = int(os.environ.get("FORGE_KEEP_DAYS", KEEP_DAYS))
    runs: int = KEEP_RUNS


@dg.op(description="Deletes old runs with their logs, and partitions that have no run any more.")
def prune(context: dg.OpExecutionContext, config: Retention) -> None:
    """Never touches runs under way. The ledger and its audit log keep what was decided."""
    deleted, partitions = prune_runs(context.instance, days=config.days, keep=config.runs)
    context.log.info(f"deleted {deleted} runs and {partitions} partitions older than {config.days} days")


def prune_runs(instance: dg.DagsterInstance, *, days: float, keep: int) -> tuple[int, int]:
    """Delete finished runs older than `days`, all but the newest `keep`; how many runs and partitions went."""
    oldest_kept = instance.get_run_records(limit=keep)
    bound = oldest_kept[-1].storage_id if len(oldest_kept) == keep else 0
    before = time.time() - days * DAY_S
    old = instance.get_run_records(filters=dg.RunsFilter(statuses=_OVER), limit=PER_DAY, ascending=True)
    gone = [one for one in old if one.storage_id < bound and one.create_timestamp.timestamp() < before]
    for record in gone:
        run_id = record.dagster_run.run_id
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    keys = {record.dagster_run.tags.get(PARTITION_NAME_TAG) for record in gone} - {None}
    empty = [key for key in keys if key and not instance.get_runs_count(filters=dg.RunsFilter(tags={PARTITION_NAME_TAG: key}))]
    for key in empty:
        instance.delete_dynamic_partition(str(COMMITS.name), key)
    return len(gone), len(empty)


@dg.job(description="Keeps Dagster's own storage small.", tags={"forge/job": "retention"})
def retention() -> None:
    """Prune once."""
    prune()


@dg.schedule(
    name="nightly",
    job=NIGHTLY,
    cron_schedule="41 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Has the tip of every production branch judged anew; the sensor git_events then starts the runs.",
)
@discreet
def nightly(_context: dg.ScheduleEvaluationContext, forge: Forge) -> dg.SkipReason:
    """Once a night, whatever was remembered."""
    try:
        opened = open_nightly(forge.ready())
    except ForgeError as error:
        return dg.SkipReason(forge.redaction().text(str(error)))
    return dg.SkipReason(f"opened {len(opened)}: {', '.join(attempt.partition for attempt in opened)}")


RETENTION = dg.ScheduleDefinition(
    name="retention", job=retention, cron_schedule="17 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
