"""What a repository is built into."""

import pytest

from forge_dagster.domain.deliverables import Deliverable, deliverable, manifest, unsupported
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.project import NodeProject, Project, PythonProject

PACKAGE = Project(python=PythonProject(manager="uv", pyproject={"build-system": {}}))
SCRIPTS = Project(python=PythonProject(manager="pip"))
NODE = Project(node=NodeProject(manager="npm", package={"scripts": {"build": "vite build"}}))
COMMAND = parse_policy('[deploy]\ncommand = ["python", "-m", "shop"]\n')


def kind(value: str) -> Policy:
    return parse_policy(f'[project]\nkind = "{value}"\n')


@pytest.mark.parametrize(
    ("project", "policy", "files", "expected"),
    [
        (PACKAGE, Policy(), ["pyproject.toml"], Deliverable(kind="library")),
        (PACKAGE, COMMAND, [], Deliverable(kind="service")),
        (PACKAGE, kind("worker"), [], Deliverable(kind="worker")),
        (PACKAGE, Policy(), ["index.html"], Deliverable(kind="library")),
        (SCRIPTS, Policy(), ["run.py"], None),
        (Project(), Policy(), ["README.md"], None),
        (Project(), Policy(), ["index.html"], Deliverable(kind="static")),
        (NODE, Policy(), ["index.html", "src/a.ts"], Deliverable(kind="library")),
        (NODE, Policy(), ["index.html", "dist/index.html"], Deliverable(kind="static", directory="dist")),
        (NODE, kind("static"), ["build/index.html"], Deliverable(kind="static", directory="build")),
        (NODE, COMMAND, ["dist/index.html"], Deliverable(kind="service")),
    ],
)
def test_kind(project: Project, policy: Policy, files: list[str], expected: Deliverable | None) -> None:
    assert deliverable(project, policy, files) == expected


def test_kinds_that_cannot_be_built_say_so() -> None:
    assert unsupported(kind("container"))
    assert unsupported(Policy()) is None


def test_a_python_service_finds_its_packages() -> None:
    files = ["src/shop/__init__.py", "vendor/idna/__init__.py", "pyproject.toml"]
    made = manifest(Deliverable(kind="service"), PACKAGE, COMMAND, files)
    assert made.environment == {"PYTHONPATH": ("src", ".", "vendor")}
    assert made.command == ("python", "-m", "shop")
    nested = Project(python=PythonProject(manager="uv", directory="api"))
    made = manifest(Deliverable(kind="service"), nested, COMMAND, ["api/app.py"])
    assert made.environment == {"PYTHONPATH": ("api",)}


def test_a_static_site_has_no_command() -> None:
    made = manifest(Deliverable(kind="static", directory="dist"), NODE, COMMAND, ["dist/index.html"])
    assert (made.command, made.directory, dict(made.environment)) == ((), "dist", {})
