"""Whether a Python repository runs unittest, and what that loads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import Project, PythonProject
from forge_dagster.domain.suite_calls import SuiteCall, suite_call, suite_places

CLASS = "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_a(self): ...\n"


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("commands = python -m unittest", ()),
        ("commands =\n    coverage run -m unittest discover -s tests -v {posargs}\n", ("discover", "-s", "tests", "-v")),
        ("test:\n\tpython3 -m unittest tests.test_a && echo done\n", ("tests.test_a",)),
        ('session.run("python", "-m", "unittest", "discover", "-t", ".")\n', ("discover", "-t", ".")),
        ("run: python -m unittest $TESTS\n", None),
        ("run: python setup.py test\n", None),
    ],
)
def test_a_script_that_runs_unittest(script: str, arguments: tuple[str, ...] | None) -> None:
    call = suite_call({"tox.ini": script}, {})
    assert call is not None
    assert call.arguments == arguments
    assert call.because.startswith("tox.ini runs")


@pytest.mark.parametrize(
    ("scripts", "tests"),
    [
        ({"tox.ini": "deps = pytest\ncommands = python -m unittest"}, {"tests/test_a.py": CLASS}),
        ({"Makefile": "test:\n\tpy.test\n"}, {"tests/test_a.py": CLASS}),
        ({}, {"tests/test_a.py": CLASS, "tests/test_b.py": "def test_b(): ...\n"}),
        ({}, {"tests/test_a.py": f"import pytest\n{CLASS}"}),
        ({}, {"tests/test_a.py": "from unittest.mock import Mock\n\n\nclass TestCase: ...\n"}),
        ({"tox.ini": "# python -m unittest\n"}, {}),
        ({}, {}),
    ],
)
def test_where_pytest_is_or_may_be_meant(scripts: dict[str, str], tests: dict[str, str]) -> None:
    assert suite_call(scripts, tests) is None


def test_tests_that_import_unittest_speak_for_it() -> None:
    call = suite_call({"Makefile": "# pytest is what we left\nall: build\n"}, {"tests/test_a.py": CLASS})
    assert call is not None
    assert "tests/test_a.py imports unittest" in call.because


@pytest.mark.parametrize(
    ("arguments", "names", "folders"),
    [
        ((), (), ((".", "test*.py", ""),)),
        (("discover",), (), ((".", "test*.py", ""),)),
        (("discover", "-s", "tests", "--pattern=*_t.py", "-t", "."), (), (("tests", "*_t.py", "."),)),
        (("discover", "-v", "tests", "*_t.py"), (), (("tests", "*_t.py", ""),)),
        (("-v", "tests.test_a", "tests/test_b.py"), ("tests.test_a", "tests.test_b"), ()),
    ],
)
def test_what_a_command_loads(arguments: tuple[str, ...], names: tuple[str, ...], folders: object) -> None:
    places = suite_places(Project(), SuiteCall(because="", arguments=arguments))
    assert (places.names, places.folders) == (names, folders)


def test_without_a_command_every_folder_of_tests_is_searched_from_where_its_package_begins() -> None:
    files = (
        "tests/test_a.py",
        "src/shop/__init__.py",
        "src/shop/tests/__init__.py",
        "src/shop/tests/price_test.py",
        "checks/__init__.py",
        "checks/test_b.py",
    )
    places = suite_places(Project(files=files, python=PythonProject(manager="pip")), None)
    assert set(places.folders) == {("tests", "test*.py", ""), ("src/shop", "*_test.py", "src"), ("checks", "test*.py", ".")}
    assert places.names == ()


@given(st.text(max_size=200), st.text(max_size=80))
def test_no_text_makes_it_raise(script: str, tail: str) -> None:
    call = suite_call({"a": script, "b": f"python -m unittest {tail}"}, {"c": script})
    suite_places(Project(files=("tests/test_a.py",)), call)
