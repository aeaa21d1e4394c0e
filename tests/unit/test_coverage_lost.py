"""Which lines a change has left without a test."""

import pytest

from forge_dagster.domain.coverage import judge_coverage
from forge_dagster.domain.coverage_lost import MOST, lost_coverage
from forge_dagster.domain.coverage_report import Coverage
from forge_dagster.domain.outcomes import Outcome, Severity
from tests.unit.test_coverage import SECTION, change, covered, edited, is_source

BEFORE = "a = 1\nb = 2\nc = 3\nd = 4\n"
AFTER = "zero = 0\na = 1\nb = 3\nc = 3\nd = 4\n"


def lost(
    base: Coverage, head: Coverage, *, before: str | None = BEFORE, after: str | None = AFTER, previous: str = "src/a.py"
) -> list[tuple[str | None, int | None]]:
    status = "modified" if previous == "src/a.py" else "renamed"
    what = change(edited("src/a.py", 1, 3, status=status, previous=previous))
    found = lost_coverage(
        what, base, head, is_source, base_text={previous: before}.get, head_text={"src/a.py": after, "src/b.py": "x\n" * 90}.get
    )
    assert {finding.severity for finding in found} <= {Severity.WARNING}, "the decrease itself is what fails"
    return [(finding.file, finding.line) for finding in found]


def test_lines_of_a_changed_file_are_followed_by_their_text() -> None:
    base = covered("src/a.py", range(1, 5))
    assert lost(base, covered("src/a.py", range(1, 5), range(5, 6))) == [("src/a.py", 5)]
    assert lost(base, covered("src/a.py", range(1, 2), range(2, 4))) == [("src/a.py", 2)], "line 3 is another one"
    assert lost(covered("src/a.py", range(1, 2), range(2, 5)), covered("src/a.py", range(1, 3), range(3, 6))) == []


def test_a_renamed_file_is_the_same_file() -> None:
    base, head = covered("src/old.py", range(1, 5)), covered("src/a.py", range(1, 5), range(5, 6))
    assert lost(base, head, previous="src/old.py") == [("src/a.py", 5)]


def test_a_file_that_the_change_leaves_alone_keeps_its_numbers() -> None:
    base, head = covered("src/b.py", range(1, 9)), covered("src/b.py", range(1, 4), range(4, 9))
    assert lost(base, head) == [("src/b.py", 4)], "one finding for lines that stand together"


@pytest.mark.parametrize(("before", "after"), [(None, AFTER), (BEFORE, None), ("x\n" * 30_000, AFTER)])
def test_nothing_is_said_of_what_cannot_be_compared(before: str | None, after: str | None) -> None:
    assert lost(covered("src/a.py", range(1, 5)), covered("src/a.py", range(0), range(1, 6)), before=before, after=after) == []


def test_new_files_and_tests_lose_nothing_and_the_list_is_bounded() -> None:
    assert lost({}, covered("src/b.py", range(0), range(1, 9))) == []
    assert lost(covered("tests/test_b.py", range(1, 9)), covered("tests/test_b.py", range(0), range(1, 9))) == []
    base = covered("src/b.py", range(1, 90))
    head = covered("src/b.py", frozenset(range(1, 90, 2)), frozenset(range(2, 90, 2)))
    assert len(lost(base, head)) == MOST


def test_the_decrease_is_what_they_explain() -> None:
    base, head = covered("src/b.py", range(1, 9)), covered("src/b.py", range(1, 4), range(4, 9))
    judged = judge_coverage(change(edited("tests/test_b.py")), head, base, SECTION, is_source)
    assert judged.outcome is Outcome.FAILED
    assert lost(base, head)
