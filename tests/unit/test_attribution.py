"""Whose doing a finding is, and what follows: the rules."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forge_dagster.domain.attribution import (
    MANY_TESTS,
    MAX_COMPARED,
    Baseline,
    baseline,
    compared,
    conclude,
    file_of_test,
    imposed,
    mark,
    suspicious,
    to_compare,
    touches,
)
from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity

NEW, OLD, FLAKY = Attribution.NEW, Attribution.PREEXISTING, Attribution.FLAKY
SURROUNDINGS, UNKNOWN = Attribution.INFRASTRUCTURE, Attribution.UNKNOWN
CHANGE = Change(repository="o/r", files=(ChangedFile(path="src/a.py", added_lines=frozenset({9})),))


def lint(text: str, *, file: str = "src/a.py", **changes: object) -> Finding:
    values = {"tool": "ruff", "rule": "F401", "message": "unused", "category": Category.LINT, "file": file, "line": 4}
    return Finding.model_validate({**values, "snippet": text, **changes})


def failed(test: str = "tests/test_a.py::test_b", **changes: object) -> Finding:
    values = {
        "tool": "pytest", "rule": "test-failed", "message": f"{test} failed", "category": Category.TEST,
        "file": file_of_test(test)[0], "line": 3, "snippet": test,
    }  # fmt: skip
    return Finding.model_validate({**values, **changes})


def labels(findings: tuple[Finding, ...]) -> list[Attribution]:
    return [finding.attribution for finding in findings]


# --- a whole suite failing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "total", "expected"),
    [(4, 4, False), (5, 5, True), (4, 5, False), (81, 100, True), (80, 100, False), (0, 0, False)],
)
def test_more_than_80_percent_of_at_least_five_is_suspicious(failing: int, total: int, expected: bool) -> None:
    assert suspicious(failing, total) is expected


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_suspicion_needs_many_tests_and_most_of_them(failing: int, total: int) -> None:
    assume(failing <= total)
    assert suspicious(failing, total) == (total >= MANY_TESTS and 5 * failing > 4 * total)


# --- comparing ---------------------------------------------------------------------------------------------------------


def test_what_the_base_has_too_is_preexisting_and_the_rest_new() -> None:
    base = baseline([lint("import os")])
    assert labels(compared([lint("import os", line=40), lint("import re")], base, change=CHANGE)) == [OLD, NEW]


def test_equal_lines_are_counted() -> None:
    base = baseline([lint("import os")])
    assert sorted(labels(compared([lint("import os"), lint("import os", line=7)], base, change=CHANGE))) == [NEW, OLD]


def test_a_place_that_was_not_touched_is_the_old_one() -> None:
    copied = [lint("import os", line=9, attribution=NEW), lint("import os", line=20)]
    assert labels(compared(copied, baseline([lint("import os")]), change=CHANGE)) == [NEW, OLD]


def test_an_added_line_stays_new_whatever_the_base_has() -> None:
    other = lint("import re", attribution=NEW)
    assert labels(compared([other], baseline([lint("import re")]), change=CHANGE)) == [NEW]


def test_a_renamed_file_is_known_by_its_old_name() -> None:
    moved = Change(repository="o/r", files=(ChangedFile(path="src/new.py", previous_path="src/old.py", status="renamed"),))
    base = baseline([lint("import os", file="src/old.py"), failed("t/test_old.py::test_b")])
    assert labels(compared([lint("import os", file="src/new.py")], base, change=moved)) == [OLD]
    assert labels(compared([lint("import os", file="src/other.py")], base, change=moved)) == [NEW]


@pytest.mark.parametrize(("folder", "test"), [("", "app/t/test_new.py::test_b"), ("app", "t/test_new.py::test_b")])
def test_a_test_in_a_renamed_file_is_known_by_its_old_id(folder: str, test: str) -> None:
    files = (ChangedFile(path="app/t/test_new.py", previous_path="app/t/test_old.py", status="renamed"),)
    moved = Change(repository="o/r", files=files)
    base = baseline([failed(test.replace("_new", "_old"))])
    assert labels(compared([failed(test)], base, change=moved, folders=("", folder))) == [OLD]
    assert labels(compared([failed(test.replace("test_b", "test_c"))], base, change=moved, folders=("", folder))) == [NEW]


def test_a_failed_test_is_known_by_its_id_wherever_and_however_it_fails() -> None:
    base = baseline([failed(rule="test-error", file="src/x.py", line=99)])
    assert labels(compared([failed(attribution=NEW, line=9)], base, change=CHANGE)) == [OLD]


def test_a_test_that_was_flaky_on_the_base_did_not_fail_there() -> None:
    assert labels(compared([failed()], baseline([failed(attribution=FLAKY)]), change=CHANGE)) == [NEW]


def test_warnings_and_what_is_labelled_already_stay_as_they_are() -> None:
    given_ = [lint("x", severity=Severity.WARNING), failed(attribution=FLAKY), lint("y", attribution=OLD)]
    assert compared(given_, Baseline(), change=CHANGE) == tuple(given_)


def test_a_file_that_was_unformatted_stays_so_wherever_its_first_fault_is() -> None:
    before = lint("a = 1", rule="unformatted", category=Category.FORMAT, message="not formatted: a")
    after = lint("b = 2", rule="unformatted", category=Category.FORMAT, message="not formatted: b", line=30)
    assert labels(compared([after], baseline([before]), change=CHANGE)) == [OLD]


def test_a_suite_failing_as_a_whole_is_the_surroundings_where_the_bases_does_too() -> None:
    suite = [failed(f"t.py::test_{n}", attribution=SURROUNDINGS) for n in range(9)]
    assert set(labels(compared(suite, baseline(suite), change=CHANGE))) == {SURROUNDINGS}
    assert set(labels(compared(suite, Baseline(), change=CHANGE))) == {NEW}
    some = [failed(f"t.py::test_{n}") for n in range(3)]
    assert labels(compared(suite, baseline(some), change=CHANGE)) == [OLD] * 3 + [NEW] * 6


def test_a_base_that_could_not_be_examined_tells_nothing() -> None:
    assert labels(compared([lint("x")], Baseline(problem="no network"), change=CHANGE)) == [UNKNOWN]


def test_more_than_can_be_compared_stays_unknown_and_so_fails() -> None:
    many = [lint(f"x{n}") for n in range(MAX_COMPARED + 2)]
    found = compared(many, baseline(many), change=CHANGE)
    assert labels(found)[-3:] == [OLD, UNKNOWN, UNKNOWN]
    assert conclude(found, reason="", is_touched=lambda _f: False).outcome is Outcome.FAILED


_texts = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8)


@given(_texts, _texts)
def test_only_as_many_are_old_as_the_base_has(head: list[str], base: list[str]) -> None:
    found = compared([lint(text) for text in head], baseline([lint(text) for text in base]), change=CHANGE)
    for text in "abc":
        old = sum(finding.snippet == text and finding.attribution is OLD for finding in found)
        new = sum(finding.snippet == text and finding.attribution is NEW for finding in found)
        assert old == min(head.count(text), base.count(text))
        assert old + new == head.count(text)


@given(_texts, st.integers(1, 1000))
def test_lines_inserted_above_change_nothing(texts: list[str], down: int) -> None:
    base = [lint(text, line=number + 1) for number, text in enumerate(texts)]
    moved = [finding.model_copy(update={"line": (finding.line or 0) + down}) for finding in base]
    assert set(labels(compared(moved, baseline(base), change=CHANGE))) <= {OLD}


@given(st.text(), st.text())
def test_a_mark_shows_nothing_of_the_line(text: str, other: str) -> None:
    assert len(mark(lint(text))) == 24
    assert (mark(lint(text)) == mark(lint(other))) == ((text.strip() or "unused") == (other.strip() or "unused"))


# --- what follows ------------------------------------------------------------------------------------------------------


def concluded(*errors: Finding, touched: bool = False, examined: bool = True) -> tuple[Outcome, str]:
    conclusion = conclude(errors, reason="2 of 9 tests failed", is_touched=lambda _f: touched, examined=examined)
    return conclusion.outcome, conclusion.reason


def test_a_red_baseline_passes_and_says_so() -> None:
    assert concluded(lint("x", attribution=OLD)) == (Outcome.PASSED, "baseline red: 1 finding that the base has too")


def test_new_beside_old_fails_by_the_new_alone() -> None:
    outcome, reason = concluded(lint("x", attribution=OLD), lint("y", attribution=NEW))
    assert outcome is Outcome.FAILED
    assert reason == "2 of 9 tests failed; 1 finding that the base has too does not count"


def test_a_red_baseline_where_nothing_else_was_looked_at_does_not_pass() -> None:
    outcome, reason = concluded(lint("x", attribution=OLD), examined=False)
    assert outcome is Outcome.ERRORED
    assert "nothing else could be looked at" in reason


def test_a_flaky_test_elsewhere_is_neither_a_pass_nor_the_changes_fault() -> None:
    outcome, reason = concluded(failed(attribution=FLAKY))
    assert outcome is Outcome.ERRORED
    assert reason == "flaky: tests/test_a.py::test_b failed, then passed alone on the same input; run it again"


def test_a_flaky_test_that_the_change_touches_fails() -> None:
    outcome, reason = concluded(failed(attribution=FLAKY), touched=True)
    assert outcome is Outcome.FAILED
    assert reason.startswith("flaky: tests/test_a.py::test_b")


def test_flaky_beside_real_failures_fails_by_the_real_ones() -> None:
    outcome, reason = concluded(failed(attribution=FLAKY), failed("t.py::x", attribution=NEW))
    assert (outcome, reason) == (Outcome.FAILED, "2 of 9 tests failed")


def test_many_flaky_tests_are_named_up_to_three() -> None:
    _, reason = concluded(*(failed(f"t.py::test_{n}", attribution=FLAKY) for n in range(9)))
    assert "t.py::test_0, t.py::test_1, t.py::test_2 and 6 more failed" in reason


def test_surroundings_never_blame_the_change() -> None:
    outcome, reason = concluded(failed(attribution=SURROUNDINGS))
    assert outcome is Outcome.ERRORED
    assert reason.startswith("more than 80% failing at once (2 of 9 tests failed)")


@given(st.lists(st.sampled_from(Attribution), min_size=1, max_size=6), st.booleans(), st.booleans())
def test_what_follows_from_any_labels(given_labels: list[Attribution], touched: bool, examined: bool) -> None:
    errors = [lint(f"x{n}", attribution=label) for n, label in enumerate(given_labels)]
    outcome, reason = concluded(*errors, touched=touched, examined=examined)
    kinds = set(given_labels)
    assert (outcome is Outcome.PASSED) == (kinds == {OLD} and examined)
    blamed = bool(kinds & {NEW, UNKNOWN}) or (touched and FLAKY in kinds)
    assert (outcome is Outcome.FAILED) == (blamed and SURROUNDINGS not in kinds)
    assert outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED)
    assert reason


def test_a_failure_without_findings_stays_one() -> None:
    assert concluded() == (Outcome.FAILED, "2 of 9 tests failed")


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (lint("x"), True),
        (lint("x", attribution=NEW), False),
        (lint("x", severity=Severity.WARNING), False),
        (failed(attribution=FLAKY), False),
        (failed(attribution=SURROUNDINGS), True),
        (failed(rule="no-tests", snippet=""), False),
    ],
)
def test_the_base_is_asked_only_where_it_decides(finding: Finding, expected: bool) -> None:
    assert to_compare([finding]) is expected


@pytest.mark.parametrize(
    ("test", "file"),
    [
        ("tests/test_a.py::T::test_b", "tests/test_a.py"),
        ("src/a.test.ts::adds > more", "src/a.test.ts"),
        ("src/a.test.ts > adds", "src/a.test.ts"),
        ("src/a.test.ts", "src/a.test.ts"),
        ("", ""),
    ],
)
def test_the_file_in_the_id_of_a_test(test: str, file: str) -> None:
    found, rest = file_of_test(test)
    assert (found, found + rest) == (file, test)


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("tests/test_a.py", "", True),
        ("app/tests/test_a.py", "app", True),
        ("app/tests/test_a.py", "", False),
        ("tests/test_other.py", "", False),
        ("src/a.py", "", False),
    ],
)
def test_a_change_touches_a_test_by_its_file(path: str, folder: str, expected: bool) -> None:
    change = Change(repository="o/r", files=(ChangedFile(path=path),))
    assert touches(failed(file="src/a.py"), change, folders=("", folder)) is expected


def test_a_failure_in_a_test_file_that_the_change_touches_is_touched() -> None:
    change = Change(repository="o/r", files=(ChangedFile(path="tests/support.py"),))
    assert touches(failed(file="tests/support.py"), change)


# --- defaults ----------------------------------------------------------------------------------------------------------


def test_a_default_tool_without_a_base_only_warns() -> None:
    soft, reason = imposed([lint("x"), lint("y", severity=Severity.NOTE)], who="Forge's default ruff, which nobody here chose")
    assert [finding.severity for finding in soft] == [Severity.WARNING, Severity.NOTE]
    assert reason == ("Forge's default ruff, which nobody here chose; nothing to compare with, so its 1 finding does not fail")
