"""Tests that the runner leaves out though their source is there."""

from collections.abc import Collection, Mapping

from forge_dagster.domain.tampering.collected import left_out

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
