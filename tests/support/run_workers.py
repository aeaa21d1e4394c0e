"""A real Dagster instance in a temporary home, and runs executed here or by a real worker process."""

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.api import execute_run_iterator
from dagster._grpc.types import ExecuteRunArgs

THREADS: dict[str, Any] = {"execution": {"config": {"threads": {}}}}
CONFIGURATION = """
telemetry: {enabled: false}
concurrency: {pools: {granularity: op, default_limit: 1}}
"""

JobMaker = Callable[[], dg.JobDefinition]


@contextmanager
def dagster_home(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on SQLite below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(CONFIGURATION)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def make_run(
    instance: dg.DagsterInstance,
    maker: JobMaker,
    *,
    tags: Mapping[str, str] | None = None,
    config: Any = None,
    only: Collection[str] = (),
) -> dg.DagsterRun:
    """The run, not started. `maker` is a module-level function; `only`: assets picked by hand."""
    job = dg.reconstructable(maker)
    selection = frozenset(dg.AssetKey(name) for name in only) or None
    definition = job.get_definition().get_subset(asset_selection=selection) if selection else job.get_definition()
    return instance.create_run_for_job(
        definition,
        run_config=config or {},
        tags=tags,
        job_code_origin=job.get_python_origin(),
        asset_selection=selection,
    )


def execute(instance: dg.DagsterInstance, maker: JobMaker, run: dg.DagsterRun) -> dg.DagsterRun:
    """Execute in this process, as a worker would, and return the finished run."""
    job = dg.reconstructable(maker)
    if run.asset_selection:
        job = job.get_subset(asset_selection=run.asset_selection)
    for _ in execute_run_iterator(job, run, instance):
        pass
    return reload(instance, run)


@contextmanager
def worker(
    instance: dg.DagsterInstance, run: dg.DagsterRun, *, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of its own that executes the run, as `dagster api execute_run` does in a container."""
    assert run.job_code_origin is not None
    arguments = ExecuteRunArgs(job_origin=run.job_code_origin, run_id=run.run_id, instance_ref=instance.get_ref())
    command = [sys.executable, "-m", "dagster", *arguments.get_command_args()[-3:]]
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def reload(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """The run as it is now."""
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def events(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterEvent]:
    """Everything Dagster recorded about the run, in order."""
    return [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event is not None]


def of_type(instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType) -> dict[str, dg.DagsterEvent]:
    """Step -> its last event of one type."""
    return {event.step_key or "": event for event in events(instance, run) if event.event_type is kind}
