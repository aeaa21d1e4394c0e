"""Old runs go, with their logs and partitions; the newest stay."""

import dagster as dg

from forge_dagster.orchestration.dagster_internals import ComputeIOType
from forge_dagster.orchestration.schedules import prune_runs
from forge_dagster.ports import Services
from tests.fakes.forge_home import change
from tests.support.run_workers import make_run


def finished(instance: dg.DagsterInstance, partition: str) -> str:
    instance.add_dynamic_partitions("commit", [partition])
    run = make_run(instance, change, tags={"dagster/partition": partition})
    logs = instance.compute_log_manager
    with logs.open_log_stream(logs.build_log_key_for_run(run.run_id, "lint"), ComputeIOType.STDERR):
        pass
    instance.report_run_failed(run)
    return run.run_id


def test_old_runs_go_and_the_newest_stay(instance: dg.DagsterInstance, services: Services) -> None:
    old = [finished(instance, "acme/shop@aaa"), finished(instance, "acme/shop@bbb")]
    new = [finished(instance, "acme/shop@aaa"), finished(instance, "acme/shop@ccc")]
    assert prune_runs(instance, days=1, keep=2) == (0, 0)
    assert prune_runs(instance, days=0, keep=2) == (2, 1)
    assert {run.run_id for run in instance.get_runs()} == set(new)
    assert set(instance.get_dynamic_partitions("commit")) == {"acme/shop@aaa", "acme/shop@ccc"}
    assert not instance.all_logs(old[0])
    assert prune_runs(instance, days=0, keep=2) == (0, 0)


def test_a_run_under_way_stays(instance: dg.DagsterInstance, services: Services) -> None:
    waiting = make_run(instance, change)
    finished(instance, "acme/shop@aaa")
    assert prune_runs(instance, days=0, keep=1) == (0, 0)
    assert instance.get_run_by_id(waiting.run_id) is not None
