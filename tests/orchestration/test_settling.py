"""What a run leaves to be done when it has ended, whichever executor it ran on."""

import dagster as dg
import pytest
from dagster import DagsterEventType as Event
from dagster import DagsterRunStatus as Status

from forge_dagster.domain.changes import AttemptState
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.orchestration.sensors import RUN_STATUS
from forge_dagster.orchestration.settling import settle
from forge_dagster.ports import Services
from forge_dagster.usecases.recover import recover
from forge_dagster.usecases.roll_out import rollout_key
from tests.fakes.forge_home import FakeForge, change, open_attempt, script
from tests.support.run_workers import make_run, of_type, reload, worker
from tests.support.waiting import wait_until

PROCESSES = {
    "execution": {
        "config": {
            "multiprocess": {
                "max_concurrent": 2,
                "start_method": {"forkserver": {"preload_modules": ["dagster", "tests.fakes.forge_home"]}},
            }
        }
    }
}


def tell_sensors(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Give the run's last event to the run-status sensor that is for it, as the daemon does."""
    kinds = {Status.SUCCESS: "run_succeeded", Status.FAILURE: "run_failed", Status.CANCELED: "run_canceled"}
    (sensor,) = [one for one in RUN_STATUS if one.name == kinds[run.status]]
    event = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event][-1]
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=run,
        resources={"forge": FakeForge()},
    )
    sensor(context)


@pytest.mark.slow
@pytest.mark.parametrize(("act", "decision"), [("fail", Decision.REJECT), ("pass", Decision.REVIEW)])
def test_on_the_multiprocess_executor_a_change_is_rejected_and_passed(
    instance: dg.DagsterInstance, services: Services, act: str, decision: Decision
) -> None:
    attempt = open_attempt(services)
    instance.add_dynamic_partitions("commit", [attempt.partition])
    script("lint", act)
    tags = {**attempt.tags, "dagster/partition": attempt.partition}
    run = make_run(instance, change, tags=tags, config=PROCESSES)
    with worker(instance, run) as process:  # a process of its own, since a fork server keeps the environment it began with
        wait_until(lambda: process.poll() is not None, timeout_s=200)
    run = reload(instance, run)
    verdict_ran = "verdict" in of_type(instance, run, Event.STEP_START)
    assert (run.status, verdict_ran) == ((Status.FAILURE, False) if act == "fail" else (Status.SUCCESS, True))
    tell_sensors(instance, run)
    verdict = services.ledger.verdict(attempt.id)
    assert verdict is not None
    assert (verdict.decision, verdict.outcome) == (decision, Outcome.FAILED if act == "fail" else Outcome.PASSED)
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED
    assert reload(instance, run).tags["forge/decision"] == decision.value


def test_settling_twice_does_it_once(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    run = make_run(instance, change, tags=attempt.tags)
    instance.report_run_failed(run)
    assert settle(instance, services, reload(instance, run))
    assert not settle(instance, services, reload(instance, run))


def test_tags_that_a_new_run_inherits_do_not_count_as_its_own(instance: dg.DagsterInstance, services: Services) -> None:
    first = make_run(instance, change, tags=open_attempt(services).tags)
    instance.report_run_failed(first)
    settle(instance, services, reload(instance, first))
    again = make_run(instance, change, tags=reload(instance, first).tags)
    instance.report_run_failed(again)
    assert settle(instance, services, reload(instance, again))


def test_a_run_that_is_none_of_forges_is_left_alone(instance: dg.DagsterInstance, services: Services) -> None:
    run = make_run(instance, change)
    instance.report_run_failed(run)
    assert not settle(instance, services, reload(instance, run))


def test_a_cancelled_change_is_decided_as_errored(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    run = make_run(instance, change, tags=attempt.tags)
    services.ledger.claim(attempt.id, run.run_id)
    instance.report_run_canceled(run)
    tell_sensors(instance, reload(instance, run))
    verdict = services.ledger.verdict(attempt.id)
    assert verdict is not None
    assert verdict.outcome is Outcome.ERRORED


def test_recovering_leaves_another_runs_attempt_alone(services: Services) -> None:
    attempt = open_attempt(services)
    services.ledger.claim(attempt.id, "effective")
    recover(services, attempt.id, run_id="dead")
    assert services.ledger.attempt(attempt.id).run_id == "effective"
    assert services.ledger.verdict(attempt.id) is None


RELEASE_GATES = [spec.name for spec in gates_of(Job.RELEASE)]


@pytest.mark.parametrize(
    ("outcomes", "cancelled", "state"),
    [
        ([], False, AttemptState.PENDING),
        ([Outcome.PASSED], False, AttemptState.PENDING),
        ([Outcome.FAILED], False, AttemptState.DECIDED),
        ([Outcome.PASSED, Outcome.FAILED], False, AttemptState.DECIDED),
        ([Outcome.PASSED, Outcome.PASSED], False, AttemptState.PENDING),
        ([Outcome.PASSED, Outcome.PASSED, Outcome.PASSED], False, AttemptState.DECIDED),
        ([], True, AttemptState.ABANDONED),
        ([Outcome.PASSED], True, AttemptState.ABANDONED),
        ([Outcome.PASSED, Outcome.FAILED], True, AttemptState.DECIDED),
    ],
)
def test_a_release_is_resumed_as_long_as_a_gate_could_still_run(
    services: Services, outcomes: list[Outcome], cancelled: bool, state: AttemptState
) -> None:
    attempt = open_attempt(services, job=Job.RELEASE)
    services.ledger.claim(attempt.id, "run")
    for gate, outcome in zip(RELEASE_GATES, outcomes, strict=False):
        services.ledger.put_result(attempt.id, gate_result(gate, outcome))
    recover(services, attempt.id, run_id="run", cancelled=cancelled)
    after = services.ledger.attempt(attempt.id)
    assert after.state is state
    assert (after.run_id is None) is (state is AttemptState.PENDING)


def test_a_rollout_under_way_is_resumed_even_when_cancelled(services: Services) -> None:
    attempt = open_attempt(services, job=Job.RELEASE)
    services.ledger.claim(attempt.id, "run")
    rollout = {
        "key": rollout_key(attempt),
        "repository": attempt.repository,
        "environment": "acme/shop/production",
        "release": {"name": "r", "sha": attempt.head_sha},
        "deploy": {},
    }
    for ended, state in ((False, AttemptState.PENDING), (True, AttemptState.ABANDONED)):
        services.ledger.put_rollout(
            key=rollout_key(attempt), repository=attempt.repository, environment="acme/shop/production", release="r",
            state={**rollout, "phase": "stable" if ended else "baking"}, ended=ended, at=1.0,
        )  # fmt: skip
        recover(services, attempt.id, run_id="run", cancelled=True)
        assert services.ledger.attempt(attempt.id).state is state
