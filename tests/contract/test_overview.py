"""`forge status`: the flaky tests of a repository, as the ledger remembers them and as people read them."""

import io
from pathlib import Path

from forge_dagster.cli.overview import FLAKY_SHOWN, flaky_tests
from forge_dagster.cli.overview_text import show
from forge_dagster.cli.terminal import Terminal
from forge_dagster.ledger.sql import SqlLedger

DAY = 86_400.0
NOVEMBER = 1_793_491_200.0
"""2026-11-01 00:00 UTC."""


def test_flaky_tests_are_shown_with_how_often_each_was_seen(tmp_path: Path) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
    often, once = {"a": "tests/test_a.py::test_often"}, {"b": "tests/test_b.py::test_\x1b[31monce"}
    for number in range(3):
        ledger.note_flaky("acme/shop", often, attempt_id=number, head_sha="1" * 40, at=NOVEMBER + number * DAY)
    ledger.note_flaky("acme/shop", once, attempt_id=3, head_sha="2" * 40, at=NOVEMBER + 9 * DAY)
    ledger.note_flaky("acme/other", once, attempt_id=4, head_sha="2" * 40, at=NOVEMBER)
    shown = flaky_tests(ledger, "acme/shop")
    assert [(test["test"], test["count"]) for test in shown] == [(often["a"], 3), (once["b"], 1)]
    found = {"home": "/h", "up": True, "processes": [], "pull_requests": [], "environments": [], "problems": []}
    stream = io.StringIO()
    show(Terminal(stream), {**found, "flaky_tests": shown})
    assert "flaky tests\n  acme/shop tests/test_a.py::test_often  flaky: 3 times since 2026-11-01\n" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_no_more_of_them_than_a_person_reads(tmp_path: Path) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
    every = {str(number): f"test_{number}" for number in range(FLAKY_SHOWN + 5)}
    ledger.note_flaky("acme/shop", every, attempt_id=1, head_sha="1" * 40, at=NOVEMBER)
    assert len(flaky_tests(ledger, "acme/shop")) == FLAKY_SHOWN
    assert flaky_tests(ledger, "acme/other") == []
