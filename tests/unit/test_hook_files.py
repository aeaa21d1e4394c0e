"""What a pre-commit hook sees is what its tool looks at, and no pattern of a repository can keep Forge busy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import Hook, Project
from forge_dagster.tools.hooks import MANY, hook_files

PROJECT = Project(files=("docs/conf.py", "src/a.py", "src/b.pyi", "src/c.txt", "tests/data/x.py", "tests/test_a.py"))
CASES = {
    "no patterns": ((), (), None),
    "only some": (("^src/",), (), ("src/a.py",)),
    "without some": ((), ("^(docs/|tests/data/)",), ("src/a.py", "tests/test_a.py")),
    "of the whole configuration and of the hook": ((), ("^docs/", "^tests/"), ("src/a.py",)),
    "verbose": ((), ("(?x)^(\n  docs/.*|\n  tests/data/\n)",), ("src/a.py", "tests/test_a.py")),
    "nothing is left": (("nowhere",), (), None),
    "repeated groups": ((), ("^(a+)+$",), None),
    "too many wildcards": ((), (".*a.*b.*c",), None),
    "no pattern at all": ((), ("(",), None),
}


@pytest.mark.parametrize("case", CASES)
def test_files_of_a_hook(case: str) -> None:
    files, exclude, expected = CASES[case]
    assert hook_files(PROJECT, Hook(id="flake8", files=files, exclude=exclude), (".py",)) == expected


def test_relative_to_a_project_below_the_root() -> None:
    assert hook_files(PROJECT, Hook(id="x", files=("^src/",)), (".py",), directory="src") == ("a.py",)


def test_very_many_files_are_left_to_the_tool() -> None:
    many = Project(files=tuple(f"src/a{number}.py" for number in range(MANY + 1)))
    assert hook_files(many, Hook(id="x", files=("^src/",)), (".py",)) is None


@given(st.text(alphabet="()[]{}|*+?.^$\\ab1x/", max_size=40))
def test_no_pattern_raises(pattern: str) -> None:
    long_name = Project(files=("a" * 250 + ".py",))
    assert hook_files(long_name, Hook(id="x", exclude=(pattern,)), (".py",)) in (None, long_name.files)
