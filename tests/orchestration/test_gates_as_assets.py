"""A gate's result as people see it in Dagster, and as the next gate and the verdict find it."""

import dagster as dg
import pytest
from dagster import DagsterEventType as Event
from dagster import DagsterRunStatus as Status

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.orchestration.partitions import COMMITS
from forge_dagster.ports import Services
from tests.fakes.forge_home import change, home, nightly, open_attempt, script
from tests.support.repositories import TestRepository
from tests.support.run_workers import JobMaker, events, execute, make_run, of_type, reload

ALL = {spec.name for spec in gates_of(Job.CHANGE)}


def judge(instance: dg.DagsterInstance, attempt: Attempt, job: JobMaker = change) -> dg.DagsterRun:
    """Run the job as the sensor would have it run."""
    instance.add_dynamic_partitions(str(COMMITS.name), [attempt.partition])
    tags = {**attempt.tags, "dagster/partition": attempt.partition}
    return execute(instance, job, make_run(instance, job, tags=tags))


def said(event: dg.DagsterEvent) -> str:
    """The first words of a failed step on its run's page."""
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    return failure.description or ""


def test_a_change_that_passes_everything_is_green(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    run = judge(instance, attempt)
    assert run.status is Status.SUCCESS
    assert set(of_type(instance, run, Event.STEP_SUCCESS)) == ALL
    checks = of_type(instance, run, Event.ASSET_CHECK_EVALUATION)
    assert {name: event.asset_check_evaluation_data.passed for name, event in checks.items()} == dict.fromkeys(ALL, True)
    assert set(services.ledger.results(attempt.id)) >= ALL - {"verdict"}
    assert services.ledger.attempt(attempt.id).state is AttemptState.DECIDED
    assert run.tags["forge/risk"]


def test_a_failed_gate_is_red_with_its_finding_first_and_the_verdict_still_runs(
    instance: dg.DagsterInstance, services: Services
) -> None:
    attempt = open_attempt(services)
    script("lint", "fail")
    run = judge(instance, attempt)
    assert run.status is Status.FAILURE
    failures = of_type(instance, run, Event.STEP_FAILURE)
    assert said(failures["lint"]) == "lint failed: 1 finding, src/a.py:12 `os` is imported and not used"
    assert {"lint", "verdict"} == set(failures)
    started = set(of_type(instance, run, Event.STEP_START))
    assert started == {"format", "lint", "types", "secrets", "verdict"}
    check = of_type(instance, run, Event.ASSET_CHECK_EVALUATION)["lint"].asset_check_evaluation_data
    assert not check.passed
    verdict = services.ledger.verdict(attempt.id)
    assert verdict is not None
    assert verdict.decision is Decision.REJECT


def test_the_materialization_shows_the_findings_as_a_table(instance: dg.DagsterInstance, services: Services) -> None:
    script("lint", "fail")
    run = judge(instance, open_attempt(services))
    metadata = of_type(instance, run, Event.ASSET_MATERIALIZATION)["lint"].materialization.metadata
    (row,) = metadata["findings"].records  # type: ignore[attr-defined]
    assert (row.data["file"], row.data["line"], row.data["rule"]) == ("src/a.py", 12, "F401")
    failure = of_type(instance, run, Event.STEP_FAILURE)["lint"].step_failure_data.user_failure_data
    assert failure is not None
    assert failure.metadata["findings"] == metadata["findings"]
    assert metadata["pull_request"].value == "https://git.example/acme/shop/pull/7"
    assert metadata["agent"].value == "builder-01"
    passed = of_type(instance, run, Event.ASSET_MATERIALIZATION)["format"].materialization.metadata
    assert passed["examined"].value == 3.0


@pytest.mark.parametrize(
    ("act", "words"), [("error", "ruff is not installed"), ("raise", "ZeroDivisionError: a fault of the gate")]
)
def test_a_fault_of_the_machinery_is_red_too_but_never_the_changes_fault(
    instance: dg.DagsterInstance, services: Services, act: str, words: str
) -> None:
    attempt = open_attempt(services)
    script("types", act)
    run = judge(instance, attempt)
    assert run.status is Status.FAILURE
    assert said(of_type(instance, run, Event.STEP_FAILURE)["types"]).startswith(f"types errored: {words}")
    verdict = services.ledger.verdict(attempt.id)
    assert verdict is not None
    assert (verdict.outcome, verdict.decision) == (Outcome.ERRORED, Decision.REVIEW)


def test_a_skipped_gate_lets_the_change_through(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    script("preview", "skip")
    assert judge(instance, attempt).status is Status.SUCCESS
    assert services.ledger.results(attempt.id)["preview"].outcome is Outcome.SKIPPED


def test_a_gates_lines_are_in_its_own_log(instance: dg.DagsterInstance, services: Services) -> None:
    run = judge(instance, open_attempt(services))
    logs = instance.compute_log_manager
    text = logs.get_log_data(logs.build_log_key_for_run(run.run_id, "secrets")).stderr
    assert (text or b"").decode().splitlines() == ["secrets was told to pass", "secrets passed"]


def test_only_one_run_is_the_effective_one(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    services.ledger.claim(attempt.id, "another-run")
    run = judge(instance, attempt)
    assert run.status is Status.FAILURE
    assert "another-run" in said(of_type(instance, run, Event.STEP_FAILURE)["lint"])
    assert not services.ledger.results(attempt.id)
    assert services.ledger.attempt(attempt.id).run_id == "another-run"


def test_a_partition_materialized_by_hand_finds_its_attempt(instance: dg.DagsterInstance, services: Services) -> None:
    """As the button "Materialize" on the job's page does: a partition, and none of Forge's tags."""
    attempt = open_attempt(services)
    instance.add_dynamic_partitions(str(COMMITS.name), [attempt.partition])
    run = execute(instance, change, make_run(instance, change, tags={"dagster/partition": attempt.partition}))
    assert run.status is Status.SUCCESS
    assert services.ledger.attempt(attempt.id).run_id == run.run_id
    assert run.tags["forge/pr"] == "7"


def test_a_decided_commit_is_judged_again_as_a_whole_in_a_round_of_its_own(
    instance: dg.DagsterInstance, services: Services
) -> None:
    attempt = open_attempt(services)
    script("lint", "fail")
    first = judge(instance, attempt)
    script("lint", "pass")
    again = execute(instance, change, make_run(instance, change, tags=first.tags))
    assert again.status is Status.SUCCESS
    rounds = {one.round: one for one in services.ledger.attempts(head_sha=attempt.head_sha)}
    assert set(rounds) == {0, 1}
    assert rounds[1].run_id == again.run_id
    assert reload(instance, again).tags["forge/attempt"] == str(rounds[1].id)
    before, after = services.ledger.verdict(attempt.id), services.ledger.verdict(rounds[1].id)
    assert before is not None
    assert after is not None
    assert (before.decision, after.decision) == (Decision.REJECT, Decision.REVIEW)


def test_single_gates_of_a_decided_commit_are_refused_with_what_to_do(instance: dg.DagsterInstance, services: Services) -> None:
    attempt = open_attempt(services)
    judge(instance, attempt)
    tags = {"dagster/partition": attempt.partition}
    run = execute(instance, change, make_run(instance, change, tags=tags, only={"lint"}))
    assert 'materialize all of the job "change"' in said(of_type(instance, run, Event.STEP_FAILURE)["lint"])
    assert len(services.ledger.attempts(head_sha=attempt.head_sha)) == 1


def test_a_run_without_a_partition_says_what_to_choose(instance: dg.DagsterInstance, services: Services) -> None:
    run = execute(instance, change, make_run(instance, change))
    assert "choose a partition" in said(of_type(instance, run, Event.STEP_FAILURE)["lint"])


def test_an_unknown_commit_says_so(instance: dg.DagsterInstance, services: Services) -> None:
    run = execute(instance, change, make_run(instance, change, tags={"dagster/partition": "acme/other@abcabcabcabc"}))
    assert "never been asked to judge acme/other@abcabcabcabc" in said(of_type(instance, run, Event.STEP_FAILURE)["lint"])


def test_events_are_few(instance: dg.DagsterInstance, services: Services) -> None:
    """Every event is a row that somebody scrolls past, and 0.3 MB a run are enough."""
    run = judge(instance, open_attempt(services))
    assert len(events(instance, run)) < 12 * len(ALL)


def test_a_night_in_which_a_gate_lets_its_planted_fault_through_is_red_and_says_which(
    instance: dg.DagsterInstance, services: Services
) -> None:
    repository = TestRepository(home() / "tree")
    attempt = open_attempt(services, sha=repository.commit(**{"poem.txt": "Roses\n"}), job=Job.NIGHTLY)
    script("integrity", "error")
    run = judge(instance, attempt, nightly)
    assert run.status is Status.FAILURE
    failures = of_type(instance, run, Event.STEP_FAILURE)
    assert set(failures) == {"proof"}
    assert said(failures["proof"]).startswith("proof errored: 2 findings")
    table = of_type(instance, run, Event.ASSET_MATERIALIZATION)["proof"].materialization.metadata["proofs"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = {str(record.data["gate"]): record.data["proof"] for record in table.records}
    assert (rows["secrets"], rows["integrity"], rows["lint"]) == ("not_proven", "cannot", "cannot")
    stored = services.ledger.results(attempt.id)["proof"]
    rules = [finding.rule for finding in stored.findings]  # integrity broke down, and a gate that does proves nothing
    assert (stored.outcome, rules) == (Outcome.ERRORED, ["not-proven-secrets", "not-proven-integrity"])
