"""Jobs for the thread executor's tests; module-level, so that a worker process can find them."""

import os
import threading
import time
from pathlib import Path

import dagster as dg

from forge_dagster.orchestration import interruption, step_logs
from forge_dagster.orchestration.dagster_internals import RetryMode
from forge_dagster.orchestration.executor import gate_executor
from forge_dagster.orchestration.threads import ALWAYS_RUN, ThreadExecutor
from forge_dagster.ports import Command
from forge_dagster.workspace.processes import ProcessRun

GAUGE = {"now": 0, "most": 0}
_lock = threading.Lock()


def _job(*assets: dg.AssetsDefinition, parallel: int = 4, name: str = "work") -> dg.JobDefinition:
    executor = gate_executor(parallel=lambda: parallel)
    jobs = [dg.define_asset_job(name)]
    return dg.Definitions(assets=assets, jobs=jobs, executor=executor).resolve_job_def(name)


@dg.asset
def good() -> None:
    step_logs.writer()("good says hello")


@dg.asset
def bad() -> None:
    raise dg.Failure(description="bad has its reasons", allow_retries=False)


@dg.asset(deps=[bad])
def after_bad() -> None:
    raise AssertionError("must not run")


@dg.asset(deps=[good, bad, after_bad], op_tags={ALWAYS_RUN: "true"})
def verdict() -> None:
    pass


@dg.asset(deps=[verdict])
def after_verdict() -> None:
    pass


def always_run() -> dg.JobDefinition:
    return _job(good, bad, after_bad, verdict, after_verdict)


def _measured(name: str, **options: object) -> dg.AssetsDefinition:
    @dg.asset(name=name, **options)  # type: ignore[call-overload, untyped-decorator]
    def measured() -> None:
        with _lock:
            GAUGE["now"] += 1
            GAUGE["most"] = max(GAUGE["most"], GAUGE["now"])
        time.sleep(0.15)
        with _lock:
            GAUGE["now"] -= 1

    return measured  # type: ignore[no-any-return]


def wide() -> dg.JobDefinition:
    return _job(*(_measured(f"wide_{n}") for n in range(6)), parallel=3)


def pooled() -> dg.JobDefinition:
    return _job(*(_measured(f"pooled_{n}", pool="one_at_a_time") for n in range(3)))


def tagged() -> dg.JobDefinition:
    return _job(*(_measured(f"tagged_{n}", op_tags={"heavy": "true"}) for n in range(3)))


TRIES: list[int] = []


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2, delay=0.2))
def flaky(context: dg.AssetExecutionContext) -> None:
    TRIES.append(context.retry_number)
    step_logs.writer()(f"try {context.retry_number}")
    if context.retry_number < 2:
        raise ValueError("not yet")


def retried() -> dg.JobDefinition:
    return _job(flaky)


@dg.asset
def sleeper(context: dg.AssetExecutionContext) -> None:
    """A tool with a child, both of which say where they are in $WORK."""
    folder = Path(os.environ["WORK"])
    run = ProcessRun(home=folder, run_id=context.run_id)
    script = "sleep 300 & echo $! > child; echo $$ > parent.part; mv parent.part parent; wait"
    with interruption.stopping_with(context.run_id, run.stop):
        result = run.run(Command(argv=("sh", "-c", script), cwd=folder, timeout_s=300, trusted=True))
    (folder / "ended").write_text(result.ended)
    if result.ended == "interrupted":
        raise dg.DagsterExecutionInterruptedError("cancelled")


@dg.asset(deps=[sleeper], op_tags={ALWAYS_RUN: "true"})
def verdict_after_sleeper() -> None:
    (Path(os.environ["WORK"]) / "verdict").touch()


def sleeping() -> dg.JobDefinition:
    return _job(sleeper, verdict_after_sleeper)


@dg.asset
def wedged() -> None:
    (Path(os.environ["WORK"]) / "parent").write_text(str(os.getpid()))
    while True:  # heeds nothing
        time.sleep(0.1)


def wedging() -> dg.JobDefinition:
    executor = ThreadExecutor(retries=RetryMode.DISABLED, parallel=lambda: 1, grace_s=1.0)
    definition = dg.ExecutorDefinition.hardcoded_executor(executor)
    return dg.Definitions(assets=[wedged], jobs=[dg.define_asset_job("work")], executor=definition).resolve_job_def("work")
