"""The coverage gate's judgement."""

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.coverage import CoverageJudgement, comparable, judge_coverage, may_decrease
from forge_dagster.domain.coverage_report import Coverage, FileCoverage
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy_gates import CoverageSection
from forge_dagster.domain.sources import is_test

SECTION = CoverageSection()


def is_source(path: str) -> bool:
    return path.endswith(".py") and not is_test(path)


def change(*files: ChangedFile) -> Change:
    return Change(repository="o/r", files=files)


def edited(path: str, *lines: int, status: str = "modified", previous: str | None = None) -> ChangedFile:
    return ChangedFile(path=path, status=status, added_lines=frozenset(lines), previous_path=previous)


def covered(path: str, executed: range | frozenset[int] = range(0), missing: range | frozenset[int] = range(0)) -> Coverage:
    return {path: FileCoverage(path=path, executed=frozenset(executed), missing=frozenset(missing))}


def judge(
    what: Change, head: Coverage, base: Coverage | None = None, section: CoverageSection = SECTION, text: str = ""
) -> CoverageJudgement:
    return judge_coverage(what, head, base, section, is_source, {f.path: text for f in what.files})


def test_covered_new_code_passes() -> None:
    judged = judge(change(edited("src/a.py", *range(1, 11))), covered("src/a.py", range(1, 11)))
    assert judged.outcome is Outcome.PASSED
    assert judged.metrics == {"new_line_coverage": 100.0, "overall_line_coverage": 100.0}
    assert judged.findings == ()


def test_the_threshold_itself_is_enough_and_a_line_less_is_not() -> None:
    nine = change(edited("src/a.py", *range(1, 11)))
    judged = judge(nine, covered("src/a.py", range(1, 10), range(10, 11)))
    assert judged.outcome is Outcome.PASSED
    assert [(f.line, f.severity) for f in judged.findings] == [(10, Severity.NOTE)]
    judged = judge(nine, covered("src/a.py", range(1, 9), range(9, 11)))
    assert judged.outcome is Outcome.FAILED
    assert judged.metrics["new_line_coverage"] == 80.0
    assert [(f.file, f.line, f.rule, f.severity) for f in judged.findings] == [
        ("src/a.py", 9, "uncovered-lines", Severity.ERROR)
    ]
    assert "9 to 10" in judged.findings[0].message


def test_old_uncovered_lines_do_not_blame_the_change() -> None:
    judged = judge(change(edited("src/a.py", 1)), covered("src/a.py", range(1, 2), range(2, 100)))
    assert judged.outcome is Outcome.PASSED
    assert judged.metrics["new_line_coverage"] == 100.0


def test_nothing_coverable_is_not_applicable_never_zero() -> None:
    for files in ((), (edited("README.md", 1, 2),), (edited("src/a.py", 5),), (edited("tests/test_a.py", 1),)):
        judged = judge(change(*files), covered("src/a.py", range(1, 3)))
        assert judged.outcome is Outcome.SKIPPED
        assert "not applicable" in judged.reason
        assert "new_line_coverage" not in judged.metrics


def test_a_changed_file_the_report_lacks_is_uncovered() -> None:
    text = '"""Doc."""\n\nimport os\n\n\ndef f():\n    return os\n'
    judged = judge(change(edited("src/new.py", *range(1, 8), status="added")), {}, text=text)
    assert judged.outcome is Outcome.FAILED
    assert judged.metrics["new_line_coverage"] == 0.0
    assert judged.findings[0].line == 3
    assert "does not know this file" in judged.findings[0].message


def test_a_changed_file_the_report_lacks_and_that_holds_no_code_is_not_applicable() -> None:
    judged = judge(change(edited("src/new.py", 1, 2, status="added")), {}, text='"""Only a docstring."""\n# and a comment\n')
    assert judged.outcome is Outcome.SKIPPED


def test_branches_are_judged_by_themselves() -> None:
    one = FileCoverage(path="a.py", executed=frozenset({1, 2, 3}), branches={1: (1, 2), 3: (0, 4), 2: (2, 2)})
    judged = judge(change(edited("a.py", 1, 2)), {"a.py": one})
    assert judged.outcome is Outcome.FAILED
    assert judged.metrics["new_branch_coverage"] == 75.0
    assert [(f.rule, f.line, f.severity) for f in judged.findings] == [("uncovered-branch", 1, Severity.ERROR)]
    relaxed = judge(change(edited("a.py", 1, 2)), {"a.py": one}, section=CoverageSection(new_branches=75))
    assert relaxed.outcome is Outcome.PASSED


def test_overall_decrease_fails_unless_allowed() -> None:
    what = change(edited("src/a.py", 1), edited("tests/test_a.py", 1))
    base = covered("src/a.py", range(1, 11))
    head = covered("src/a.py", range(1, 6), range(6, 11))
    judged = judge(what, head, base)
    assert judged.outcome is Outcome.FAILED
    assert "falls from 100.00% to 50.00%" in judged.reason
    assert [f.rule for f in judged.findings] == ["overall-decrease"]
    assert judged.metrics["base_line_coverage"] == 100.0
    assert judge(what, head, base, CoverageSection(allow_decrease=True)).outcome is Outcome.PASSED


