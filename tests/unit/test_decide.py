import json
from pathlib import Path

import pytest

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Decision, RiskLevel, TrustLevel
from forge_dagster.domain.feedback import VERDICT_CHECK
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.rounds import MAX_ROUNDS
from forge_dagster.errors import ConfigurationError, HeadMoved, HostError, Superseded, UsageError, WorkspaceError
from forge_dagster.usecases.approve import approve
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.examine import examine
from forge_dagster.usecases.feed_back import JUDGING
from forge_dagster.usecases.intake import intake
from forge_dagster.usecases.merge import merge
from forge_dagster.usecases.outbox import drain
from tests.fakes.git_world import AGENT, REPOSITORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _opened(world: World, number: int = 1, patch: str = "change") -> Attempt:
    world.host.open_pull(number, world.host.commit_of("first", patch))
    world.event("pull_request", "opened", number=number)
    return intake(world.services).attempts[-1]


def _trusted(world: World, level: TrustLevel = TrustLevel.L2) -> None:
    world.ledger.set_trust(agent=AGENT, repository=REPOSITORY, level=level, by="operator", at=1.0)


def _say(world: World, by: str = "operator", approved: bool = True, **more: object) -> object:
    return approve(world.services, REPOSITORY, 1, by=by, approved=approved, **more)  # type: ignore[arg-type]


# --- deciding


def test_a_new_agents_change_waits_for_a_person_and_then_merges(world: World) -> None:
    attempt = world.run(_opened(world))
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.risk.level, result.outcome) == (Decision.REVIEW, RiskLevel.MEDIUM, Outcome.PASSED)
    assert world.ledger.attempt(attempt.id).state is AttemptState.DECIDED
    assert world.host.merges == []
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion == "action_required"
    assert world.host.checks[attempt.head_sha, "forge/lint"].conclusion == "success"
    assert "waits for a person" in world.host.comments[1]

    approved = _say(world)
    assert approved is not None
    assert [number for number, _ in world.host.merges] == [1]
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion == "success"
    assert "merged as " in world.host.comments[1]
    (landed,) = world.audit("merged")
    assert landed["tested"] is True
    assert landed["landed_tree"] == world.ledger.attempt(attempt.id).tested_tree


def test_a_trusted_agents_change_merges_by_itself(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert verdict.decision is Decision.MERGE
    assert "merged as" in result.reason
    assert len(world.host.merges) == 1


def test_trust_is_that_of_the_less_trusted_of_author_and_pusher(world: World) -> None:
    _trusted(world)
    head = world.host.commit_of("first", "x")
    world.host.open_pull(1, head)
    world.event("pull_request", "synchronize", number=1, after=head, sender={"login": "forge/other", "type": "Bot"})
    attempt = world.run(intake(world.services).attempts[0])
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.trust) == (Decision.REVIEW, TrustLevel.L0)


def test_the_host_sees_the_verdict_before_it_is_asked_to_merge(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    seen: list[str | None] = []
    world.host.before_merge = lambda: seen.append(world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion)
    decide(world.services, attempt.id, run_id="r1")
    assert seen == ["success"]


def test_a_failed_gate_rejects_with_file_and_object(world: World) -> None:
    _trusted(world, TrustLevel.L3)
    not_run = dict.fromkeys(("unit", "coverage", "integrity", "build", "preview", "smoke"), Outcome.NOT_RUN)
    attempt = world.run(_opened(world), lint=Outcome.FAILED, **not_run)
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, result.outcome) == (Decision.REJECT, Outcome.FAILED)
    told = json.loads(world.host.comments[1].split("```json\n")[1].split("\n```")[0])
    assert told["outcome"] == "failed"
    assert {gate["gate"]: gate["outcome"] for gate in told["gates"]}["unit"] == "not_run"
    assert told["run"] == "http://127.0.0.1/runs/r1"
    assert world.host.checks[attempt.head_sha, "forge/unit"].conclusion == "skipped"


