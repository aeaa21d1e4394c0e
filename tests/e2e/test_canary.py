"""The canary in real runs of pytest: honest suites are believed, and none in which something has hold of the results."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from forge_dagster.domain.changes import Change
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project, PythonProject
from forge_dagster.ports import Selection, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests.pytest import ADAPTER
from forge_dagster.workspace.processes import ProcessRun

GREEN = "def test_a():\n    assert 1\n\n\ndef test_b():\n    assert 2\n"
RED = GREEN.replace("assert 2", "assert 0")
_REPORT = (
    "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n    outcome = yield\n"
    "    outcome.get_result().outcome = 'passed'\n"
)
_FINISH = "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n    session.testsfailed = 0\n"


def run(folder: Path, files: dict[str, str], *, ini: str = "") -> ToolReport:
    root, report = folder / "repo", folder / "report"
    report.mkdir()
    for name, text in {"pytest.ini": f"[pytest]\n{ini}", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    request = ToolRequest(
        root=root,
        project=Project(
            files=tuple(sorted({"pytest.ini", *files})),
            python=PythonProject(manager="pip", configuration_files=frozenset({"pytest.ini"})),
        ),
        change=Change(repository="o/r"),
        policy=Policy(),
        environment=None,
        executable=Path(sys.executable).with_name("pytest"),
        version="9.0",
        report=report,
        selection=Selection(measure=False),
        canary="5eed",
    )
    process = ProcessRun(home=None, run_id="canary")
    command = ADAPTER.commands(request)[0]
    ran = process.run(replace(command, writes=(*command.writes, root, report)))
    reports = {path.name: path.read_bytes() for path in report.iterdir() if path.is_file()}
    return ADAPTER.judge(request, (ToolOutput(result=ran, reports=reports),))


def test_an_honest_suite_passes_and_its_numbers_are_its_own(tmp_path: Path) -> None:
    report = run(tmp_path, {"tests/test_a.py": GREEN, "tests/more/test_c.py": "def test_c(): pass\n"})
    assert (report.outcome, report.examined, report.findings) == (Outcome.PASSED, 3, ())
    assert report.metrics["failed"] == 0


def test_an_honest_failure_is_told_without_the_canary(tmp_path: Path) -> None:
    report = run(tmp_path, {"tests/test_a.py": RED}, ini="addopts = -k 'not slow'\n")
    assert (report.outcome, [f.snippet for f in report.findings]) == (Outcome.FAILED, ["tests/test_a.py::test_b"])


def test_a_suite_of_doctests_passes(tmp_path: Path) -> None:
    report = run(tmp_path, {"a.py": '"""\n>>> 1 + 1\n2\n"""\n', "tests/conftest.py": ""}, ini="addopts = --doctest-modules\n")
    assert report.outcome is Outcome.PASSED, report.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conftest", "ini"),
    [
        (_REPORT, ""),
        (_FINISH, ""),
        ("import os\n\n\ndef pytest_sessionfinish():\n    os._exit(0)\n", ""),
        ("", "addopts = --co\n"),
        ("def pytest_runtest_protocol(item):\n    return True\n", ""),
    ],
    ids=["report", "exit status", "os._exit", "collect only", "never run"],
)
def test_a_red_suite_made_green_is_not_believed(tmp_path: Path, conftest: str, ini: str) -> None:
    report = run(tmp_path, {"tests/test_a.py": RED, "tests/conftest.py": conftest}, ini=ini)
    assert report.outcome in (Outcome.FAILED, Outcome.ERRORED)
    if report.outcome is Outcome.FAILED:
        assert report.findings[0].category in (Category.INTEGRITY, Category.TEST)


def test_a_hook_that_turns_failures_into_passes_is_the_repositorys_doing(tmp_path: Path) -> None:
    report = run(tmp_path, {"tests/test_a.py": RED, "tests/conftest.py": _REPORT})
    assert [finding.rule for finding in report.findings] == ["canary-survived"]
