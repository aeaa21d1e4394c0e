"""Where a tool comes from: the repository's own version, the one its hook pins, Forge's own; never silently another."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from forge_dagster import registry
from forge_dagster.domain.changes import Change
from forge_dagster.domain.graph import Job
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Hook, Language, NodeProject, Project, PythonProject
from forge_dagster.errors import ForgeError, WorkspaceError
from forge_dagster.gates.locating import locate
from forge_dagster.ports import Environment, GateContext
from tests.fakes.machine import IdleRun, NoEnvironments, StillClock
from tests.fakes.recorded_run import OneEnvironment

RUFF = "https://github.com/astral-sh/ruff-pre-commit"
MYPY = "https://github.com/pre-commit/mirrors-mypy"
ESLINT = "https://github.com/pre-commit/mirrors-eslint"


@dataclass
class World:
    context: GateContext
    environments: OneEnvironment


def world(tmp_path: Path, project: Project, *programs: str) -> World:
    for name in programs:
        (tmp_path / name).touch()
    found = Environment(language=Language.PYTHON, bin_directories=(tmp_path,), versions={"ruff": "0.11.0", "mypy": "1.8.0"})
    environments = OneEnvironment(found)
    context = GateContext(
        gate="lint",
        job=Job.CHANGE,
        change=Change(repository="x"),
        project=project,
        policy=Policy(),
        root=tmp_path,
        scratch=tmp_path,
        run=IdleRun(),
        environments=environments,
        clock=StillClock(),
        log=lambda _line: None,
    )
    return World(context, environments)


def python(*dependencies: str, repository: str = "", rev: str = "", hook: str = "", add: tuple[str, ...] = ()) -> Project:
    hooks = (Hook(id=hook, repository=repository, rev=rev, additional_dependencies=add),) if hook else ()
    return Project(python=PythonProject(manager="uv", dependencies=frozenset(dependencies)), hooks=hooks)


def test_what_the_repository_depends_on_comes_from_its_environment(tmp_path: Path) -> None:
    here = world(tmp_path, python("ruff", repository=RUFF, rev="v0.4.0", hook="ruff"), "ruff")
    found = locate(here.context, registry.tools()["ruff"])
    assert (found.version, here.environments.asked) == ("0.11.0", ["repository:python"])


def test_what_a_hook_pins_comes_in_that_version(tmp_path: Path) -> None:
    here = world(tmp_path, python(repository=RUFF, rev="v0.11.0", hook="ruff-format"), "ruff")
    found = locate(here.context, registry.tools()["ruff"])
    assert (found.version, here.environments.asked) == ("0.11.0", ["pinned:ruff==0.11.0"])


def test_mypy_of_a_hook_sees_nothing_but_what_the_hook_adds(tmp_path: Path) -> None:
    here = world(tmp_path, python(repository=MYPY, rev="v1.8.0", hook="mypy", add=("types-requests",)), "mypy")
    found = locate(here.context, registry.tools()["mypy"])
    assert here.environments.asked == ["pinned:mypy==1.8.0 types-requests"]
    assert found.repository is None
    assert found.environment is not None


def test_eslint_of_a_hook_loads_its_configuration_from_the_repository(tmp_path: Path) -> None:
    hook = Hook(id="eslint", repository=ESLINT, rev="v8.56.0", additional_dependencies=("eslint@8.56.0",))
    here = world(tmp_path, Project(node=NodeProject(manager="npm"), hooks=(hook,)), "eslint")
    assert locate(here.context, registry.tools()["eslint"]).repository is not None
    assert here.environments.asked == ["pinned:eslint@8.56.0", "repository:typescript"]


def test_a_version_that_cannot_be_known_is_an_error_that_says_so(tmp_path: Path) -> None:
    here = world(tmp_path, python(repository=RUFF, rev="main", hook="ruff"), "ruff")
    with pytest.raises(ForgeError, match="does not say which version of ruff") as caught:
        locate(here.context, registry.tools()["ruff"])
    assert "tag" in caught.value.hint
    assert here.environments.asked == []


def test_a_version_that_cannot_be_installed_is_an_error_that_says_so(tmp_path: Path) -> None:
    here = world(tmp_path, python(repository=RUFF, rev="v0.11.0", hook="ruff"), "ruff")

    class Unavailable(NoEnvironments):
        def pinned(self, *arguments: object, **named: object) -> Environment:
            raise WorkspaceError("ruff==0.11.0 could not be installed", hint="look")

    context = GateContext(
        **{**{name: getattr(here.context, name) for name in here.context.__slots__}, "environments": Unavailable()}
    )
    with pytest.raises(ForgeError, match=r'pins the hook "ruff".*could not be installed'):
        locate(context, registry.tools()["ruff"])


def test_a_pinned_environment_without_the_program(tmp_path: Path) -> None:
    here = world(tmp_path, python(repository=RUFF, rev="v0.11.0", hook="ruff"))
    with pytest.raises(ForgeError, match="brings no program ruff"):
        locate(here.context, registry.tools()["ruff"])


def test_forges_own_where_nothing_is_chosen(tmp_path: Path) -> None:
    here = world(tmp_path, python(), "ruff")
    locate(here.context, registry.tools()["ruff"])
    assert here.environments.asked == ["toolbox:ruff"]


@pytest.mark.parametrize(
    ("files", "package", "dependencies", "asked"),
    [
        ((".prettierrc.js",), {}, "kcd-scripts", "repository:typescript"),
        (("prettier.config.mjs",), {}, "", "repository:typescript"),
        ((), {"prettier": "@acme/prettier-config"}, "", "repository:typescript"),
        ((".prettierrc",), {}, "prettier-plugin-svelte", "repository:typescript"),
        ((".prettierrc",), {}, "left-pad", "toolbox:prettier"),
        ((), {"prettier": {"semi": False}}, "left-pad", "toolbox:prettier"),
    ],
)
def test_a_configuration_that_loads_packages_needs_them_installed(
    tmp_path: Path, files: tuple[str, ...], package: dict[str, object], dependencies: str, asked: str
) -> None:
    node = NodeProject(
        manager="npm", package=package, dependencies=frozenset(dependencies.split()), configuration_files=frozenset(files)
    )
    here = world(tmp_path, Project(files=("a.js", *files), node=node), "prettier")
    locate(here.context, registry.tools()["prettier"])
    assert here.environments.asked == [asked]