def test_a_run_that_was_killed_is_errored_and_never_merged(world: World) -> None:
    _trusted(world, TrustLevel.L3)
    attempt = _opened(world)
    world.ledger.claim(attempt.id, "r1")
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.outcome, verdict.decision, result.outcome) == (Outcome.ERRORED, Decision.REVIEW, Outcome.ERRORED)
    _say(world)
    assert world.host.merges == []


def test_deciding_again_changes_nothing(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    first = decide(world.services, attempt.id, run_id="r1")
    checks = dict(world.host.checks)
    assert decide(world.services, attempt.id, run_id="r1") == first
    assert len(world.host.merges) == len(world.audit("verdict")) == len(world.audit("merged")) == 1
    assert world.host.checks == checks
    assert world.ledger.due_errands(world.clock.now() + 1e6) == ()


def test_a_broken_policy_on_the_base_is_said_in_the_pull_request(world: World) -> None:
    world.host.files["forge.toml", world.host.branches["main"]] = "[gates.lnt]\nenabled = false\n"
    attempt = _opened(world)
    result = examine(world.services, attempt.id, "lint", run_id="r1", log=lambda _: None)
    assert result.outcome is Outcome.ERRORED
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.outcome, verdict.decision) == (Outcome.ERRORED, Decision.REVIEW)
    assert 'there is no gate "lnt" (did you mean "lint"?)' in world.host.comments[1]
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion == "cancelled"


def test_what_cannot_be_checked_out_is_critical(world: World) -> None:
    _trusted(world, TrustLevel.L3)
    attempt = world.run(_opened(world))
    world.workspace.failure = WorkspaceError("conflicts with its base in: src/a.py")
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.risk.critical) == (Decision.REVIEW, True)
    assert "conflicts" in verdict.risk.reasons[0]


def test_nothing_is_decided_while_the_host_does_not_answer(world: World) -> None:
    attempt = world.run(_opened(world))
    world.host.down = HostError("no answer")
    with pytest.raises(HostError):
        decide(world.services, attempt.id, run_id="r1")
    assert world.ledger.verdict(attempt.id) is None
    assert world.ledger.attempt(attempt.id).state is AttemptState.RUNNING
    world.host.down = None
    assert decide(world.services, attempt.id, run_id="r1")[0].decision is Decision.REVIEW


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"head_sha": "d" * 40}, "the head is dddddddddddd"),
        ({"state": "closed"}, "is closed"),
        ({"draft": True}, "is a draft"),
        ({"base_ref": "staging"}, "go into staging"),
    ],
)
def test_a_verdict_is_for_the_current_head_only(world: World, changes: dict[str, object], why: str) -> None:
    attempt = world.run(_opened(world))
    world.host.change_pull(1, **changes)
    with pytest.raises(Superseded, match=why):
        decide(world.services, attempt.id, run_id="r1")
    assert world.ledger.verdict(attempt.id) is None
    assert world.ledger.attempt(attempt.id).state is AttemptState.SUPERSEDED
    with pytest.raises(Superseded, match="is over"):
        decide(world.services, attempt.id, run_id="r1")


def test_a_pull_request_that_is_gone_supersedes(world: World) -> None:
    attempt = world.run(_opened(world))
    del world.host.pulls[1]
    with pytest.raises(Superseded, match="gone"):
        decide(world.services, attempt.id, run_id="r1")


def test_another_run_cannot_decide(world: World) -> None:
    attempt = world.run(_opened(world))
    with pytest.raises(Superseded, match="belongs to run r1"):
        decide(world.services, attempt.id, run_id="r0")


def test_a_release_has_no_verdict(world: World) -> None:
    world.event("push", ref="refs/heads/main")
    with pytest.raises(UsageError, match="is a release"):
        decide(world.services, intake(world.services).attempts[0].id, run_id="r1")


def test_every_decision_is_audited_with_what_it_rests_on(world: World) -> None:
    attempt = world.run(_opened(world))
    decide(world.services, attempt.id, run_id="r1")
    _say(world)
    review, merged = world.audit("verdict")
    assert (review["decision"], merged["decision"], merged["approved_by"]) == ("review", "merge", "operator")
    assert review["head"] == attempt.head_sha
    assert review["tested_tree"] == world.ledger.attempt(attempt.id).tested_tree
    assert len(review["results"]["lint"]) == 64
    assert set(review["results"]) == {spec.name for spec in JUDGING}


