from pathlib import Path
from typing import Any

import pytest

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.feedback import VERDICT_CHECK
from forge_dagster.domain.graph import Job
from forge_dagster.domain.policy import policy_digest
from forge_dagster.domain.rounds import MAX_ROUNDS, round_to_open
from forge_dagster.errors import HostError, PlatformError
from forge_dagster.usecases.intake import Intake, intake, requested
from forge_dagster.usecases.outbox import drain
from forge_dagster.usecases.reconcile import reconcile
from tests.fakes.git_world import AGENT, REPOSITORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _opened(world: World, *patches: str, number: int = 1, **changes: Any) -> Attempt:
    """A pull request whose attempt waits for its run."""
    world.host.open_pull(number, world.host.commit_of("first", *(patches or ("change",))), **changes)
    world.event("pull_request", "opened", number=number)
    found = intake(world.services)
    return found.attempts[-1]


def test_a_pull_request_becomes_an_attempt_that_waits_until_a_run_is_asked_for(world: World) -> None:
    attempt = _opened(world)
    main = world.host.branches["main"]
    assert (attempt.job, attempt.number, attempt.base_sha) == (Job.CHANGE, 1, main)
    assert attempt.head_sha == world.host.pulls[1].head_sha
    assert attempt.policy_digest == policy_digest("")
    identity = attempt.identity
    assert (identity.pusher, identity.pusher_is_agent, identity.agent, identity.task) == (AGENT, True, AGENT, "T-1")
    assert intake(world.services) == Intake(attempts=(attempt,), cancel_runs=()), "killed before it asked: told again"
    requested(world.services, intake(world.services).attempts)
    assert intake(world.services).attempts == ()
    drain(world.services)
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].status == "queued"


def test_the_policy_is_that_of_the_base(world: World) -> None:
    world.host.files["forge.toml", world.host.branches["main"]] = "[risk]\n"
    assert _opened(world).policy_digest == policy_digest("[risk]\n")


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened", "ready_for_review", "edited"])
def test_one_attempt_however_often_it_is_announced(world: World, action: str) -> None:
    _opened(world)
    world.event("pull_request", action, number=1)
    world.event("pull_request", action, number=1)
    assert len(intake(world.services).attempts) == 1


@pytest.mark.parametrize("event", [("pull_request", "labeled"), ("check_run", "created"), ("issues", "opened")])
def test_other_events_are_finished_without_asking_anybody(world: World, event: tuple[str, str]) -> None:
    world.event(*event, number=1)
    assert intake(world.services).attempts == ()
    assert world.host.calls == []
    assert world.ledger.due_events() == ()


def test_the_host_is_believed_and_not_the_event(world: World) -> None:
    """The event tells of an older head; the pull request has moved on since."""
    old, new = world.host.commit_of("first", "old"), world.host.commit_of("first", "new")
    world.host.open_pull(1, new)
    world.event("pull_request", "opened", number=1, pull_request={"head": {"sha": old}})
    assert intake(world.services).attempts[0].head_sha == new


def test_a_newer_head_supersedes_the_older_and_its_run(world: World) -> None:
    first = _opened(world)
    world.ledger.claim(first.id, "run-1")
    head = world.host.commit_of("first", "better")
    world.host.change_pull(1, head_sha=head)
    world.event("pull_request", "synchronize", number=1, after=head, sender={"login": AGENT, "type": "Bot"})
    found = intake(world.services)
    assert found.cancel_runs == ("run-1",)
    assert [attempt.head_sha for attempt in found.attempts] == [head]
    assert world.ledger.attempt(first.id).state is AttemptState.SUPERSEDED
    drain(world.services)
    assert world.host.checks[first.head_sha, VERDICT_CHECK].conclusion == "cancelled"
    assert world.host.checks[head, VERDICT_CHECK].status == "queued"
    assert world.audit("attempt.superseded")[0]["attempt"] == first.id


def test_a_changed_policy_on_the_base_is_judged_again(world: World) -> None:
    first = _opened(world)
    world.ledger.claim(first.id, "run-1")
    world.host.branches["main"] = world.host.commit_of("first", "policy")
    world.host.files["forge.toml", world.host.branches["main"]] = "[risk]\n"
    assert reconcile(world.services) == 2, "the pull request and the release"
    found = intake(world.services)
    assert found.cancel_runs == ("run-1",)
    assert {attempt.job for attempt in found.attempts} == {Job.CHANGE, Job.RELEASE}


