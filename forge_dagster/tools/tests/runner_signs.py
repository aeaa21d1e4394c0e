"""By which test runner a JavaScript repository is seen to test."""

from collections.abc import Iterable

from forge_dagster.domain.project import NodeProject, Project
from forge_dagster.tools.scripts import leaves, spelled, steps
from forge_dagster.tools.tests.own_calls import RUNNERS, TESTING, calls_in, own_calls, program_of

_OTHERS = (
    "karma", "cypress", "qunit", "lab", "wtr", "web-test-runner", "ts-mocha",
    "japa", "bun", "deno", "playwright", "electron-mocha", "zora", "poku", "aegir", "dtslint",
)  # fmt: skip
"""Runners that Forge has none for."""
_DELEGATES = frozenset({"turbo", "lerna", "nx", "wsrun", "ultra", "moon", "rush"})
_DELEGATED = frozenset({"-r", "--recursive", "--workspaces", "-ws", "--ws", "--filter", "-F", "workspaces"})


def runner_sign(project: Project, runner: str) -> str | None:
    """Why a repository is seen to test by `runner`; None where it is not.

    A script that calls it, its configuration or its key in package.json say so. That it is a declared dependency does only
    where nothing says so of another runner and the package's script `test` does not leave the tests to the members of a
    workspace: vitest and jest are also installed to type-check against, and at the top of a workspace for its members.
    """
    node = project.node
    if node is None:
        return None
    if runner == "test_script" and _has_a_runner(project, node):
        return None
    if runner != "test_script" and _tests_by_program_alone(project, node):
        return None
    sure = _sure(project, node, runner)
    package = RUNNERS[runner].package
    if sure is not None or not package or package not in node.dependencies:
        return sure
    if any(_sure(project, node, other) is not None for other in RUNNERS if other not in (runner, "test_script")):
        return None
    if delegates(project) or _called(node, leaves(node.scripts, "test")) is not None:
        return None
    return f"{package} is a declared dependency"


def _has_a_runner(project: Project, node: NodeProject) -> bool:
    """Whether the repository tests by a program for that, known to Forge or not."""
    if _tests_by_program_alone(project, node):
        return False
    known = [(name, signs) for name, signs in RUNNERS.items() if name != "test_script"]
    if any(signs.package in node.dependencies or _sure(project, node, name) is not None for name, signs in known):
        return True
    return _called(node, [name for name in node.scripts if TESTING.search(name)]) is not None


def _tests_by_program_alone(project: Project, node: NodeProject) -> bool:
    """Whether the script `test` runs a program of the repository, and nothing runs or configures a runner.

    One that is a dependency is then used by that program, which knows the test files.
    """
    scripts = leaves(node.scripts, "test")
    if not any(True for name in scripts for _ in calls_in(node, name, "test_script")):
        return False
    if _called(node, scripts) is not None:
        return False
    return all(_sure(project, node, name) is None for name in RUNNERS if name != "test_script")


def other_sure_runners(project: Project, runner: str) -> tuple[str, ...]:
    """The other runners that the repository, or a package in it, is seen to use beyond doubt."""
    parts = [(part, part.node) for part in (project, *project.parts) if part.node is not None]
    return tuple(name for name in RUNNERS if name != runner and any(_sure(part, node, name) for part, node in parts))


def other_runner(project: Project) -> str | None:
    """The runner without an adapter by which a repository tests, and why; None where none is seen."""
    node = project.node
    if node is None:
        return None
    called = _called(node, [name for name in node.scripts if "test" in name or name in ("unit", "ci")])
    if called is not None:
        return f'{called[0]}: package.json\'s script "{called[1]}" runs it'
    declared = next((name for name in _OTHERS if name in node.dependencies), None)
    return f"{declared}: it is a declared dependency" if declared is not None else None


def delegates(project: Project) -> bool:
    """Whether package.json's script `test` leaves the tests to the other packages of the repository."""
    node = project.node
    if node is None or not project.parts:
        return False
    for words in spelled(node.scripts, "test"):
        if {word.rsplit("/", 1)[-1] for word in words[:3]} & _DELEGATES or any(
            word.partition("=")[0] in _DELEGATED for word in words
        ):
            return True
    return False


def _sure(project: Project, node: NodeProject, runner: str) -> str | None:
    signs = RUNNERS[runner]
    used = next((call.script for call in own_calls(node, runner)), None)
    script = used or next((name for name in node.scripts for _ in calls_in(node, name, runner)), None)
    if script is not None:
        shown = "node --test" if runner == "node_test" else runner
        return f'package.json\'s script "{script}" runs {shown}'
    if signs.key and signs.key in node.package:
        return f'package.json has "{signs.key}"'
    found = next((name for name in sorted(_own_files(project, node)) if name.startswith(signs.configuration or ("\0",))), None)
    return f"there is a {found}" if found is not None else None


def _own_files(project: Project, node: NodeProject) -> frozenset[str]:
    """Names of the files in the package's own folder: what configures the first project is not a member's choice."""
    prefix = f"{node.directory}/" if node.directory else ""
    names = {path[len(prefix) :] for path in project.files if path.startswith(prefix)}
    here = frozenset(name for name in names if "/" not in name)
    return here if node.directory else here | node.configuration_files


def _called(node: NodeProject, scripts: Iterable[str]) -> tuple[str, str] | None:
    """(program, script) of the first of `scripts` that calls a runner without an adapter."""
    for name in scripts:
        for step in steps(node.scripts, name):
            program = program_of((step.program, *step.call.arguments))
            if program in _OTHERS:
                return program, name
    return None