def test_a_deleted_test_is_seen_even_when_the_report_forgets_the_file() -> None:
    base = {**covered("src/a.py", range(1, 11)), **covered("src/b.py", range(1, 11))}
    what = change(edited("tests/test_b.py", status="removed"))
    judged = judge(what, covered("src/a.py", range(1, 11)), base)
    assert judged.outcome is Outcome.FAILED
    assert judged.metrics["overall_line_coverage"] == 50.0


def test_deleting_covered_code_is_no_decrease() -> None:
    base = covered("src/a.py", range(1, 10), range(10, 12))
    head = covered("src/a.py", range(1, 5), range(5, 7))
    assert judge(change(edited("src/a.py", 1)), head, base).outcome is Outcome.PASSED
    gone = change(edited("src/b.py", status="removed"), edited("src/a.py", 1))
    both = {**base, **covered("src/b.py", range(1, 20))}
    assert judge(gone, base, both).outcome is Outcome.PASSED


def test_excluding_changed_lines_is_shown() -> None:
    one = FileCoverage(path="a.py", executed=frozenset({1}), excluded=frozenset({2, 3}))
    judged = judge(change(edited("a.py", 1, 2, 3)), {"a.py": one})
    assert [(f.rule, f.line, f.severity) for f in judged.findings] == [("excluded-lines", 2, Severity.WARNING)]


def test_the_base_is_measured_only_where_it_can_matter() -> None:
    full, half = covered("src/a.py", range(1, 3)), covered("src/a.py", range(1, 3), range(3, 5))
    assert not may_decrease(change(edited("README.md", 1)), half, is_source)
    assert not may_decrease(change(edited("src/a.py", 1), edited("tests/test_n.py", 1, status="added")), full, is_source)
    assert may_decrease(change(edited("src/a.py", 1)), half, is_source)
    assert may_decrease(change(edited("tests/test_a.py", 1)), full, is_source)
    assert may_decrease(change(edited("old/x.txt", status="renamed", previous="tests/test_a.py")), full, is_source)


numbers = st.frozensets(st.integers(1, 40), max_size=25)


@given(executed=numbers, missing=numbers, added=numbers, more=numbers)
def test_covering_more_never_makes_it_worse(
    executed: frozenset[int], missing: frozenset[int], added: frozenset[int], more: frozenset[int]
) -> None:
    what = change(edited("a.py", *added))
    before = judge(what, covered("a.py", executed, missing - executed))
    after = judge(what, covered("a.py", executed | (more & missing), missing - executed - more))
    share = "new_line_coverage"
    assert after.metrics.get(share, 100.0) >= before.metrics.get(share, 100.0)
    assert not (before.outcome is Outcome.PASSED and after.outcome is Outcome.FAILED)
    assert (before.outcome is Outcome.SKIPPED) == (after.outcome is Outcome.SKIPPED)


@given(executed=numbers, missing=numbers, added=numbers)
def test_findings_name_exactly_the_uncovered_new_lines(
    executed: frozenset[int], missing: frozenset[int], added: frozenset[int]
) -> None:
    missing -= executed
    judged = judge(change(edited("a.py", *added)), covered("a.py", executed, missing))
    starts = {f.line for f in judged.findings}
    assert starts <= missing & added
    assert bool(starts) == bool(missing & added)
    assert (judged.outcome is Outcome.SKIPPED) == (not (executed | missing) & added)


@given(added=numbers.filter(bool), head=numbers)
def test_an_absent_file_is_never_better_than_an_unexecuted_one(added: frozenset[int], head: frozenset[int]) -> None:
    what = change(edited("a.py", *added))
    absent = judge(what, covered("b.py", head))
    assert absent.outcome is Outcome.FAILED
    assert absent.metrics["new_line_coverage"] == 0.0


def test_integration_tests_count_on_new_lines_and_not_on_old_ones() -> None:
    unit = covered("src/a.py", range(1, 3), range(3, 7))
    integration = covered("src/a.py", range(1, 7))
    whole = comparable(unit, integration, change(edited("src/a.py", 5, 6)), ["tests/integration/test_a.py"])
    assert whole["src/a.py"].executed == {1, 2, 5, 6}
    assert whole["src/a.py"].missing == {3, 4}


def test_coverage_may_move_to_an_integration_test_that_the_change_touches() -> None:
    unit, integration = covered("src/a.py", range(1, 3), range(3, 7)), covered("src/a.py", range(1, 7))
    moved = change(edited("tests/integration/test_a.py", 1, status="added"))
    whole = comparable(unit, integration, moved, ["tests/integration/test_a.py"])
    assert whole["src/a.py"].executed == frozenset(range(1, 7))


def test_new_code_counts_all_tests_while_the_whole_is_compared_with_like() -> None:
    what = change(edited("src/a.py", 5))
    head, unit = covered("src/a.py", range(1, 6)), covered("src/a.py", range(1, 5), range(5, 6))
    base = covered("src/a.py", range(1, 5))
    judged = judge_coverage(what, head, base, SECTION, is_source, {}, whole=unit)
    assert judged.metrics["new_line_coverage"] == 100.0
    assert [finding.rule for finding in judged.findings] == ["overall-decrease"]