def test_another_agents_push_is_its_own(world: World) -> None:
    attempt = _opened(world)
    head = world.host.commit_of("first", "foreign")
    world.host.change_pull(1, head_sha=head)
    world.event("pull_request", "synchronize", number=1, after=head, sender={"login": "forge/other", "type": "Bot"})
    identity = intake(world.services).attempts[-1].identity
    assert (identity.pusher, identity.pusher_is_agent, identity.agent) == ("forge/other", True, AGENT)
    assert attempt.identity.pusher == AGENT


def test_a_sender_is_believed_only_for_the_head_it_pushed(world: World) -> None:
    head = world.host.commit_of("first", "x")
    world.host.open_pull(1, head)
    world.event("pull_request", "synchronize", number=1, after="e" * 40, sender={"login": "ann", "type": "User"})
    assert intake(world.services).attempts[0].identity.pusher == AGENT


def test_logins_become_agent_names_by_the_operators_settings(tmp_path: Path) -> None:
    world = World(tmp_path, agents={"builder-bot": "forge/builder-07"})
    head = world.host.commit_of("first", "x")
    world.host.open_pull(1, head, author="ann", author_is_agent=False)
    world.event("pull_request", "synchronize", number=1, after=head, sender={"login": "builder-bot", "type": "User"})
    identity = intake(world.services).attempts[0].identity
    assert (identity.pusher, identity.pusher_is_agent) == ("forge/builder-07", True)


def test_a_commit_that_vanished_makes_no_attempt_and_an_audit_row(world: World) -> None:
    world.host.open_pull(1, "d" * 40)
    world.event("pull_request", "opened", number=1)
    assert intake(world.services).attempts == ()
    assert world.ledger.due_events() == ()
    assert "is gone" in world.audit("event.ignored")[0]["reason"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"number": 99}, "no pull request 99"),
        ({"number": "1; rm"}, "names no pull request"),
        ({"number": True}, "names no pull request"),
        ({"number": -1}, "names no pull request"),
        ({"pull_request": ["x"]}, "names no pull request"),
        ({"number": 1, "repository": "evil/other"}, "no host serves evil/other"),
    ],
)
def test_what_cannot_be_is_finished_with_its_reason(world: World, event: dict[str, Any], reason: str) -> None:
    world.event("pull_request", "opened", **event)
    assert intake(world.services).attempts == ()
    assert world.ledger.due_events() == ()
    assert reason in world.audit("event.ignored")[0]["reason"]


