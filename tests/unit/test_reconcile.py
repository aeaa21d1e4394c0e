from pathlib import Path
from typing import Any

import pytest

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.graph import Job
from forge_dagster.errors import HostError
from forge_dagster.usecases.intake import intake, requested
from forge_dagster.usecases.reconcile import reconcile
from tests.fakes.git_world import REPOSITORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _opened(world: World, *patches: str, number: int = 1, **changes: Any) -> Attempt:
    """A pull request whose attempt waits for its run."""
    world.host.open_pull(number, world.host.commit_of("first", *(patches or ("change",))), **changes)
    world.event("pull_request", "opened", number=number)
    found = intake(world.services)
    return found.attempts[-1]


def test_whatever_no_webhook_announced_is_found_by_one_poll(world: World) -> None:
    head = world.host.commit_of("first", "x")
    world.host.open_pull(1, head)
    assert reconcile(world.services) == 2
    assert reconcile(world.services) == 0, "stored already"
    found = intake(world.services)
    assert {(a.job, a.head_sha) for a in found.attempts} == {(Job.CHANGE, head), (Job.RELEASE, world.host.branches["main"])}
    assert reconcile(world.services) == 0
    assert intake(world.services) == found


def test_a_close_that_was_not_announced_is_found_once(world: World) -> None:
    attempt = _opened(world)
    reconcile(world.services)
    requested(world.services, intake(world.services).attempts)
    world.ledger.claim(attempt.id, "run-1")
    world.host.change_pull(1, state="closed")
    assert reconcile(world.services) == 1
    assert intake(world.services).cancel_runs == ("run-1",)
    assert world.previews.removed == [f"{REPOSITORY}/pull/1"]
    assert reconcile(world.services) == 0


def test_a_poll_between_event_and_intake_makes_no_second_attempt(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"))
    world.event("push", ref="refs/heads/main")
    world.event("pull_request", "opened", number=1)
    reconcile(world.services)
    assert len(intake(world.services).attempts) == 2


def test_a_host_that_cannot_be_polled_is_said(world: World) -> None:
    world.host.down = HostError("no answer")
    with pytest.raises(HostError, match="no answer"):
        reconcile(world.services)


def test_reopened_and_missed_is_found_again(world: World) -> None:
    _opened(world)
    for state, events in (("closed", 2), ("open", 1), ("closed", 1), ("open", 1)):
        world.host.change_pull(1, state=state)
        assert reconcile(world.services) == events
        found = intake(world.services)
    assert max(attempt.round for attempt in found.attempts) == 2
