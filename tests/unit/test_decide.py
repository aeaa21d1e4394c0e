import json
from pathlib import Path

import pytest

from forge_dagster.domain.changes import AttemptState
from forge_dagster.domain.decisions import Decision, RiskLevel, TrustLevel
from forge_dagster.domain.feedback import VERDICT_CHECK
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import HostError, Superseded, UsageError, WorkspaceError
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.evidence import Proofs, keep_result
from forge_dagster.usecases.examine import LIGHT, examine
from forge_dagster.usecases.feed_back import JUDGING
from forge_dagster.usecases.intake import intake
from forge_dagster.usecases.outbox import drain
from tests.fakes.git_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_new_agents_change_waits_for_a_person_and_then_merges(world: World) -> None:
    attempt = world.run(world.opened())
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.risk.level, result.outcome) == (Decision.REVIEW, RiskLevel.MEDIUM, Outcome.PASSED)
    assert world.ledger.attempt(attempt.id).state is AttemptState.DECIDED
    assert world.host.merges == []
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion == "action_required"
    assert world.host.checks[attempt.head_sha, "forge/lint"].conclusion == "success"
    assert "waits for a person" in world.host.comments[1]

    approved = world.say()
    assert approved is not None
    assert [number for number, _ in world.host.merges] == [1]
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion == "success"
    assert "merged as " in world.host.comments[1]
    (landed,) = world.audit("merged")
    assert landed["tested"] is True
    assert landed["landed_tree"] == world.ledger.attempt(attempt.id).tested_tree


def test_a_trusted_agents_change_merges_by_itself(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert verdict.decision is Decision.MERGE
    assert "merged as" in result.reason
    assert len(world.host.merges) == 1


def test_documents_alone_merge_though_nothing_looked_at_code_and_still_do_when_decided_again(world: World) -> None:
    world.trust()
    attempt = world.opened()
    world.workspace.paths[attempt.head_sha] = ("docs/use.md",)
    attempt = world.run(attempt)
    for spec in JUDGING:
        outcome = Outcome.PASSED if spec.name in ("secrets", "integrity") else Outcome.SKIPPED
        keep_result(world.services, attempt, gate_result(spec.name, outcome, reason="" if outcome is Outcome.PASSED else LIGHT))
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert verdict.decision is Decision.MERGE, verdict.reasons
    again, _ = decide(world.services, attempt.id, run_id="r1")
    assert again.decision is Decision.MERGE


def test_code_that_nothing_looked_at_waits_for_a_person(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    for spec in JUDGING:
        if spec.name not in ("secrets", "integrity"):
            keep_result(world.services, attempt, gate_result(spec.name, Outcome.SKIPPED, reason="no language"))
    assert decide(world.services, attempt.id, run_id="r1")[0].decision is Decision.REVIEW


def test_trust_is_that_of_the_less_trusted_of_author_and_pusher(world: World) -> None:
    world.trust()
    head = world.host.commit_of("first", "x")
    world.host.open_pull(1, head)
    world.event("pull_request", "synchronize", number=1, after=head, sender={"login": "forge/other", "type": "Bot"})
    attempt = world.run(intake(world.services).attempts[0])
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.trust) == (Decision.REVIEW, TrustLevel.L0)


def test_the_host_sees_the_verdict_before_it_is_asked_to_merge(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    seen: list[str | None] = []
    world.host.before_merge = lambda: seen.append(world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion)
    decide(world.services, attempt.id, run_id="r1")
    assert seen == ["success"]


def test_a_failed_gate_rejects_with_file_and_object(world: World) -> None:
    world.trust(TrustLevel.L3)
    not_run = dict.fromkeys(("unit", "coverage", "integrity", "build", "preview", "smoke"), Outcome.NOT_RUN)
    attempt = world.run(world.opened(), lint=Outcome.FAILED, **not_run)
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, result.outcome) == (Decision.REJECT, Outcome.FAILED)
    told = json.loads(world.host.comments[1].split("```json\n")[1].split("\n```")[0])
    assert told["outcome"] == "failed"
    assert {gate["gate"]: gate["outcome"] for gate in told["gates"]}["unit"] == "not_run"
    assert told["run"] == "http://127.0.0.1/runs/r1"
    assert world.host.checks[attempt.head_sha, "forge/unit"].conclusion == "skipped"


def test_a_run_that_was_killed_is_errored_and_never_merged(world: World) -> None:
    world.trust(TrustLevel.L3)
    attempt = world.opened()
    world.ledger.claim(attempt.id, "r1")
    verdict, result = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.outcome, verdict.decision, result.outcome) == (Outcome.ERRORED, Decision.REVIEW, Outcome.ERRORED)
    world.say()
    assert world.host.merges == []


