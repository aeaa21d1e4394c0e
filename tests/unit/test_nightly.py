"""The nightly run: once per production branch and night, and what came of it is shown on the commit."""

from pathlib import Path

import pytest

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.nightly import NIGHTLY_CHECK, nightly_check
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import HostError
from forge_dagster.usecases.intake import intake, requested
from forge_dagster.usecases.open_nightly import open_nightly
from forge_dagster.usecases.outbox import drain
from forge_dagster.usecases.recover import recover
from tests.fakes.git_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def judged(world: World, attempt: Attempt, **outcomes: Outcome) -> None:
    """A run judges the attempt and ends."""
    requested(world.services, (attempt,))
    world.ledger.claim(attempt.id, "run-1")
    for spec in gates_of(Job.NIGHTLY):
        world.ledger.put_result(attempt.id, gate_result(spec.name, outcomes.get(spec.name, Outcome.PASSED)))
    recover(world.services, attempt.id, run_id="run-1")


def test_the_tip_is_judged_once_a_night_and_again_the_next(world: World) -> None:
    (first,) = open_nightly(world.services)
    assert (first.job, first.head_sha, first.base_sha) == (Job.NIGHTLY, world.host.branches["main"], None)
    assert open_nightly(world.services) == (), "still under way"
    assert [a.id for a in intake(world.services).attempts if a.job is Job.NIGHTLY] == [first.id]
    judged(world, first)
    (second,) = open_nightly(world.services)
    assert (second.head_sha, second.round) == (first.head_sha, first.round + 1)


def test_a_failed_gate_turns_the_commit_red(world: World) -> None:
    (attempt,) = open_nightly(world.services)
    judged(world, attempt, sca=Outcome.FAILED)
    drain(world.services)
    check = world.host.checks[attempt.head_sha, NIGHTLY_CHECK]
    assert (check.status, check.conclusion) == ("completed", "failure")
    assert "sca" in check.title
    assert world.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_a_host_that_does_not_answer_is_left_out(world: World) -> None:
    world.host.down = HostError("no answer")
    assert open_nightly(world.services) == ()


@pytest.mark.parametrize(
    ("outcomes", "conclusion"),
    [
        ({}, "success"),
        ({"unit": Outcome.SKIPPED}, "success"),
        ({"unit": Outcome.ERRORED}, "cancelled"),
        ({"unit": Outcome.ERRORED, "lint": Outcome.FAILED}, "failure"),
    ],
)
def test_green_means_that_every_gate_answered(outcomes: dict[str, Outcome], conclusion: str) -> None:
    results: dict[str, GateResult] = {
        spec.name: gate_result(spec.name, outcomes.get(spec.name, Outcome.PASSED)) for spec in gates_of(Job.NIGHTLY)
    }
    assert nightly_check(results).conclusion == conclusion


def test_a_gate_without_a_result_is_not_green() -> None:
    results = {spec.name: gate_result(spec.name, Outcome.PASSED) for spec in gates_of(Job.NIGHTLY)[1:]}
    assert nightly_check(results).conclusion == "cancelled"
