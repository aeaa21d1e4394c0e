"""The first failing fast gate reaches the pull request before the verdict."""

from pathlib import Path

import pytest

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.feedback import MARKER
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import HostError
from forge_dagster.usecases.intake import intake, requested
from forge_dagster.usecases.outbox import drain
from forge_dagster.usecases.tell_early import tell_early, told_early
from tests.fakes.git_world import World

FAULT = Finding(tool="ruff", rule="F401", message="unused `os`", category=Category.LINT, file="src/a.py", line=4)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def attempt(world: World) -> Attempt:
    world.host.open_pull(1, world.host.commit_of("first", "change"))
    world.event("pull_request", "opened", number=1)
    (found,) = intake(world.services).attempts
    requested(world.services, (found,))
    return world.ledger.claim(found.id, "run-1")


def failed(world: World, attempt: Attempt, gate: str = "lint", outcome: Outcome = Outcome.FAILED) -> GateResult:
    result = gate_result(gate, outcome, findings=[FAULT])
    world.ledger.put_result(attempt.id, result)
    return result


def test_check_and_comment_are_there_at_once(world: World, attempt: Attempt) -> None:
    assert tell_early(world.services, attempt, failed(world, attempt))
    check = world.host.checks[attempt.head_sha, "forge/lint"]
    assert (check.conclusion, [(f.file, f.line) for f in check.annotations]) == ("failure", [("src/a.py", 4)])
    assert world.host.comments[1].startswith(MARKER)
    assert "src/a.py:4" in world.host.comments[1]


def test_a_second_failure_adds_its_check_and_leaves_the_comment(world: World, attempt: Attempt) -> None:
    tell_early(world.services, attempt, failed(world, attempt))
    said = world.host.comments[1]
    tell_early(world.services, attempt, failed(world, attempt, "types"))
    assert (attempt.head_sha, "forge/types") in world.host.checks
    assert world.host.comments[1] == said


@pytest.mark.parametrize(("gate", "outcome"), [("lint", Outcome.PASSED), ("lint", Outcome.ERRORED), ("unit", Outcome.FAILED)])
def test_nothing_else_is_told_early(world: World, attempt: Attempt, gate: str, outcome: Outcome) -> None:
    assert not tell_early(world.services, attempt, failed(world, attempt, gate, outcome))
    assert not world.host.comments


def test_a_host_that_does_not_answer_is_asked_again_and_undoes_nothing(world: World, attempt: Attempt) -> None:
    world.host.down = HostError("no answer")
    told_early(world.services, attempt, failed(world, attempt))
    assert not world.host.comments
    world.host.down = None
    world.clock.time += 60
    drain(world.services)
    assert 1 in world.host.comments
