"""Reading the Test Anything Protocol: what was promised has come, and nothing that tests print counts as a test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.tools.tests.tap_report import Tap, explained, read_tap

NESTED = """TAP version 13
# Subtest: test/a.js
    # Subtest: adds
        ok 1 - should be equal
        1..1
    ok 1 - adds # time=38.14ms
    # Subtest: fails
        not ok 1 - is two
          ---
          at:
            fileName: test/a.js
          stack: |
            Test.<anonymous> (test/a.js:3:26)
          source: |
            ok 9 - inside of the diagnostic
          ...
        1..1
    not ok 2 - fails # time=1ms
    ok 3 - skipped # SKIP not today
    1..3
not ok 1 - test/a.js # time=371.491ms
1..1
"""


def read(text: str) -> Tap:
    found = read_tap(text.encode())
    assert found is not None
    return found


def test_subtests_are_the_paths_of_what_is_in_them() -> None:
    tap = read(NESTED)
    assert tap.whole
    assert [(point.path, point.name, point.passed, point.holds) for point in tap.points] == [
        (("test/a.js", "adds"), "should be equal", True, False),
        (("test/a.js",), "adds", True, True),
        (("test/a.js", "fails"), "is two", False, False),
        (("test/a.js",), "fails", False, True),
        (("test/a.js",), "skipped", True, False),
        ((), "test/a.js", False, True),
    ]
    assert [point.name for point in tap.points if point.skipped] == ["skipped"]


def test_what_a_failed_point_says_comes_before_its_place() -> None:
    failed = read(NESTED).points[2]
    message, _, rest = explained(failed).partition("\n    at ")
    assert message == "is two"
    assert "test/a.js:3:26" in rest


def test_buffered_subtests_stand_in_braces() -> None:
    tap = read("TAP version 14\nok 1 - a.js # time=5ms {\n    ok 1 - one\n    1..1\n}\n\nok 2 - b.js\n1..2\n")
    assert [(point.path, point.name) for point in tap.points] == [((), "a.js"), (("a.js",), "one"), ((), "b.js")]
    assert tap.whole


def test_comments_are_the_names_of_what_follows_them() -> None:
    tap = read("TAP version 13\n# adds\nok 1 is three\nok 2 is four\n# fails\nnot ok 3 no\n\n1..3\n# tests 3\n")
    assert [(point.heading, point.group) for point in tap.points] == [("adds", 1), ("adds", 1), ("fails", 2)]


@pytest.mark.parametrize(
    "text",
    [
        "TAP version 13\nok 1 - a\n",
        "TAP version 13\nok 1 - a\n1..2\n",
        "ok 1 - a\nok 1 - a\n1..2\n",
        "ok 1 - a\nok 3 - a\n1..2\n",
        "1..1\nok 1 - a\n1..1\n",
        "1..1\nok 1 - a\nBail out! no more\n",
    ],
    ids=["no plan", "too few", "numbered twice", "one left out", "two plans", "bailed out"],
)
def test_a_report_that_keeps_no_plan_is_not_whole(text: str) -> None:
    assert not read(text).whole


@pytest.mark.parametrize("text", ["", "hello\n", "okay then\n", "not ok\n", "ok\n", "# ok 1 - a\n"])
def test_what_is_no_report(text: str) -> None:
    assert read_tap(text.encode()) is None


def test_a_directive_is_no_part_of_the_name_and_an_escaped_mark_is_none() -> None:
    points = read("ok 1 - a # SKIP why\nnot ok 2 - b # TODO\nok 3 - issue \\# todo\n1..3\n").points
    assert [(point.name, point.skipped) for point in points] == [("a", True), ("b", True), ("issue # todo", False)]


@given(data=st.binary(max_size=300) | st.text(alphabet="nok 123-#.{}\n TODSKIP", max_size=200).map(str.encode))
def test_it_never_raises(data: bytes) -> None:
    found = read_tap(data)
    assert found is None or found.count <= len(found.points)


@given(names=st.lists(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=20), max_size=8))
def test_every_point_is_read(names: list[str]) -> None:
    lines = [f"{'not ' if number % 2 else ''}ok {number + 1} - {name}" for number, name in enumerate(names)]
    tap = read("\n".join(["TAP version 13", *lines, f"1..{len(names)}"]))
    assert tap.whole
    assert [point.name for point in tap.points] == names
    assert [point.passed for point in tap.points] == [number % 2 == 0 for number in range(len(names))]
