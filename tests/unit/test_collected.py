"""Tests that the runner leaves out though their source is there."""

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.tampering.collected import left_out, scripts_left_out

TEXTS = {"tests/test_a.py": "def test_one():\n    pass\n\n\ndef test_two(n):\n    pass\n"}
BASE = ("tests/test_a.py::test_one", "tests/test_a.py::test_two[1]", "tests/test_a.py::test_two[2]")


def missed(
    head: Collection[str], *, changed: Collection[str] = (), renamed: Mapping[str, str] | None = None
) -> list[tuple[str | None, str]]:
    texts = {**TEXTS, **{new: TEXTS[old] for old, new in (renamed or {}).items()}}
    found = left_out(BASE, head, renamed=renamed or {}, changed=changed, text=texts.get)
    return [(finding.file, finding.message) for finding in found]


def test_a_test_that_is_still_there_and_not_collected_is_told() -> None:
    ((file, message),) = missed(BASE[1:])
    assert file == "tests/test_a.py"
    assert message.endswith("though the source is there: test_one")
    ((_, message),) = missed((), changed=["tests/test_a.py"])
    assert message.startswith("2 tests that run on the base are")


def test_fewer_cases_count_only_where_the_change_leaves_the_file_alone() -> None:
    ((_, message),) = missed(BASE[:2])
    assert "test_two (1 of 2 cases)" in message
    assert missed(BASE[:2], changed=["tests/test_a.py"]) == []


def test_a_test_that_is_gone_moved_or_in_a_class_is_nothing_to_tell() -> None:
    assert missed(BASE) == []
    assert missed([test.replace("::", "::TestAll::", 1) for test in BASE]) == []
    assert missed([test.replace("test_a", "test_b") for test in BASE], renamed={"tests/test_a.py": "tests/test_b.py"}) == []
    gone = left_out(["tests/test_c.py::test_x", "tests/test_a.py::test_gone"], [], renamed={}, changed=(), text=TEXTS.get)
    assert gone == ()


# --- JavaScript ----------------------------------------------------------------------------------------------------------

SCRIPT = (
    "describe('prices', () => {\n  it('adds', () => {})\n  it.each([1, 2])('has %i', () => {})\n})\n"
    "for (const day of days) it(`is ${day}`, () => {})\n"
)
RUN = ("a.test.js::prices > adds", "a.test.js::prices has 1", "a.test.js::prices has 2", "a.test.js::is Monday")


def missed_scripts(
    head: Collection[str],
    *,
    base: Collection[str] = RUN,
    changed: Collection[str] = (),
    renamed: Mapping[str, str] | None = None,
) -> list[tuple[str | None, str]]:
    texts = {"a.test.js": SCRIPT, **dict.fromkeys((renamed or {}).values(), SCRIPT)}
    found = scripts_left_out(base, head, renamed=renamed or {}, changed=changed, text=texts.get)
    return [(finding.file, finding.message.partition("though the source is there: ")[2]) for finding in found]


def test_a_script_whose_test_is_written_there_and_does_not_run_is_told() -> None:
    assert missed_scripts(RUN[1:]) == [("a.test.js", "prices adds")]
    assert missed_scripts(RUN[1:], changed=["a.test.js"]) == [("a.test.js", "prices adds")]
    assert missed_scripts(()) == [("a.test.js", "prices adds, prices has 1, prices has 2, is Monday")]
    assert missed_scripts(RUN[1:], base=(*RUN, RUN[0])) == [("a.test.js", "prices adds")]
    assert missed_scripts(RUN, base=(*RUN, RUN[0])) == [("a.test.js", "prices adds (1 of 2 cases)")]


def test_titles_that_only_a_run_makes_are_counted_where_the_change_leaves_the_file_alone() -> None:
    assert missed_scripts((*RUN[:3], "a.test.js::is Tuesday")) == []
    assert missed_scripts(RUN[:3]) == [("a.test.js", "is Monday")]
    assert missed_scripts(RUN[:2], changed=["a.test.js"]) == []
    assert missed_scripts(RUN, base=(*RUN, RUN[0]), changed=["a.test.js"]) == []


def test_groups_moves_and_files_that_are_gone_are_nothing_to_tell() -> None:
    assert missed_scripts([test.replace(" > ", " ") for test in RUN]) == []
    moved = [test.replace("a.test", "b.test") for test in RUN]
    assert missed_scripts(moved, renamed={"a.test.js": "b.test.js"}, changed=["b.test.js"]) == []
    assert missed_scripts((), base=["gone.test.js::x", "None::y"]) == []


def test_a_runner_that_gives_no_file_is_compared_by_names() -> None:
    texts = {"a.test.js": SCRIPT}

    def found(base: Collection[str], head: Collection[str]) -> list[str | None]:
        made = scripts_left_out(base, head, renamed={}, changed=(), text=texts.get, files=["b.test.js", "a.test.js"])
        return [finding.file for finding in made]

    bare = ["None::prices adds", "None::unheard of"]
    assert found(bare, ["None::unheard of"]) == ["a.test.js"]
    assert found(bare, []) == ["a.test.js"]
    assert found(bare, ["None::prices > adds"]) == []
    assert found(bare, ["a.test.js::prices adds"]) == []
    assert found(["a.test.js::prices adds"], ["None::prices adds"]) == []
    assert found(["a.test.js::prices adds"], ["None::other"]) == ["a.test.js"]


@given(st.lists(st.sampled_from(RUN)), st.lists(st.sampled_from([*RUN, "a.test.js::other"])), st.booleans())
def test_nothing_is_told_of_a_run_that_has_all_of_the_bases_tests(base: list[str], more: list[str], touched: bool) -> None:
    assert missed_scripts([*more, *base], base=base, changed=["a.test.js"] if touched else []) == []
