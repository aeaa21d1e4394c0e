"""Findings and results: fingerprints, bounds, the one-line summary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.findings import MAX_FINDINGS, Finding, fingerprinted
from forge_dagster.domain.outcomes import Category, Outcome, Severity, worst
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
