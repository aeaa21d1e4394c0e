"""Every run ends and every attempt with it, whatever is killed or lost."""

import dataclasses
import os
import signal
from collections.abc import Mapping

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from forge_dagster.domain.changes import AttemptState
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.orchestration.settling import is_settled
from forge_dagster.orchestration.watchdog import CANCEL_LIMIT_S, ORPHAN_LIMIT_S, START_LIMIT_S, watch_attempts, watch_runs
from forge_dagster.orchestration.workers import WORKER, Worker
from forge_dagster.ports import Services
from forge_dagster.workspace.reaping import start_time
from tests.fakes.forge_home import change, home, open_attempt, release, script
from tests.fakes.later_clock import LaterClock
from tests.support.run_workers import events, make_run, reload, worker
from tests.support.waiting import wait_until


def later(services: Services, seconds: float) -> Services:
    return dataclasses.replace(services, clock=LaterClock(seconds))


def tools() -> list[int]:
    """Wait for the sleeping tool and its child; their pids."""
    wait_until((home() / "parent").exists, timeout_s=90)
    return [int((home() / name).read_text()) for name in ("parent", "child")]


def gone(pids: list[int]) -> bool:
    return all(start_time(pid) is None for pid in pids)


@pytest.fixture
def dead_worker() -> str:
    """The tag of a process that is no more."""
    return dataclasses.replace(Worker.here(), started="1.0").tag


def test_a_killed_worker_of_a_change_ends_the_run_its_tools_and_the_attempt(
    instance: dg.DagsterInstance, services: Services
) -> None:
    attempt = open_attempt(services)
    script("secrets", "sleep")
    run = make_run(instance, change, tags={**attempt.tags, "dagster/partition": attempt.partition})
    with worker(instance, run) as process:
        pids = tools()
        assert not watch_runs(instance, services)
        assert reload(instance, run).status is Status.STARTED
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert watch_runs(instance, services) == [run.run_id]
    ended = reload(instance, run)
    assert ended.status is Status.FAILURE
    assert f"(pid {process.pid}) died" in events(instance, ended)[-1].message  # type: ignore[operator]
    assert gone(pids)
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED
    verdict = services.ledger.verdict(attempt.id)
    assert verdict is not None
    assert (verdict.outcome, verdict.decision) == (Outcome.ERRORED, Decision.REVIEW)
    assert is_settled(ended)
    assert (home() / f"cleaned-{attempt.id}").exists()
    assert not watch_runs(instance, services)


def test_a_killed_worker_of_a_release_frees_the_attempt_for_the_next_run(
    instance: dg.DagsterInstance, services: Services
) -> None:
    attempt = open_attempt(services, job=Job.RELEASE)
    script("build", "sleep")
    run = make_run(instance, release, tags={**attempt.tags, "dagster/partition": attempt.partition})
    with worker(instance, run) as process:
        pids = tools()
        process.kill()
        process.wait()
    assert watch_runs(instance, services) == [run.run_id]
    assert gone(pids)
    freed = services.ledger.attempt(attempt.id)
    assert (freed.state, freed.run_id) == (AttemptState.PENDING, None)


def test_a_pid_that_somebody_else_has_now_is_a_dead_worker_and_left_alone(dead_worker: str) -> None:
    found = Worker.of({WORKER: dead_worker})
    assert found is not None
    assert found.pid == os.getpid()
    assert found.is_dead
    found.kill()  # would end this test run
    assert not Worker.here().is_dead


def test_a_worker_on_another_machine_is_nobodys_to_judge(dead_worker: str) -> None:
    assert not dataclasses.replace(Worker.here(), machine="elsewhere:1234", pid=1).is_dead
    rebooted = dataclasses.replace(Worker.here(), machine=f"{Worker.here().machine.partition(':')[0]}:before")
    assert rebooted.is_dead


@pytest.mark.parametrize("tag", ["", "x", "host/", "host/12", "host/abc@1", "/12@1"])
def test_a_broken_tag_names_no_worker_or_a_dead_one(tag: str) -> None:
    found = Worker.of({WORKER: tag})
    assert found is None or found.machine == "host"


