"""Findings and results: fingerprints, bounds, the one-line summary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.findings import MAX_FINDINGS, Finding, fingerprinted
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity, worst
from forge_dagster.domain.results import gate_result


def finding(**fields: object) -> Finding:
    return Finding.model_validate({"tool": "ruff", "rule": "F401", "message": "unused", "category": Category.LINT, **fields})


def test_fingerprint_survives_a_moved_line() -> None:
    before = fingerprinted([finding(file="a.py", line=4, snippet="import os")])
    after = fingerprinted([finding(file="a.py", line=40, snippet="    import os")])
    assert before[0].fingerprint == after[0].fingerprint


def test_equal_lines_get_fingerprints_of_their_own() -> None:
    two = fingerprinted([finding(file="a.py", line=1, snippet="x"), finding(file="a.py", line=2, snippet="x")])
    assert len({f.fingerprint for f in two}) == 2


def test_the_same_finding_twice_is_one() -> None:
    assert len(fingerprinted([finding(file="a.py", line=1), finding(file="a.py", line=1)])) == 1


def test_the_same_fault_told_twice_is_one_whatever_is_said_beside_it() -> None:
    one = finding(file="a.py", line=1, column=2, snippet="x")
    again = one.model_copy(update={"suggested_fix": "remove it", "attribution": Attribution.NEW})
    assert len(fingerprinted([one, again])) == 1
    assert len(fingerprinted([one, one.model_copy(update={"column": 9})])) == 2


_lines = st.lists(st.tuples(st.sampled_from(["x = 1", "import os", "  y"]), st.sampled_from(["F401", "E1"])), max_size=12)


def _at(lines: list[tuple[str, str]], *, start: int = 1, tool: str = "ruff", file: str = "a.py") -> list[Finding]:
    numbered = enumerate(lines, start)
    return [finding(tool=tool, rule=rule, file=file, line=number, snippet=text) for number, (text, rule) in numbered]


def _prints(findings: list[Finding]) -> list[str]:
    return [one.fingerprint for one in fingerprinted(findings)]


@given(_lines, st.integers(0, 10_000), st.text(alphabet=" \t", max_size=4))
def test_lines_inserted_above_and_indentation_change_no_fingerprint(
    lines: list[tuple[str, str]], down: int, indentation: str
) -> None:
    moved = [(f"{indentation}{text}", rule) for text, rule in lines]
    assert _prints(_at(lines)) == _prints(_at(moved, start=1 + down))


@given(_lines)
def test_fingerprints_are_unique_and_tell_tools_and_files_apart(lines: list[tuple[str, str]]) -> None:
    whole = _at(lines) + _at(lines, tool="flake8") + _at(lines, file="b.py")
    assert len(set(_prints(whole))) == 3 * len(lines)


@given(_lines, _lines)
def test_findings_elsewhere_change_no_fingerprint(lines: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    assert set(_prints(_at(lines))) <= set(_prints(_at(others, file="b.py") + _at(lines)))


@pytest.mark.parametrize("changes", [{"rule": "test-error"}, {"file": "src/x.py", "line": 90}, {"message": "another reason"}])
def test_a_failed_test_keeps_its_fingerprint_wherever_and_however_it_fails(changes: dict[str, object]) -> None:
    test = {"rule": "test-failed", "category": Category.TEST, "file": "t.py", "line": 3, "snippet": "t.py::test_a"}
    assert _prints([finding(**test)]) == _prints([finding(**{**test, **changes})])


def test_the_snippet_is_never_shown() -> None:
    assert "hunter2" not in finding(snippet="password = 'hunter2'").model_dump_json()


@given(st.integers(min_value=0, max_value=3 * MAX_FINDINGS))
def test_results_are_bounded_and_say_so(count: int) -> None:
    result = gate_result("lint", Outcome.FAILED, findings=[finding(message=f"m{i}") for i in range(count)])
    assert result.findings_total == count
    assert len(result.findings) == min(count, MAX_FINDINGS)
    assert result.truncated is (count > MAX_FINDINGS)


def test_errors_come_first_when_cut() -> None:
    notes = [finding(message=f"n{i}", severity=Severity.NOTE) for i in range(MAX_FINDINGS)]
    result = gate_result("lint", Outcome.FAILED, findings=[*notes, finding(message="the fault")])
    assert result.findings[0].message == "the fault"


def test_of_the_errors_what_the_base_has_too_is_cut_first() -> None:
    old = [finding(message=f"o{i}", attribution=Attribution.PREEXISTING) for i in range(MAX_FINDINGS + 5)]
    warning = finding(message="w", severity=Severity.WARNING)
    result = gate_result("lint", Outcome.FAILED, findings=[warning, *old, finding(message="mine")])
    assert result.findings[0].message == "mine"
    assert {one.attribution for one in result.findings[1:]} == {Attribution.PREEXISTING}, "errors before warnings"


def test_the_summary_leads_with_place_and_message() -> None:
    result = gate_result("lint", Outcome.FAILED, findings=[finding(file="src/a.py", line=4, message="unused import\nmore")])
    assert result.summary == "lint failed: 1 finding, src/a.py:4 unused import"


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(KeyError):
        gate_result("lnit", Outcome.PASSED)


@given(st.lists(st.sampled_from(list(Outcome))))
def test_errored_never_passes(outcomes: list[Outcome]) -> None:
    if Outcome.ERRORED in outcomes or Outcome.FAILED in outcomes:
        assert worst(outcomes) in (Outcome.FAILED, Outcome.ERRORED)
    if not outcomes:
        assert worst(outcomes) is Outcome.SKIPPED
