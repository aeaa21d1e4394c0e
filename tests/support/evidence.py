"""A home with keys and a ledger, an attempt whose gates have been judged, and hands that reach into the database."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.log_check import LogCheck
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.usecases.audit import export_lines, verify_export, verify_ledger
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.evidence import keep_result
from tests.fakes.git_world import World

TREE = "7" * 40


def judged(home: Path, **outcomes: Outcome) -> tuple[World, Attempt]:
    """A pull request whose gates gave these outcomes, not decided yet."""
    world = World(home)
    return world, world.run(world.opened(), **outcomes)


def decided(home: Path) -> tuple[World, Attempt]:
    """The same, with a verdict: REVIEW, since the agent is new."""
    world, attempt = judged(home)
    decide(world.services, attempt.id, run_id="r1")
    return world, world.ledger.attempt(attempt.id)


def again(world: World, attempt: Attempt, outcome: Outcome) -> None:
    """The gate lint answers once more."""
    keep_result(world.services, attempt, gate_result("lint", outcome, reason="again"), tree=TREE)


@contextmanager
def database(world: World, home: Path) -> Iterator[sqlite3.Connection]:
    """What somebody who may write to the ledger's file, but not read Forge's keys, can do."""
    world.ledger.close()
    connection = sqlite3.connect(home / "ledger.db")
    with connection:
        yield connection
    connection.close()


def verified(world: World, **more: Any) -> LogCheck:
    return verify_ledger(world.services, **more)


def exported(world: World, change: Callable[[list[str]], None] = lambda _lines: None, **more: Any) -> LogCheck:
    """Export, `change` the lines, and verify them with this home's public keys."""
    lines = list(export_lines(world.services))
    change(lines)
    return verify_export(lines, signatures=world.keyring, trusted=world.keyring.trusted(), **more)