def test_a_host_that_is_down_puts_events_off_and_loses_none(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"))
    world.event("pull_request", "opened", number=1)
    world.host.down = HostError("no answer")
    for _ in range(20):
        assert intake(world.services).attempts == ()
        world.clock.time += 400
    assert world.audit("event.failed") == []
    world.host.down = None
    assert len(intake(world.services).attempts) == 1


def test_a_host_that_says_when_is_asked_then(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"))
    world.event("pull_request", "opened", number=1)
    world.host.fail_next["pull_request"] = HostError("too many", status=429, retry_after_s=70)
    intake(world.services)
    world.clock.time += 69
    assert intake(world.services).attempts == ()
    world.clock.time += 2
    assert len(intake(world.services).attempts) == 1


def test_one_event_that_cannot_be_handled_does_not_hold_up_the_others(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"))
    world.event("pull_request", "opened", number=1)
    world.event("pull_request", "opened", number=1)
    world.host.fail_next["pull_request"] = ZeroDivisionError("a fault of ours")
    assert len(intake(world.services).attempts) == 1
    assert "ZeroDivisionError" in world.audit("event.failed")[0]["reason"]
    assert len(world.ledger.due_events()) == 1


# --- drafts, closing, reopening


def test_a_draft_is_not_judged_until_it_is_ready(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"), draft=True)
    world.event("pull_request", "opened", number=1)
    assert intake(world.services).attempts == ()
    assert reconcile(world.services) == 1, "only the release of main"
    world.host.change_pull(1, draft=False)
    world.event("pull_request", "ready_for_review", number=1)
    assert [a.job for a in intake(world.services).attempts] == [Job.RELEASE, Job.CHANGE]


def test_turning_into_a_draft_ends_the_attempt_and_back_starts_another(world: World) -> None:
    attempt = _opened(world)
    world.host.change_pull(1, draft=True)
    world.event("pull_request", "converted_to_draft", number=1)
    assert intake(world.services).attempts == ()
    world.host.change_pull(1, draft=False)
    world.event("pull_request", "ready_for_review", number=1)
    (again,) = intake(world.services).attempts
    assert (again.head_sha, again.round) == (attempt.head_sha, 1)


def test_closing_ends_the_attempt_and_removes_the_preview(world: World) -> None:
    attempt = _opened(world)
    world.ledger.claim(attempt.id, "run-1")
    world.host.change_pull(1, state="closed")
    world.event("pull_request", "closed", number=1)
    assert intake(world.services) == Intake(attempts=(), cancel_runs=("run-1",))
    assert world.previews.removed == [f"{REPOSITORY}/pull/1"]
    world.host.change_pull(1, state="open")
    world.event("pull_request", "reopened", number=1)
    (again,) = intake(world.services).attempts
    assert again.round == 1


def test_a_preview_that_cannot_be_removed_is_tried_again(world: World) -> None:
    _opened(world)
    world.host.change_pull(1, state="closed")
    world.event("pull_request", "closed", number=1)
    world.previews.failure = PlatformError("busy")
    intake(world.services)
    world.previews.failure = None
    intake(world.services)
    assert world.previews.removed == [f"{REPOSITORY}/pull/1"]


def test_a_head_that_comes_back_is_judged_afresh(world: World) -> None:
    first = _opened(world)
    head = world.host.commit_of("first", "other")
    for sha in (head, first.head_sha):
        world.host.change_pull(1, head_sha=sha)
        world.event("pull_request", "synchronize", number=1)
        found = intake(world.services)
    assert [(a.head_sha, a.round) for a in found.attempts] == [(first.head_sha, 1)]


def test_rounds_are_bounded(world: World) -> None:
    attempt = _opened(world).model_copy(update={"state": AttemptState.SUPERSEDED})
    rounds = [attempt.model_copy(update={"round": n}) for n in reversed(range(MAX_ROUNDS))]
    assert round_to_open(rounds[1:], attempt) == MAX_ROUNDS - 1
    assert round_to_open(rounds, attempt) is None


# --- releases


def test_a_push_to_an_environments_branch_is_a_release(world: World) -> None:
    world.event("push", ref="refs/heads/main")
    (release,) = intake(world.services).attempts
    assert (release.job, release.number, release.base_ref) == (Job.RELEASE, None, "main")
    assert release.head_sha == world.host.branches["main"]
    assert release.title == "first"


@pytest.mark.parametrize(
    "payload",
    [
        {"ref": "refs/heads/topic"},
        {"ref": "refs/heads/forge/environments"},
        {"ref": "refs/tags/main"},
        {"ref": "refs/heads/main", "deleted": True},
        {"ref": "refs/heads/staging"},
        {"ref": 7},
        {},
    ],
)
def test_other_pushes_release_nothing(world: World, payload: dict[str, Any]) -> None:
    world.event("push", **payload)
    assert intake(world.services).attempts == ()
    assert world.ledger.due_events() == ()


def test_the_same_commit_is_released_to_each_environment(world: World) -> None:
    world.host.branches["staging"] = world.host.branches["main"]
    for branch in ("main", "staging"):
        world.event("push", ref=f"refs/heads/{branch}")
    assert [a.base_ref for a in intake(world.services).attempts] == ["main", "staging"]


def test_a_release_knows_who_wrote_what_was_merged(world: World) -> None:
    head = world.host.commit_of("first", "x")
    merged = world.host.commit_of("first", "x", message="Merge #1", parents=(world.host.branches["main"], head))
    world.host.branches["main"] = merged
    world.event("push", ref="refs/heads/main")
    assert intake(world.services).attempts[0].identity.agent == AGENT


def test_a_newer_release_replaces_one_that_waits_but_not_one_under_way(world: World) -> None:
    shas = []
    for number, state in enumerate(["waits", "runs", "new"]):
        shas.append(world.host.commit_of("first", f"p{number}"))
        world.host.branches["main"] = shas[-1]
        world.event("push", ref="refs/heads/main")
        found = intake(world.services)
        if state == "runs":
            world.ledger.claim(found.attempts[-1].id, "run-2")
    assert found.cancel_runs == ()
    states = {a.head_sha: a.state for a in world.ledger.attempts(job=Job.RELEASE)}
    assert [states[sha] for sha in shas] == [AttemptState.SUPERSEDED, AttemptState.RUNNING, AttemptState.PENDING]


def test_a_branch_set_back_releases_the_old_commit_again(world: World) -> None:
    old = world.host.branches["main"]
    for sha in (old, world.host.commit_of("bad"), old):
        world.host.branches["main"] = sha
        world.event("push", ref="refs/heads/main")
        for attempt in intake(world.services).attempts:
            world.ledger.advance(attempt.id, AttemptState.DECIDED)
    latest = world.ledger.attempts(job=Job.RELEASE)[0]
    assert (latest.head_sha, latest.round) == (old, 1)
