from pathlib import Path

import pytest

from forge_dagster.domain.decisions import Decision
from forge_dagster.errors import UsageError
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.intake import intake
from tests.fakes.git_world import AGENT, REPOSITORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_approval_before_the_verdict_is_heard_when_it_comes(world: World) -> None:
    attempt = world.run(world.opened())
    assert world.say() is None
    assert world.host.merges == []
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.approved_by) == (Decision.MERGE, "operator")


def test_a_rejection_rejects_whatever_the_gates_say(world: World) -> None:
    attempt = world.run(world.opened())
    decide(world.services, attempt.id, run_id="r1")
    world.say(approved=False, comment="@all `no` <b>\n\n# really")
    stored = world.ledger.verdict(attempt.id)
    assert stored is not None
    assert stored.decision is Decision.REJECT
    assert "## Forge: rejected" in world.host.comments[1]


@pytest.mark.parametrize(
    ("by", "is_agent", "why"),
    [
        (AGENT, False, "only people approve"),
        ("FORGE/builder-01", False, "only people approve"),
        ("forge", False, "only people approve"),
        ("other", True, "only people approve"),
        ("", False, "of their own"),
    ],
)
def test_agents_do_not_approve(world: World, by: str, is_agent: bool, why: str) -> None:
    attempt = world.run(world.opened())
    with pytest.raises(UsageError, match=why):
        world.say(by=by, by_is_agent=is_agent)
    assert world.ledger.approvals(REPOSITORY, 1, attempt.head_sha) == ()


def test_an_author_does_not_approve_its_own_change(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"), author="Ann", author_is_agent=False)
    world.event("pull_request", "opened", number=1)
    intake(world.services)
    with pytest.raises(UsageError, match="of their own"):
        world.say(by="ann")


def test_an_approval_of_a_head_that_moved_is_refused(world: World) -> None:
    world.opened()
    with pytest.raises(UsageError, match="another head"):
        world.say(head_sha="d" * 40)
    world.host.change_pull(1, state="closed")
    with pytest.raises(UsageError, match="closed"):
        world.say()


def _review(world: World, state: str, **changes: object) -> None:
    head = world.host.pulls[1].head_sha
    review = {"user": {"login": "ann", "type": "User"}, "state": state, "body": "", "author_association": "MEMBER"}
    action = "dismissed" if state == "dismissed" else "submitted"
    world.event("pull_request_review", action, review={**review, "commit_id": head, **changes}, pull_request={"number": 1})
    intake(world.services)


def test_a_review_on_the_host_is_an_approval(world: World) -> None:
    decide(world.services, world.run(world.opened()).id, run_id="r1")
    _review(world, "commented")
    assert world.host.merges == []
    _review(world, "approved")
    assert len(world.host.merges) == 1


def test_an_approval_that_is_dismissed_rejects(world: World) -> None:
    attempt = world.run(world.opened())
    _review(world, "dismissed")
    assert world.ledger.approvals(REPOSITORY, 1, attempt.head_sha) == ()
    _review(world, "approved")
    _review(world, "dismissed")
    assert decide(world.services, attempt.id, run_id="r1")[0].decision is Decision.REJECT


@pytest.mark.parametrize(
    "changes",
    [
        {"author_association": "NONE"},
        {"author_association": "CONTRIBUTOR"},
        {"author_association": None},
        {"user": {"login": "bot", "type": "Bot"}},
        {"user": {"login": AGENT, "type": "User"}},
        {"user": None},
        {"commit_id": "d" * 40},
    ],
)
def test_reviews_that_do_not_count(world: World, changes: dict[str, object]) -> None:
    decide(world.services, world.run(world.opened()).id, run_id="r1")
    _review(world, "approved", **changes)
    assert world.host.merges == []
    assert len(world.audit("event.ignored")) == 1
    assert world.audit("approval") == []
