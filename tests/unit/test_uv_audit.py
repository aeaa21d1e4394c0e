"""Adapter uv_audit beyond its recordings: when a repository gets it, and what a project's status is worth."""

import json
from dataclasses import replace

import pytest

from forge_dagster import registry
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project, PythonProject
from forge_dagster.gates.selection import choose
from forge_dagster.ports import ProcessResult, ToolOutput
from forge_dagster.tools.analysis.uv_audit import ADAPTER
from tests.support.golden import load


def chosen(python: PythonProject) -> list[str]:
    project = Project(files=("pyproject.toml", "uv.lock"), python=python)
    return [choice.tool.name for choice in choose("sca", project=project, policy=Policy(), tools=registry.tools().values())]


@pytest.mark.parametrize(
    ("python", "tool"),
    [
        (PythonProject(manager="uv", lock_file="uv.lock"), "uv_audit"),
        (PythonProject(manager="uv", lock_file="uv.lock", dependencies=frozenset({"uv"})), "pip_audit"),
        (PythonProject(manager="poetry", lock_file="poetry.lock"), "pip_audit"),
        (PythonProject(manager="pip"), "pip_audit"),
    ],
)
def test_a_lock_of_uv_is_asked_about_by_uv_and_everything_else_by_pip_audit(python: PythonProject, tool: str) -> None:
    assert chosen(python) == [tool]


def answered(**more: object) -> ToolOutput:
    said = {
        "schema": {"version": "preview"},
        "summary": {"audited_packages": 2, "vulnerabilities": 0, "adverse_statuses": 0},
        "vulnerabilities": [],
        "adverse_statuses": [],
        **more,
    }
    return ToolOutput(result=ProcessResult(ended="exited", exit_code=0, stdout=json.dumps(said).encode()), reports={})


def test_an_archived_project_is_a_warning() -> None:
    counts = {"audited_packages": 2, "vulnerabilities": 0, "adverse_statuses": 1}
    status = {"name": "left\npad", "status": "archived", "reason": "nobody mends it"}
    report = ADAPTER.judge(load("uv_audit", "clean").request(ADAPTER), (answered(summary=counts, adverse_statuses=[status]),))
    assert report.outcome is Outcome.PASSED
    assert [(f.severity, f.rule, f.message) for f in report.findings] == [
        (Severity.WARNING, "project-archived", "left pad is archived: nobody mends it")
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"summary": {"audited_packages": 0, "vulnerabilities": 0, "adverse_statuses": 0}},
        {"summary": {"audited_packages": 2, "vulnerabilities": 1, "adverse_statuses": 0}},
        {"summary": {"audited_packages": 2, "vulnerabilities": 0, "adverse_statuses": 1}},
        {"vulnerabilities": None},
    ],
    ids=["nothing looked at", "counts more than it lists", "counts more statuses", "no list"],
)
def test_a_report_that_does_not_add_up_is_errored(more: dict[str, object]) -> None:
    assert ADAPTER.judge(load("uv_audit", "clean").request(ADAPTER), (answered(**more),)).outcome is Outcome.ERRORED


def test_a_member_of_a_workspace_is_asked_about_in_the_workspaces_folder() -> None:
    request = load("uv_audit", "clean").request(ADAPTER)
    python = PythonProject(manager="uv", directory="packages/a", workspace="packages", lock_file=None)
    project = Project(files=("packages/uv.lock",), python=python)
    (command,) = ADAPTER.commands(replace(request, project=project))
    assert command.cwd == request.root / "packages"
    assert "--frozen" in command.argv
    assert "--no-config" in command.argv
