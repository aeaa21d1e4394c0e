from pathlib import Path

import pytest

from forge_dagster.domain.changes import AttemptState
from forge_dagster.domain.rounds import MAX_ROUNDS
from forge_dagster.errors import HostError, Superseded
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.intake import intake
from forge_dagster.usecases.merge import merge
from forge_dagster.usecases.outbox import drain
from tests.fakes.git_world import AGENT, REPOSITORY, Killed, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_base_that_moved_is_judged_again_and_an_approval_still_counts(world: World) -> None:
    attempt = world.run(world.opened())
    decide(world.services, attempt.id, run_id="r1")
    world.host.branches["main"] = world.host.commit_of("first", "meanwhile")
    world.say()
    assert world.host.merges == []
    (again,) = [a for a in intake(world.services).attempts if a.number == 1]
    assert (again.round, again.head_sha, again.base_sha) == (1, attempt.head_sha, world.host.branches["main"])
    assert "judged again" in world.host.comments[1]
    world.clock.time += 1000
    drain(world.services)
    assert len([a for a in intake(world.services).attempts if a.number == 1]) == 1, "the old verdict opens no more"

    world.run(again, "r2")
    verdict, _ = decide(world.services, again.id, run_id="r2")
    assert verdict.approved_by == "operator"
    assert len(world.host.merges) == 1
    assert world.audit("merged")[0]["tested"] is True


def test_a_base_that_moved_without_changing_the_tree_does_not_matter(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    world.host.branches["main"] = world.host.commit_of("first", message="empty")
    decide(world.services, attempt.id, run_id="r1")
    assert len(world.host.merges) == 1


def test_a_base_that_never_rests_ends(world: World) -> None:
    world.trust()
    attempt = world.opened()
    for number in range(MAX_ROUNDS):
        world.run(attempt, f"r{number}")
        world.host.branches["main"] = world.host.commit_of("first", f"m{number}")
        decide(world.services, attempt.id, run_id=f"r{number}")
        waiting = [a for a in intake(world.services).attempts if a.number == 1]
        attempt = waiting[0] if waiting else attempt
    assert waiting == []
    assert f"moved during each of {MAX_ROUNDS} rounds" in world.host.comments[1]
    assert len(world.audit("merge.stuck")) >= 1
    assert world.host.merges == []


def test_a_head_that_moves_at_the_last_moment_is_not_merged(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    world.host.before_merge = lambda: world.host.change_pull(1, head_sha="d" * 40)
    with pytest.raises(Superseded, match="head branch was modified"):
        decide(world.services, attempt.id, run_id="r1")
    assert world.host.merges == []
    assert world.ledger.attempt(attempt.id).state is AttemptState.SUPERSEDED


def test_a_base_moved_by_somebody_else_in_the_same_moment_is_found(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())

    def push() -> None:
        world.host.branches["main"] = world.host.commit_of("first", "direct push")

    world.host.before_merge = push
    decide(world.services, attempt.id, run_id="r1")
    (landed,) = world.audit("merged")
    assert landed["tested"] is False
    world.clock.time += 10
    drain(world.services)
    assert world.host.checks[world.host.merges[0][1], "forge/landed"].conclusion == "failure"


def test_merges_into_one_branch_wait_for_each_other(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    assert world.ledger.lock(f"merge:{REPOSITORY}:main", owner="another", ttl_s=60, at=world.clock.now())
    _, result = decide(world.services, attempt.id, run_id="r1")
    assert "waits for another merge" in result.reason
    assert world.host.merges == []
    drain(world.services)
    assert world.host.merges == []
    world.clock.time += 100
    drain(world.services)
    assert len(world.host.merges) == 1
    drain(world.services)
    assert "merged as" in world.host.comments[1]


def test_two_changes_of_one_moment_land_one_after_the_other(world: World) -> None:
    world.trust()
    first, second = world.run(world.opened(1, "a"), "r1"), world.run(world.opened(2, "b"), "r2")
    decide(world.services, first.id, run_id="r1")
    decide(world.services, second.id, run_id="r2")
    assert [number for number, _ in world.host.merges] == [1]
    (again,) = [a for a in intake(world.services).attempts if a.number == 2]
    world.run(again, "r3")
    decide(world.services, again.id, run_id="r3")
    assert [number for number, _ in world.host.merges] == [1, 2]
    assert [entry["tested"] for entry in world.audit("merged")] == [True, True]


def test_without_a_verdict_nothing_merges(world: World) -> None:
    attempt = world.run(world.opened())
    assert merge(world.services, attempt.id).state == "not_due"
    decide(world.services, attempt.id, run_id="r1")
    assert merge(world.services, attempt.id).state == "not_due"
    assert world.host.merges == []


@pytest.mark.parametrize("call", ["pull_request", "branch_head", "merge", "put_check_run", "put_comment"])
def test_killed_at_any_call_it_ends_merged_exactly_once(world: World, call: str) -> None:
    world.trust()
    attempt = world.run(world.opened())
    world.host.fail_next[call] = Killed()
    with pytest.raises(Killed):
        decide(world.services, attempt.id, run_id="r1")
    world.clock.time += 1000
    if not world.ledger.attempt(attempt.id).state.is_final:
        decide(world.services, attempt.id, run_id="r1")
    world.clock.time += 1000
    drain(world.services)
    assert len(world.host.merges) == len(world.audit("merged")) == 1
    assert "merged as" in world.host.comments[1]
    assert world.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_killed_after_the_merge_landed_it_is_not_merged_again(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    real = world.host.merge

    def merge_then_die(*args: object, **more: object) -> str:
        real(*args, **more)  # type: ignore[arg-type]
        raise Killed

    world.host.merge = merge_then_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        decide(world.services, attempt.id, run_id="r1")
    world.host.merge = real  # type: ignore[method-assign]
    world.event("pull_request", "closed", number=1)
    assert intake(world.services).cancel_runs == (), "the run that merged it is not cancelled for that"
    world.clock.time += 1000
    decide(world.services, attempt.id, run_id="r1")
    assert len(world.host.merges) == len(world.audit("merged")) == 1


def test_the_closing_of_a_merged_change_releases_it(world: World) -> None:
    world.trust()
    decide(world.services, world.run(world.opened()).id, run_id="r1")
    world.event("pull_request", "closed", number=1)
    world.event("push", ref="refs/heads/main")
    (release,) = intake(world.services).attempts
    assert release.head_sha == world.host.merges[0][1]
    assert release.identity.agent == AGENT


def test_a_merge_refused_for_a_while_is_made_by_the_outbox(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    world.host.fail_next["merge"] = HostError("bad gateway", status=502)
    _, result = decide(world.services, attempt.id, run_id="r1")
    assert "not merged yet: bad gateway" in result.reason
    for _ in range(3):
        world.clock.time += 10
        drain(world.services)
    assert len(world.host.merges) == 1
    assert "merged as" in world.host.comments[1]
