"""What is tried when all that a Python project declares cannot be installed together."""

from pathlib import Path

from forge_dagster.workspace.python_plan import PythonPlan, plan
from forge_dagster.workspace.uv_arguments import attempts
from tests.unit.test_detect import project_of


def planned(tmp_path: Path, pyproject: str) -> PythonPlan:
    project = project_of(tmp_path, {"pyproject.toml": pyproject})
    assert project.python is not None
    return plan(project.python, root=tmp_path, files=project.files)


def test_at_last_only_what_tests_need_is_installed(tmp_path: Path) -> None:
    found = planned(
        tmp_path,
        """
        [project]
        name = "x"
        [project.optional-dependencies]
        dev = ["furo"]
        tests = ["covdefaults"]
        [dependency-groups]
        dev = [{ include-group = "docs" }, { include-group = "test" }]
        docs = ["sphinx>=9.1"]
        test = ["pytest>=9"]
        release = ["build"]
        """,
    )
    first, *_, last = attempts(found)
    assert set(first.requirements) == {"sphinx>=9.1", "pytest>=9"}
    assert (first.wide_requirements, first.extras) == (("sphinx>=9.1", "build"), ("dev", "tests"))
    assert (last.requirements, last.wide_requirements, last.extras) == (("pytest>=9",), (), ("tests",))


def test_without_a_group_for_tests_nothing_that_is_needed_is_left_out(tmp_path: Path) -> None:
    found = planned(tmp_path, "[project]\nname = 'x'\n[dependency-groups]\ndev = ['pytest']\n")
    assert {attempt.requirements for attempt in attempts(found)} == {("pytest",)}


def test_nothing_is_tried_twice(tmp_path: Path) -> None:
    found = planned(tmp_path, "[project]\nname = 'x'\n[dependency-groups]\ntest = ['pytest']\n")
    assert attempts(found) == (found,)
