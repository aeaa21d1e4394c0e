"""What Dagster is shown follows from the graph of gates; nothing is written twice."""

import dagster as dg
import pytest

import definitions
from forge_dagster.domain.graph import GATES, GateSpec, Job, gates_of
from forge_dagster.orchestration.assets import CHECK, PRIORITY_TAG
from forge_dagster.orchestration.partitions import COMMITS, parse
from forge_dagster.orchestration.threads import ALWAYS_RUN

defs = definitions.defs
graph = defs.resolve_asset_graph()


def test_there_is_one_asset_per_gate_and_no_other() -> None:
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {spec.name for spec in GATES}


@pytest.mark.parametrize("spec", GATES, ids=lambda spec: spec.name)
def test_an_asset_is_what_its_gate_is(spec: GateSpec) -> None:
    node = graph.get(dg.AssetKey(spec.name))
    assert node.group_name == spec.stage.group
    assert node.description == spec.description
    assert {key.to_user_string() for key in node.parent_keys} == set(spec.waits_for)
    assert node.partitions_def == COMMITS
    assert [(key.name, key.asset_key) for key in node.check_keys] == [(CHECK, node.key)]
    assert (node.assets_def.op.tags.get(ALWAYS_RUN) == "true") is spec.always_run
    assert node.assets_def.op.tags[PRIORITY_TAG] == str(-spec.cost)
    check = next(iter(node.assets_def.check_specs))
    assert check.blocking


@pytest.mark.parametrize("job", Job, ids=lambda job: job.value)
def test_a_job_runs_the_gates_that_say_so_within_a_time_limit(job: Job) -> None:
    made = defs.resolve_job_def(job.value)
    steps = {node.name for node in made.nodes}
    assert steps == {spec.name for spec in gates_of(job)}
    assert int(made.run_tags["dagster/max_runtime"]) > 0
    assert made.partitions_def == COMMITS


def test_only_canary_is_in_a_pool() -> None:
    assert {
        spec.name: graph.get(dg.AssetKey(spec.name)).pools for spec in GATES if graph.get(dg.AssetKey(spec.name)).pools
    } == {"canary": {"deploy"}}


def test_everything_that_runs_by_itself_is_on() -> None:
    assert {sensor.name for sensor in defs.sensors or ()} == {
        "git_events", "reconciliation", "watchdog", "outbox", "run_succeeded", "run_failed", "run_canceled",
    }  # fmt: skip
    assert {sensor.default_status for sensor in defs.sensors or ()} == {dg.DefaultSensorStatus.RUNNING}
    assert {schedule.default_status for schedule in defs.schedules or ()} == {dg.DefaultScheduleStatus.RUNNING}


def test_a_partition_names_repository_and_commit() -> None:
    assert parse("acme/shop@0123456789ab") == ("acme/shop", "0123456789ab")
    assert parse("acme/a@b@0123456789ab") == ("acme/a@b", "0123456789ab")
    for wrong in ("", "acme", "acme/shop", "acme/shop@", "@abc"):
        with pytest.raises(ValueError, match="is not owner"):
            parse(wrong)