def test_deciding_again_changes_nothing(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    first = decide(world.services, attempt.id, run_id="r1")
    checks = dict(world.host.checks)
    assert decide(world.services, attempt.id, run_id="r1") == first
    assert len(world.host.merges) == len(world.audit("verdict")) == len(world.audit("merged")) == 1
    assert world.host.checks == checks
    world.clock.time += 60
    drain(world.services)
    assert len(world.host.merges) == 1
    assert world.ledger.due_errands(world.clock.now() + 1e6) == ()


def test_a_broken_policy_on_the_base_is_said_in_the_pull_request(world: World) -> None:
    world.host.files["forge.toml", world.host.branches["main"]] = "[gates.lnt]\nenabled = false\n"
    attempt = world.opened()
    result = examine(world.services, attempt.id, "lint", run_id="r1", log=lambda _: None)
    assert result.outcome is Outcome.ERRORED
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.outcome, verdict.decision) == (Outcome.ERRORED, Decision.REVIEW)
    assert 'there is no gate "lnt" (did you mean "lint"?)' in world.host.comments[1]
    assert world.host.checks[attempt.head_sha, VERDICT_CHECK].conclusion == "cancelled"


def test_what_cannot_be_checked_out_is_critical(world: World) -> None:
    world.trust(TrustLevel.L3)
    attempt = world.run(world.opened())
    world.workspace.failure = WorkspaceError("conflicts with its base in: src/a.py")
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    assert (verdict.decision, verdict.risk.critical) == (Decision.REVIEW, True)
    assert "conflicts" in verdict.risk.reasons[0]


def test_nothing_is_decided_while_the_host_does_not_answer(world: World) -> None:
    attempt = world.run(world.opened())
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
    attempt = world.run(world.opened())
    world.host.change_pull(1, **changes)
    with pytest.raises(Superseded, match=why):
        decide(world.services, attempt.id, run_id="r1")
    assert world.ledger.verdict(attempt.id) is None
    assert world.ledger.attempt(attempt.id).state is AttemptState.SUPERSEDED
    with pytest.raises(Superseded, match="is over"):
        decide(world.services, attempt.id, run_id="r1")


def test_a_pull_request_that_is_gone_supersedes(world: World) -> None:
    attempt = world.run(world.opened())
    del world.host.pulls[1]
    with pytest.raises(Superseded, match="gone"):
        decide(world.services, attempt.id, run_id="r1")


def test_another_run_cannot_decide(world: World) -> None:
    attempt = world.run(world.opened())
    with pytest.raises(Superseded, match="belongs to run r1"):
        decide(world.services, attempt.id, run_id="r0")


def test_a_release_has_no_verdict(world: World) -> None:
    world.event("push", ref="refs/heads/main")
    with pytest.raises(UsageError, match="is a release"):
        decide(world.services, intake(world.services).attempts[0].id, run_id="r1")


def test_every_decision_is_audited_with_what_it_rests_on(world: World) -> None:
    attempt = world.run(world.opened())
    decide(world.services, attempt.id, run_id="r1")
    world.say()
    review, merged = world.audit("verdict")
    assert (review["decision"], merged["decision"], merged["approved_by"]) == ("review", "merge", "operator")
    assert review["head"] == attempt.head_sha
    assert review["tested_tree"] == world.ledger.attempt(attempt.id).tested_tree
    signed = world.ledger.envelope(review["attestation"])
    assert signed is not None
    gates = Proofs(world.services).opened(signed).statement.verdict.gates
    lint = world.ledger.envelope(gates["lint"])
    assert lint is not None
    assert Proofs(world.services).opened(lint).statement.gate.outcome is Outcome.PASSED
    assert set(gates) == {spec.name for spec in JUDGING}