# --- approving


def test_an_approval_before_the_verdict_is_heard_when_it_comes(world: World) -> None:
    attempt = world.run(_opened(world))
    assert _say(world) is None
    assert world.host.merges == []
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.approved_by) == (Decision.MERGE, "operator")


def test_a_rejection_rejects_whatever_the_gates_say(world: World) -> None:
    attempt = world.run(_opened(world))
    decide(world.services, attempt.id, run_id="r1")
    _say(world, approved=False, comment="@all `no` <b>\n\n# really")
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
    attempt = world.run(_opened(world))
    with pytest.raises(UsageError, match=why):
        _say(world, by=by, by_is_agent=is_agent)
    assert world.ledger.approvals(REPOSITORY, 1, attempt.head_sha) == ()


def test_an_author_does_not_approve_its_own_change(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"), author="Ann", author_is_agent=False)
    world.event("pull_request", "opened", number=1)
    intake(world.services)
    with pytest.raises(UsageError, match="of their own"):
        _say(world, by="ann")


def test_an_approval_of_a_head_that_moved_is_refused(world: World) -> None:
    _opened(world)
    with pytest.raises(UsageError, match="another head"):
        _say(world, head_sha="d" * 40)
    world.host.change_pull(1, state="closed")
    with pytest.raises(UsageError, match="closed"):
        _say(world)


def _review(world: World, state: str, **changes: object) -> None:
    head = world.host.pulls[1].head_sha
    review = {"user": {"login": "ann", "type": "User"}, "state": state, "body": "", "author_association": "MEMBER"}
    action = "dismissed" if state == "dismissed" else "submitted"
    world.event(
        "pull_request_review", action, review={**review, "commit_id": head, **changes}, pull_request={"number": 1}
    )
    intake(world.services)


def test_a_review_on_the_host_is_an_approval(world: World) -> None:
    decide(world.services, world.run(_opened(world)).id, run_id="r1")
    _review(world, "commented")
    assert world.host.merges == []
    _review(world, "approved")
    assert len(world.host.merges) == 1


def test_an_approval_that_is_dismissed_rejects(world: World) -> None:
    attempt = world.run(_opened(world))
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
    decide(world.services, world.run(_opened(world)).id, run_id="r1")
    _review(world, "approved", **changes)
    assert world.host.merges == []
    assert len(world.audit("event.ignored")) == 1
    assert world.audit("approval") == []


# --- merging


def test_a_base_that_moved_is_judged_again_and_an_approval_still_counts(world: World) -> None:
    attempt = world.run(_opened(world))
    decide(world.services, attempt.id, run_id="r1")
    world.host.branches["main"] = world.host.commit_of("first", "meanwhile")
    _say(world)
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
    _trusted(world)
    attempt = world.run(_opened(world))
    world.host.branches["main"] = world.host.commit_of("first", message="empty")
    decide(world.services, attempt.id, run_id="r1")
    assert len(world.host.merges) == 1


def test_a_base_that_never_rests_ends(world: World) -> None:
    _trusted(world)
    attempt = _opened(world)
    for number in range(MAX_ROUNDS):
        world.run(attempt, f"r{number}")
        world.host.branches["main"] = world.host.commit_of("first", f"m{number}")
        decide(world.services, attempt.id, run_id=f"r{number}")
        waiting = [a for a in intake(world.services).attempts if a.number == 1]
        attempt = waiting[0] if waiting else attempt
    assert waiting == []
    assert "moved during each of 10 rounds" in world.host.comments[1]
    assert len(world.audit("merge.stuck")) >= 1
    assert world.host.merges == []


def test_a_head_that_moves_at_the_last_moment_is_not_merged(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    world.host.before_merge = lambda: world.host.change_pull(1, head_sha="d" * 40)
    with pytest.raises(Superseded, match="head branch was modified"):
        decide(world.services, attempt.id, run_id="r1")
    assert world.host.merges == []
    assert world.ledger.attempt(attempt.id).state is AttemptState.SUPERSEDED


def test_a_base_moved_by_somebody_else_in_the_same_moment_is_found(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))

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
    _trusted(world)
    attempt = world.run(_opened(world))
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
    _trusted(world)
    first, second = world.run(_opened(world, 1, "a"), "r1"), world.run(_opened(world, 2, "b"), "r2")
    decide(world.services, first.id, run_id="r1")
    decide(world.services, second.id, run_id="r2")
    assert [number for number, _ in world.host.merges] == [1]
    (again,) = [a for a in intake(world.services).attempts if a.number == 2]
    world.run(again, "r3")
    decide(world.services, again.id, run_id="r3")
    assert [number for number, _ in world.host.merges] == [1, 2]
    assert [entry["tested"] for entry in world.audit("merged")] == [True, True]


def test_without_a_verdict_nothing_merges(world: World) -> None:
    attempt = world.run(_opened(world))
    assert merge(world.services, attempt.id).state == "not_due"
    decide(world.services, attempt.id, run_id="r1")
    assert merge(world.services, attempt.id).state == "not_due"
    assert world.host.merges == []


class _Killed(BaseException):
    """What SIGKILL is: nothing catches it, nothing runs after it."""


@pytest.mark.parametrize("call", ["pull_request", "branch_head", "merge", "put_check_run", "put_comment"])
def test_killed_at_any_call_it_ends_merged_exactly_once(world: World, call: str) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    world.host.fail_next[call] = _Killed()  # type: ignore[assignment]
    with pytest.raises(_Killed):
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
    _trusted(world)
    attempt = world.run(_opened(world))
    real = world.host.merge

    def merge_then_die(*args: object, **more: object) -> str:
        real(*args, **more)  # type: ignore[arg-type]
        raise _Killed

    world.host.merge = merge_then_die  # type: ignore[method-assign]
    with pytest.raises(_Killed):
        decide(world.services, attempt.id, run_id="r1")
    world.host.merge = real  # type: ignore[method-assign]
    world.event("pull_request", "closed", number=1)
    assert intake(world.services).cancel_runs == (), "the run that merged it is not cancelled for that"
    world.clock.time += 1000
    decide(world.services, attempt.id, run_id="r1")
    assert len(world.host.merges) == len(world.audit("merged")) == 1


def test_the_closing_of_a_merged_change_releases_it(world: World) -> None:
    _trusted(world)
    decide(world.services, world.run(_opened(world)).id, run_id="r1")
    world.event("pull_request", "closed", number=1)
    world.event("push", ref="refs/heads/main")
    (release,) = intake(world.services).attempts
    assert release.head_sha == world.host.merges[0][1]
    assert release.identity.agent == AGENT


def test_a_merge_refused_for_a_while_is_made_by_the_outbox(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    world.host.fail_next["merge"] = HostError("bad gateway", status=502)
    _, result = decide(world.services, attempt.id, run_id="r1")
    assert "not merged yet: bad gateway" in result.reason
    for _ in range(3):
        world.clock.time += 10
        drain(world.services)
    assert len(world.host.merges) == 1
    assert "merged as" in world.host.comments[1]


# --- the outbox


def _comment(world: World, text: str = "x") -> None:
    body = {"number": 1, "marker": "", "body": text}
    world.ledger.post(key="k", kind="comment", repository=REPOSITORY, body=body, at=world.clock.now())


def test_a_write_killed_before_it_was_marked_is_made_again_to_the_same_effect(world: World) -> None:
    _comment(world)
    real = world.host.put_comment

    def write_then_die(*args: object, **more: object) -> None:
        real(*args, **more)  # type: ignore[arg-type]
        raise _Killed

    world.host.put_comment = write_then_die  # type: ignore[method-assign]
    with pytest.raises(_Killed):
        drain(world.services)
    world.host.put_comment = real  # type: ignore[method-assign]
    world.clock.time += 1000
    assert drain(world.services) == 1
    assert world.host.comments == {1: "x"}
    assert drain(world.services) == 0


def test_retries_wait_as_long_as_the_host_says_else_twice_as_long_each_time(world: World) -> None:
    _comment(world)
    begun = world.clock.now()
    world.host.fail_next["put_comment"] = HostError("slow down", status=403, retry_after_s=60)
    drain(world.services)
    assert world.ledger.due_errands(begun + 59) == ()
    assert len(world.ledger.due_errands(begun + 60)) == 1
    world.clock.time = begun + 60
    waits = []
    world.host.down = HostError("no answer")
    for _ in range(12):
        drain(world.services)
        last, step = world.clock.now(), 1.0
        while not world.ledger.due_errands(last + step):
            step += 1
        waits.append(step)
        world.clock.time = last + step
    assert waits == [4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]


@pytest.mark.parametrize("status", [404, 410, 422])
def test_what_will_never_work_is_given_up_loudly(world: World, status: int) -> None:
    _comment(world)
    world.host.fail_next["put_comment"] = HostError("no such thing", status=status)
    assert drain(world.services) == 0
    assert world.ledger.due_errands(world.clock.now() + 1e9) == ()
    assert world.audit("errand.given_up")[0]["reason"] == "no such thing"


def test_a_host_that_never_answers_is_given_up_in_the_end(world: World) -> None:
    _comment(world)
    world.host.down = HostError("no answer")
    for _ in range(100):
        drain(world.services)
        world.clock.time += 1000
    assert world.audit("errand.given_up")[0]["tries"] == 60
    assert world.ledger.due_errands(world.clock.now() + 1e9) == ()


@pytest.mark.parametrize(
    ("kind", "body", "repository"),
    [("comment", {}, REPOSITORY), ("nonsense", {}, REPOSITORY), ("comment", {"number": 1, "marker": "", "body": ""}, "no/where")],
)
def test_an_errand_that_cannot_be_read_does_not_hold_up_the_others(
    world: World, kind: str, body: dict[str, object], repository: str
) -> None:
    world.ledger.post(key="bad", kind=kind, repository=repository, body=body, at=world.clock.now())
    _comment(world)
    assert drain(world.services) == 1
    assert world.audit("errand.given_up")[0]["key"] == "bad"


def test_one_process_at_a_time_sends_for_a_repository(world: World) -> None:
    _comment(world)
    assert world.ledger.lock(f"outbox:{REPOSITORY}", owner="another", ttl_s=60, at=world.clock.now())
    assert drain(world.services) == 0
    world.clock.time += 61
    assert drain(world.services) == 1


def test_all_kinds_of_errand_reach_the_host(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"))
    bodies = {
        "status": {"sha": "s", "state": "success", "context": "c", "description": "d", "url": ""},
        "close": {"number": 1},
        "deployment": {"sha": "s", "environment": "production", "description": "d", "state": "success", "url": ""},
        "check_run": {"key": "k", "name": "n", "head_sha": "s", "status": "queued"},
    }
    for kind, body in bodies.items():
        world.ledger.post(key=kind, kind=kind, repository=REPOSITORY, body=body, at=world.clock.now())
    assert drain(world.services) == 4
    assert world.host.calls == ["put_status", "close", "create_deployment", "put_deployment_status", "put_check_run"]


def test_a_configuration_error_is_permanent(world: World) -> None:
    _comment(world)
    world.host.fail_next["put_comment"] = ConfigurationError("no token")
    drain(world.services)
    assert world.audit("errand.given_up")[0]["reason"] == "no token"


def test_a_moved_head_in_the_outbox_ends_the_errand(world: World) -> None:
    _trusted(world)
    attempt = world.run(_opened(world))
    world.host.fail_next["merge"] = HostError("bad gateway", status=502)
    decide(world.services, attempt.id, run_id="r1")
    world.host.fail_next["merge"] = HeadMoved("moved", status=409)
    for _ in range(3):
        world.clock.time += 10
        drain(world.services)
    assert world.host.merges == []
    assert world.ledger.due_errands(world.clock.now() + 1e9) == ()