def test_a_run_that_never_started_is_ended(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    run = make_run(instance, change, tags=attempt.tags)
    assert not watch_runs(instance, services)
    assert watch_runs(instance, later(services, START_LIMIT_S + 5)) == [run.run_id]
    assert reload(instance, run).status is Status.FAILURE
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_a_queued_run_may_wait(instance: dg.DagsterInstance, services: Services) -> None:
    run = queued(instance, open_attempt(services).tags)
    assert not watch_runs(instance, later(services, 10 * START_LIMIT_S))
    assert reload(instance, run).status is Status.QUEUED


def test_a_queued_run_that_was_replaced_is_cancelled(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    run = queued(instance, attempt.tags)
    services.ledger.advance(attempt.id, AttemptState.SUPERSEDED)
    watch_runs(instance, services)
    assert reload(instance, run).status is Status.CANCELED


def test_a_run_over_its_time_is_asked_to_end_and_then_ended(instance: dg.DagsterInstance, services: Services) -> None:
    """The worker cannot be asked here (no code server), as when it heeds nothing: it is killed."""
    attempt = open_attempt(services)
    script("secrets", "sleep")
    run = make_run(
        instance, change, tags={**attempt.tags, "dagster/partition": attempt.partition, "dagster/max_runtime": "100"}
    )
    with worker(instance, run) as process:
        pids = tools()
        watch_runs(instance, later(services, 50))
        assert reload(instance, run).status is Status.STARTED
        watch_runs(instance, later(services, 150))
        assert reload(instance, run).status is Status.CANCELING
        assert not watch_runs(instance, later(services, CANCEL_LIMIT_S - 30))
        assert watch_runs(instance, later(services, CANCEL_LIMIT_S + 30)) == [run.run_id]
        assert process.wait(10) == -signal.SIGKILL
    assert reload(instance, run).status is Status.CANCELED
    assert gone(pids)
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_a_run_that_was_deleted_does_not_leave_its_attempt_open(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    services.ledger.claim(attempt.id, "deleted")
    seen = watch_attempts(instance, services, {})
    assert set(seen) == {str(attempt.id)}
    assert watch_attempts(instance, later(services, ORPHAN_LIMIT_S - 5), seen) == seen
    assert not watch_attempts(instance, later(services, ORPHAN_LIMIT_S + 5), seen)
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_an_ended_run_that_no_sensor_saw_is_settled(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    services.ledger.advance(attempt.id, AttemptState.REQUESTED)
    run = make_run(instance, change, tags=attempt.tags)
    instance.report_run_failed(run)
    assert not watch_attempts(instance, services, {})
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_one_broken_run_does_not_keep_the_others_from_being_ended(
    instance: dg.DagsterInstance, services: Services, dead_worker: str
) -> None:
    lost = make_run(instance, change, tags={"forge/attempt": "999", WORKER: dead_worker})
    run = make_run(instance, change, tags={**open_attempt(services).tags, WORKER: dead_worker})
    for one in (lost, run):
        instance.handle_new_event(started(instance, one))
    watch_runs(instance, services)
    assert reload(instance, run).status is Status.FAILURE
    assert reload(instance, lost).status is Status.FAILURE


def test_a_killed_workers_pool_slot_is_free_again(instance: dg.DagsterInstance, services: Services, dead_worker: str) -> None:
    run = make_run(instance, release, tags={**open_attempt(services, job=Job.RELEASE).tags, WORKER: dead_worker})
    instance.handle_new_event(started(instance, run))
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("deploy")
    assert storage.claim_concurrency_slot("deploy", run.run_id, "canary").is_claimed
    watch_runs(instance, services)
    assert storage.get_concurrency_info("deploy").active_slot_count == 0


def queued(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> dg.DagsterRun:
    """A run in the queue of the daemon."""
    server = GrpcServerCodeLocationOrigin(host="localhost", port=1, location_name="forge")
    repository = RemoteRepositoryOrigin(code_location_origin=server, repository_name="__repository__")
    origin = RemoteJobOrigin(repository_origin=repository, job_name="change")
    run = instance.create_run_for_job(change(), tags=tags, remote_job_origin=origin)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_ENQUEUED", run.job_name), run.run_id)
    return reload(instance, run)


def started(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.EventLogEntry:
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None, level=20, user_message="", run_id=run.run_id, timestamp=0.0, job_name=run.job_name,
        dagster_event=dg.DagsterEvent("PIPELINE_START", run.job_name),
    )  # fmt: skip
