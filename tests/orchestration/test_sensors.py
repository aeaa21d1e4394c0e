"""What Forge does by itself, tick by tick, on a real instance."""

import dataclasses
from pathlib import Path

import dagster as dg
import pytest

from forge_dagster.domain.changes import AttemptState
from forge_dagster.domain.graph import Job
from forge_dagster.orchestration.partitions import COMMITS
from forge_dagster.orchestration.sensors import git_events, listen, outbox, reconciliation
from forge_dagster.orchestration.watchdog import watchdog
from forge_dagster.ports import Services
from forge_dagster.workspace.reaping import start_time
from tests.fakes.forge_home import FakeForge, announce, change, home, open_attempt, open_pull_request, script
from tests.fakes.later_clock import LaterClock
from tests.support.code_server import code_server
from tests.support.run_workers import make_run, reload
from tests.support.waiting import wait_until

MODULE = "tests.fakes.forge_home"


def tick(instance: dg.DagsterInstance, sensor: dg.SensorDefinition = git_events) -> list[dg.RunRequest]:
    """Evaluate as the daemon does, and do what it then does: partitions first, then one run per new run key."""
    context = dg.build_sensor_context(instance=instance, resources={"forge": FakeForge()})
    answer = sensor(context)
    if not isinstance(answer, dg.SensorResult):
        return []
    for added in answer.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(str(COMMITS.name), list(added.partition_keys))
    made = []
    for request in answer.run_requests or ():
        tags = {**request.tags, "dagster/partition": str(request.partition_key), "dagster/run_key": str(request.run_key)}
        if not instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": str(request.run_key)})):
            assert request.job_name == "change"
            make_run(instance, change, tags=tags)
            made.append(request)
    return made


def test_an_event_becomes_one_run_whatever_comes_twice(instance: dg.DagsterInstance, services: Services) -> None:
    pull = open_pull_request()
    announce(services, pull, delivery="one")
    (request,) = tick(instance)
    assert request.partition_key == "acme/shop@aaaaaaaaaaaa"
    assert request.partition_key in instance.get_dynamic_partitions("commit")
    assert request.tags["forge/agent"] == "builder-01"
    assert request.tags["forge/task"] == "T-1"
    announce(services, pull, delivery="one")
    announce(services, pull, delivery="two")
    assert not tick(instance)
    assert not tick(instance)
    assert len(instance.get_runs()) == 1
    (attempt,) = services.ledger.attempts(head_sha=pull.head_sha)
    assert attempt.state is AttemptState.REQUESTED


def test_a_tick_that_is_lost_before_its_runs_were_made_is_made_up_for(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    context = dg.build_sensor_context(instance=instance, resources={"forge": FakeForge()})
    git_events(context)  # the daemon dies here: an attempt that was asked for, and no run
    assert services.ledger.attempt(attempt.id).state is AttemptState.REQUESTED
    watch = dg.build_sensor_context(instance=instance, resources={"forge": FakeForge()})
    watchdog(watch)
    assert services.ledger.attempt(attempt.id).state is AttemptState.REQUESTED
    assert str(attempt.id) in str(watch.cursor)
    aged = dg.build_sensor_context(
        instance=instance, resources={"forge": FakeForge()}, cursor=f'{{"{attempt.id}": {services.clock.now() - 60}}}'
    )
    watchdog(aged)
    assert services.ledger.attempt(attempt.id).state is AttemptState.PENDING
    assert len(tick(instance)) == 1


def test_listening_ends_as_soon_as_there_is_something(instance: dg.DagsterInstance, services: Services) -> None:
    assert listen(services, instance, seconds=0.0) == ([], ())
    attempt = open_attempt(services)
    assert listen(services, instance, seconds=60.0) == ([attempt], ())


def test_an_attempt_whose_workers_keep_dying_has_to_wait(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services, job=Job.RELEASE)
    for _ in range(3):
        run = make_run(instance, change, tags=attempt.tags)
        instance.report_run_failed(run)
    assert listen(services, instance, seconds=0.0) == ([], ())
    later = dataclasses.replace(services, clock=LaterClock(9.0))
    assert listen(later, instance, seconds=0.0) == ([attempt], ())


def test_a_newer_head_ends_the_older_run_with_its_tools(instance: dg.DagsterInstance, services: Services) -> None:
    script("secrets", "sleep")
    announce(services, open_pull_request(sha="a" * 40), delivery="one")
    (request,) = tick(instance)
    (waiting,) = instance.get_runs()
    with code_server(instance, MODULE) as server:
        run = server.launch("change", waiting.tags)
        wait_until((home() / "parent").exists, timeout_s=90)
        tools = [int((home() / name).read_text()) for name in ("parent", "child")]
        assert all(start_time(pid) is not None for pid in tools)
        announce(services, open_pull_request(sha="c" * 40), delivery="two")
        (newer,) = tick(instance)
        assert newer.partition_key == "acme/shop@cccccccccccc"
        wait_until(lambda: reload(instance, run).is_finished, timeout_s=60)
    assert reload(instance, run).status is dg.DagsterRunStatus.CANCELED
    assert all(start_time(pid) is None for pid in tools)
    assert services.ledger.attempt(int(request.tags["forge/attempt"])).state is AttemptState.SUPERSEDED


def test_hosts_are_polled_as_often_as_the_settings_say(instance: dg.DagsterInstance, services: Services) -> None:
    context = dg.build_sensor_context(instance=instance, resources={"forge": FakeForge()})
    assert "compared" in str(reconciliation(context))
    assert "not due" in str(reconciliation(context))


def test_the_outbox_is_drained(instance: dg.DagsterInstance, services: Services) -> None:
    services.ledger.post(key="k", kind="close", repository="acme/shop", body={"number": 7}, at=services.clock.now())
    outbox(dg.build_sensor_context(instance=instance, resources={"forge": FakeForge()}))
    assert not services.ledger.due_errands(services.clock.now() + 3600)


@pytest.mark.parametrize("sensor", [git_events, reconciliation, watchdog, outbox], ids=lambda sensor: sensor.name)
def test_without_a_home_a_sensor_says_what_to_start(
    instance: dg.DagsterInstance, services: Services, sensor: dg.SensorDefinition
) -> None:
    (home() / "secrets").rmdir()
    answer = sensor(dg.build_sensor_context(instance=instance, resources={"forge": FakeForge()}))
    assert isinstance(answer, dg.SkipReason)
    assert "forge up" in str(answer.skip_message)
    assert not Path(home() / "ledger.db").exists()
