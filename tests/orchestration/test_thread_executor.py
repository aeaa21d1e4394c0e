"""Forge's executor: what it adds to Dagster's, and what it must do as Dagster's do."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType as Event

from forge_dagster.errors import ConfigurationError
from forge_dagster.orchestration import step_logs
from forge_dagster.orchestration.executor import gate_executor
from forge_dagster.orchestration.workers import WORKER, Worker
from forge_dagster.workspace.reaping import start_time
from tests.support import thread_jobs
from tests.support.run_workers import THREADS, dagster_home, events, execute, make_run, of_type, reload, worker
from tests.support.waiting import wait_until


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dagster_home(tmp_path / "dagster") as made:
        yield made


def test_an_always_run_step_starts_once_everything_before_it_is_resolved(instance: dg.DagsterInstance) -> None:
    run = execute(instance, thread_jobs.always_run, make_run(instance, thread_jobs.always_run))
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert set(of_type(instance, run, Event.STEP_SUCCESS)) == {"good", "verdict", "after_verdict"}
    assert set(of_type(instance, run, Event.STEP_START)) == {"good", "bad", "verdict", "after_verdict"}
    failed = of_type(instance, run, Event.STEP_FAILURE)["bad"]
    assert failed.step_failure_data.user_failure_data is not None
    assert failed.step_failure_data.user_failure_data.description == "bad has its reasons"


@pytest.mark.parametrize("stock", ["in_process", "multiprocess"])
def test_the_stock_executors_are_one_field_of_the_run_configuration(instance: dg.DagsterInstance, stock: str) -> None:
    """They have no such trigger: the verdict does not run there, which is what the run-status sensors are for."""
    config: dict[str, Any] = {"execution": {"config": {stock: {}}}}
    run = execute(instance, thread_jobs.always_run, make_run(instance, thread_jobs.always_run, config=config))
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert set(of_type(instance, run, Event.STEP_SUCCESS)) == {"good"}
    assert WORKER in run.tags


def test_an_unknown_executor_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGE_EXECUTOR", "multiproces")
    with pytest.raises(ConfigurationError, match='did you mean "multiprocess"'):
        gate_executor(parallel=lambda: 1)


def test_the_environment_names_the_default_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORGE_EXECUTOR", raising=False)
    assert gate_executor(parallel=lambda: 1).config_schema.as_field().default_value == {"threads": {}}
    monkeypatch.setenv("FORGE_EXECUTOR", "multiprocess")
    assert gate_executor(parallel=lambda: 1).config_schema.as_field().default_value == {"multiprocess": {}}


def test_an_executor_whose_package_is_missing_says_what_to_install(instance: dg.DagsterInstance) -> None:
    config: dict[str, Any] = {"execution": {"config": {"k8s_job": {}}}}
    with pytest.raises(ConfigurationError, match="install dagster-k8s"):
        execute(instance, thread_jobs.always_run, make_run(instance, thread_jobs.always_run, config=config))


def test_docker_takes_the_configuration_that_it_always_takes(instance: dg.DagsterInstance) -> None:
    definition = gate_executor(parallel=lambda: 1)

    def create(config: dict[str, Any]) -> dg.Executor:
        job = dg.reconstructable(thread_jobs.always_run)
        context = dg.InitExecutorContext(
            job=job, executor_def=definition, executor_config={"docker": config}, instance=instance
        )
        assert definition.executor_creation_fn is not None
        return definition.executor_creation_fn(context)

    assert create({"image": "forge:1", "retries": {"disabled": {}}}).retries.disabled
    with pytest.raises((ConfigurationError, dg.DagsterInvalidConfigError), match="imagee"):
        create({"imagee": "forge:1"})


@pytest.mark.parametrize(
    ("maker", "config", "most"),
    [
        (thread_jobs.wide, {}, 3),
        (thread_jobs.wide, {"max_concurrent": 2}, 2),
        (thread_jobs.pooled, {}, 1),
        (thread_jobs.tagged, {"tag_concurrency_limits": [{"key": "heavy", "value": "true", "limit": 2}]}, 2),
    ],
    ids=["parallel", "run configuration", "pool", "tag"],
)
def test_limits_hold_and_are_used(instance: dg.DagsterInstance, maker: object, config: dict[str, object], most: int) -> None:
    thread_jobs.GAUGE.update(now=0, most=0)
    run = make_run(instance, maker, config={"execution": {"config": {"threads": config}}})  # type: ignore[arg-type]
    assert execute(instance, maker, run).status is dg.DagsterRunStatus.SUCCESS  # type: ignore[arg-type]
    assert thread_jobs.GAUGE["most"] == most


def test_a_pool_slot_is_free_again_after_the_run(instance: dg.DagsterInstance) -> None:
    execute(instance, thread_jobs.pooled, make_run(instance, thread_jobs.pooled))
    assert instance.event_log_storage.get_concurrency_info("one_at_a_time").active_slot_count == 0


def test_retries_wait_and_each_try_has_its_log(instance: dg.DagsterInstance) -> None:
    thread_jobs.TRIES.clear()
    run = execute(instance, thread_jobs.retried, make_run(instance, thread_jobs.retried))
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert thread_jobs.TRIES == [0, 1, 2]
    keys = [event.logs_captured_data.file_key for event in events(instance, run) if event.event_type is Event.LOGS_CAPTURED]
    assert [_log(instance, run, key) for key in keys] == ["try 0\n", "try 1\n", "try 2\n"]


def test_each_step_has_a_complete_log_of_its_own(instance: dg.DagsterInstance) -> None:
    run = execute(instance, thread_jobs.always_run, make_run(instance, thread_jobs.always_run))
    data = [event.logs_captured_data for event in events(instance, run) if event.event_type is Event.LOGS_CAPTURED]
    captured = {one.file_key: one.step_keys for one in data}
    assert captured == {name: [name] for name in ("good", "bad", "verdict", "after_verdict")}
    assert _log(instance, run, "good") == "good says hello\n"
    assert not _log(instance, run, "verdict")
    logs = instance.compute_log_manager
    assert all(logs.is_capture_complete(logs.build_log_key_for_run(run.run_id, key)) for key in captured)


def test_a_runaway_log_is_cut_and_says_so(instance: dg.DagsterInstance) -> None:
    logs = instance.compute_log_manager
    key = ["run", "compute_logs", "noisy"]
    with step_logs.captured(logs, key):
        write = step_logs.writer()
        for _ in range(20):
            write("x" * (step_logs.LIMIT // 10))
    data = logs.get_log_data(key).stderr
    assert data is not None
    assert len(data) <= step_logs.LIMIT + 100
    assert data.decode().endswith("[output goes on; the log is cut here]\n")


def test_the_worker_is_recorded(instance: dg.DagsterInstance) -> None:
    run = execute(instance, thread_jobs.always_run, make_run(instance, thread_jobs.always_run))
    assert Worker.of(run.tags) == Worker.here()


def test_cancelling_a_run_kills_its_tools_and_runs_nothing_more(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    run = make_run(instance, thread_jobs.sleeping, config=THREADS)
    with worker(instance, run, environment={"WORK": str(work)}) as process:
        wait_until((work / "parent").exists, timeout_s=60)
        tools = [int((work / name).read_text()) for name in ("parent", "child")]
        assert all(start_time(pid) is not None for pid in tools)
        instance.report_run_canceling(reload(instance, run))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: process.poll() is not None, timeout_s=30)
    assert reload(instance, run).status is dg.DagsterRunStatus.CANCELED
    assert all(start_time(pid) is None for pid in tools)
    assert (work / "ended").read_text() == "interrupted"
    assert not (work / "verdict").exists()


def test_a_wedged_step_does_not_keep_a_cancelled_run_alive(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORK", str(tmp_path))
    run = make_run(instance, thread_jobs.wedging)
    with worker(instance, run) as process:
        wait_until((tmp_path / "parent").exists, timeout_s=60)
        instance.report_run_canceling(reload(instance, run))
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, timeout_s=30)
    assert reload(instance, run).status is dg.DagsterRunStatus.CANCELED
    assert not Path(f"/proc/{(tmp_path / 'parent').read_text()}").exists()


def _log(instance: dg.DagsterInstance, run: dg.DagsterRun, key: str) -> str:
    logs = instance.compute_log_manager
    data = logs.get_log_data(logs.build_log_key_for_run(run.run_id, key)).stderr
    return (data or b"").decode()
