"""The history of flaky tests: counted, kept, told."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaky import FlakyTest, again, seen, with_history
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.ports import Services
from forge_dagster.usecases.flaky import HISTORY_FILE, remembered, remembered_locally
from tests.fakes.machine import StillClock

NOVEMBER = 1_793_491_200.0  # 2026-11-01


def found(test: str = "t.py::a", attribution: Attribution = Attribution.FLAKY) -> Finding:
    return Finding(
        tool="pytest", rule="test-failed", category=Category.TEST, file="t.py", message=f"{test} failed", snippet=test,
        attribution=attribution,
    )  # fmt: skip


def unit(*findings: Finding) -> GateResult:
    return gate_result("unit", Outcome.ERRORED, findings=findings or (found(),))


def test_only_flaky_findings_are_seen_by_the_names_of_their_tests() -> None:
    result = unit(found(), found("t.py::b", Attribution.NEW))
    assert seen(result) == {result.findings[0].fingerprint: "t.py::a"}


def test_how_often_is_told_from_the_second_time_on() -> None:
    result = unit()
    (fingerprint,) = seen(result)
    first = again(None, repository="o/r", fingerprint=fingerprint, test="t.py::a", head="a", at=NOVEMBER)
    assert first.told == "flaky: 1 time since 2026-11-01"
    assert with_history(result, {fingerprint: first}) == result
    third = again(
        again(first, repository="o/r", fingerprint=fingerprint, test="t.py::a", head="b", at=NOVEMBER + 9e6),
        repository="o/r", fingerprint=fingerprint, test="t.py::a", head=None, at=NOVEMBER + 1e6,
    )  # fmt: skip
    assert (third.count, third.first_at, third.last_at, third.last_head) == (3, NOVEMBER, NOVEMBER + 9e6, None)
    (told,) = with_history(result, {fingerprint: third}).findings
    assert told.message == "t.py::a failed (flaky: 3 times since 2026-11-01)"
    assert told.fingerprint == fingerprint


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=9))
def test_a_history_spans_all_sightings(times: list[float]) -> None:
    known: FlakyTest | None = None
    for at in times:
        known = again(known, repository="o/r", fingerprint="f", test="t", head=None, at=at)
    assert known is not None
    assert (known.count, known.first_at, known.last_at) == (len(times), min(times), max(times))


def services(tmp_path: Path) -> Services:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.db")
    return cast(Services, SimpleNamespace(ledger=ledger, clock=StillClock(NOVEMBER)))


def attempt(number: int) -> Attempt:
    return Attempt(id=number, repository="o/r", job=Job.CHANGE, number=1, base_ref="main", head_sha="a" * 40, policy_digest="p")


def test_the_ledger_tells_the_history_of_a_result_that_is_stored(tmp_path: Path) -> None:
    made = services(tmp_path)
    assert remembered(made, attempt(1), unit()).findings[0].message == "t.py::a failed"
    assert remembered(made, attempt(1), unit()).findings[0].message == "t.py::a failed"
    assert remembered(made, attempt(2), unit()).findings[0].message == "t.py::a failed (flaky: 2 times since 2026-11-01)"
    firm = unit(found(attribution=Attribution.NEW))
    assert remembered(made, attempt(3), firm) is firm
    assert [test.count for test in made.ledger.flaky_tests("o/r")] == [2]


def locally(folder: Path | None, result: GateResult | None = None) -> GateResult:
    return remembered_locally(folder, result or unit(), repository="r", head=None, at=NOVEMBER)


def test_a_local_check_keeps_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    messages = [locally(folder).findings[0].message for _ in range(3)]
    assert messages[0] == "t.py::a failed"
    assert messages[2] == "t.py::a failed (flaky: 3 times since 2026-11-01)"
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("damaged", ["", "[]", "{", '{"f": 1}', '{"f": {"count": 0}}', "[" * 100_000])
def test_a_damaged_local_history_begins_anew(tmp_path: Path, damaged: str) -> None:
    (tmp_path / HISTORY_FILE).write_text(damaged)
    assert locally(tmp_path).findings[0].message == "t.py::a failed"
    assert len(json.loads((tmp_path / HISTORY_FILE).read_text())) == 1


def test_a_local_history_is_bounded_and_keeps_the_latest(tmp_path: Path) -> None:
    for start in range(0, 300, 100):
        locally(tmp_path, unit(*(found(f"t.py::test_{n}") for n in range(start, start + 100))))
    kept: dict[str, Any] = json.loads((tmp_path / HISTORY_FILE).read_text())
    assert len(kept) == 200
    assert "t.py::test_299" in {body["test"] for body in kept.values()}


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    assert locally(None) == unit()
    (tmp_path / "file").write_text("")
    assert locally(tmp_path / "file").findings[0].message == "t.py::a failed"
