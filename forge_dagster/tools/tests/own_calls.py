"""How a JavaScript repository runs its own tests: by which runner, through which coverage tool, with which options."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from forge_dagster.domain.project import NodeProject, Project
from forge_dagster.tools.scripts import bare, leaves, spelled, steps

_MOST_CALLS = 5
"""Calls of one runner in one script that are repeated."""
_PREFERRED = (
    "test:unit", "unit", "test-unit", "unit-test", "test:ci", "test-ci", "ci:test", "tests", "test:node", "test:js",
    "test:run", "coverage", "test:coverage", "test-cov", "cover", "ci",
)  # fmt: skip
_AVOIDED = re.compile(
    r"(^|[:_-])(watch|dev|ui|bench\w*|e2e|browser\w*|update|debug|types?|typecheck|lint|perf|smoke|open|build|docs?|open|fix|"
    r"integration|tap|inspect|mutat\w*)([:_-]|$)"
)
"""Scripts that call a runner for something else than to see whether the unit tests pass."""
_TESTING = re.compile(r"(^|[:_-])(tests?|unit|spec|ci|coverage|cover)([:_-]|$)")
"""Scripts in which a program whose file is a test's is taken for the test."""
_TEST_PROGRAM = re.compile(
    r"(^|/)(tests?|specs?|__tests__)(/|\.|$)|(^|/)[\w.-]*[._-](test|spec)s?\.[cm]?[jt]s$|(^|/)test[\w.-]*\.[cm]?[jt]s$"
)
_BUILD = re.compile(r"(^|[:_-])(build|compile|transpile|codegen|generate|prepare|bundle)(?![a-z])")
_BUILDERS = frozenset({"tsc", "tsup", "unbuild", "tsdown", "babel", "swc", "esbuild", "rollup"})
_WRAPPERS = frozenset({"c8", "nyc"})
_WRAPPER_VALUES = frozenset(
    (
        "--reporter", "-r", "--reports-dir", "-o", "--report-dir", "--include", "-n", "--exclude", "-x", "--src",
        "--temp-directory", "--resolve", "--config", "-c", "--lines", "--branches", "--functions", "--statements",
        "--extension", "-e", "--require", "-i", "--cwd", "--temp-dir", "-t", "--nycrc-path", "--cache-dir", "--watermarks",
    )
)  # fmt: skip
_NODE_VALUES = frozenset(("--import", "-r", "--require", "--loader", "--experimental-loader", "--conditions", "-C"))
_LAUNCHERS = frozenset({"node", "tsx", "ts-node", "ts-node-esm", "esr", "sucrase-node"})
_HOSTS = frozenset({"react-scripts", "kcd-scripts", "craco", "tsdx"})
"""Programs whose command `test` is jest with a configuration of theirs."""
_DELEGATES = frozenset({"turbo", "lerna", "nx", "wsrun", "ultra", "moon", "rush"})
EVERYWHERE = "in all members"
"""In the place of a program's name: a script that all members of the workspace run."""
_IN_ALL = frozenset({"-r", "--recursive", "--workspaces", "-ws", "--if-present", "--parallel", "--stream"})
_DELEGATED = frozenset({"-r", "--recursive", "--workspaces", "-ws", "--ws", "--filter", "-F", "workspaces"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCall:
    """One call of a runner in a script of package.json. `arguments` are the runner's own.

    `wrapper`: c8 or nyc with its options; `launcher`: the program in front of the runner with its options, `node --import tsx`;
    `variables`: what the script sets in front of it. `before`: what it has run first to build what the tests import.
    """

    script: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()
    launcher: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What shows that a repository uses a runner: its program's names, its package, its configuration, its key."""

    programs: tuple[str, ...]
    package: str = ""
    configuration: tuple[str, ...] = ()
    key: str = ""


_RUNNERS = {
    "vitest": _Signs(
        programs=("vitest", "vitest.mjs"),
        package="vitest",
        configuration=("vitest.config.", "vitest.workspace.", "vitest.projects."),
    ),
    "jest": _Signs(programs=("jest", "jest.js", "jest-cli"), package="jest", configuration=("jest.config.",), key="jest"),
    "mocha": _Signs(programs=("mocha", "_mocha", "mocha.js"), package="mocha", configuration=(".mocharc",), key="mocha"),
    "node_test": _Signs(programs=("borp", "bnt")),
    "ava": _Signs(programs=("ava",), package="ava", configuration=("ava.config.",), key="ava"),
    "tap": _Signs(programs=("tap",), package="tap", configuration=(".taprc",), key="tap"),
    "tape": _Signs(programs=("tape",), package="tape"),
    "uvu": _Signs(programs=("uvu",), package="uvu"),
    "jasmine": _Signs(programs=("jasmine", "jasmine.js"), package="jasmine"),
    "test_script": _Signs(programs=()),
}
"""Runners that Forge has adapters for."""
_REQUIRED = ("tape", "tap", "uvu")
"""Runners whose tests are programs too, which node runs without the runner's own command."""
_OTHERS = (
    "karma", "cypress", "qunit", "lab", "wtr", "web-test-runner", "ts-mocha",
    "japa", "bun", "deno", "playwright", "electron-mocha", "zora", "poku", "aegir", "dtslint",
)  # fmt: skip
"""Runners that Forge has none for."""


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
    package = _RUNNERS[runner].package
    if sure is not None or not package or package not in node.dependencies:
        return sure
    if any(_sure(project, node, other) is not None for other in _RUNNERS if other not in (runner, "test_script")):
        return None
    if delegates(project) or _called(node, leaves(node.scripts, "test")) is not None:
        return None
    return f"{package} is a declared dependency"


def _has_a_runner(project: Project, node: NodeProject) -> bool:
    """Whether the repository tests by a program for that, known to Forge or not."""
    if _tests_by_program_alone(project, node):
        return False
    known = [(name, signs) for name, signs in _RUNNERS.items() if name != "test_script"]
    if any(signs.package in node.dependencies or _sure(project, node, name) is not None for name, signs in known):
        return True
    return _called(node, [name for name in node.scripts if _TESTING.search(name)]) is not None


def _tests_by_program_alone(project: Project, node: NodeProject) -> bool:
    """Whether the script `test` runs a program of the repository, and nothing runs or configures a runner.

    One that is a dependency is then used by that program, which knows the test files.
    """
    scripts = leaves(node.scripts, "test")
    if not any(True for name in scripts for _ in _calls(node, name, "test_script")):
        return False
    if _called(node, scripts) is not None:
        return False
    return all(_sure(project, node, name) is None for name in _RUNNERS if name != "test_script")


def other_sure_runners(project: Project, runner: str) -> tuple[str, ...]:
    """The other runners that the repository, or a package in it, is seen to use beyond doubt."""
    parts = [(part, part.node) for part in (project, *project.parts) if part.node is not None]
    return tuple(name for name in _RUNNERS if name != runner and any(_sure(part, node, name) for part, node in parts))


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


def own_calls(node: NodeProject | None, runner: str, *, gate: str = "unit") -> tuple[OwnCall, ...]:
    """How the repository's scripts call `runner` for the tests of `gate`; empty where none does."""
    if node is None:
        return ()
    for names in _groups(node, gate):
        calls = [call for name in names for call in _calls(node, name, runner)]
        if calls:
            distinct = {(call.launcher, call.arguments, *call.variables.items()): call for call in calls}
            first, *others = list(distinct.values())[:_MOST_CALLS]
            return (replace(first, before=_before(node, first, runner)), *others)
    return ()


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


def _groups(node: NodeProject, gate: str) -> Iterator[tuple[str, ...]]:
    """Names of scripts to look for the runner in, the likeliest first; those of a group are run together."""
    scripts = node.scripts
    if gate == "integration":
        yield tuple(name for name in scripts if "integration" in name)
    yield tuple(name for name in leaves(scripts, "test") if name == "test" or not _AVOIDED.search(name))
    yield from ((name,) for name in _PREFERRED if name in scripts)
    yield from ((name,) for name in scripts if not _AVOIDED.search(name))


def _before(node: NodeProject, call: OwnCall, runner: str) -> tuple[tuple[str, ...], ...]:
    """What builds the package before its tests: in front of the call in its script, in the script `test`, in `pre<script>`."""
    scripts = node.scripts
    found: list[tuple[str, ...]] = []
    for name in dict.fromkeys(("pretest", "test", f"pre{call.script}", call.script)):
        for words in spelled(scripts, name):
            _, rest = bare(words)
            if not rest or _name(rest[0]) in {call.script, *_WRAPPERS} or _taken_apart(rest, runner) is not None:
                break
            everywhere = _done_everywhere(rest)
            if everywhere and _BUILD.search(everywhere):
                found.append((EVERYWHERE, everywhere))
            elif rest[0] in scripts and len(rest) == 1 and len(words) > 1 and _BUILD.search(rest[0]):
                found.append(("npm", "run", "--silent", rest[0]))
            elif _name(rest[0]) in _BUILDERS and "--noEmit" not in rest:
                found.append(rest)
    return tuple(dict.fromkeys(found))[:_MOST_CALLS]


def _done_everywhere(words: Sequence[str]) -> str:
    """The script that a package manager is to run in all members of the workspace; "" where it is not."""
    names = [word for word in words if word not in _IN_ALL and word != "run"]
    return names[0] if len(names) == 1 and len(names) < len(words) and not names[0].startswith("-") else ""


def _calls(node: NodeProject, script: str, runner: str) -> Iterator[OwnCall]:
    is_plain = runner == _runner_of_programs(node) and _TESTING.search(script) is not None and not _AVOIDED.search(script)
    for words in spelled(node.scripts, script):
        variables, rest = bare(words)
        wrapper: tuple[str, ...] = ()
        if rest and _name(rest[0]) in _WRAPPERS:
            end = _after_options(rest, 1, _WRAPPER_VALUES)
            wrapper, (more, rest) = rest[:end], bare(rest[end:])
            variables = {**variables, **more}
        found = _taken_apart(rest, runner) or (_test_program(rest) if is_plain else None)
        if found is not None:
            launcher, arguments = found
            yield OwnCall(script=script, variables=variables, wrapper=wrapper, launcher=launcher, arguments=arguments)


def _taken_apart(words: Sequence[str], runner: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """(launcher, the runner's arguments) of a command without wrapper; None where it is no call of the runner."""
    if not words:
        return None
    programs = _RUNNERS[runner].programs
    first = _name(words[0])
    if first in programs:
        return (tuple(words[:1]) if runner == "node_test" else ()), tuple(words[1:])
    if runner == "jest" and first in _HOSTS and "test" in words[1:2]:
        return (first, "test"), tuple(words[2:])
    if first not in _LAUNCHERS:
        return None
    if runner == "node_test":
        return ((first,), tuple(words[1:])) if "--test" in words else None
    end = _after_options(words, 1, _NODE_VALUES)
    if end < len(words) and _name(words[end]) in programs:
        return tuple(words[: end + 1]), tuple(words[end + 1 :])
    return None


def _runner_of_programs(node: NodeProject) -> str:
    """The runner that a test which node itself runs is taken to require."""
    return next((name for name in _REQUIRED if name in node.dependencies), "test_script")


def _test_program(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """(launcher with its options, file and its arguments) where node runs a file of the tests; None where it does not."""
    if not words or _name(words[0]) not in _LAUNCHERS or "--test" in words:
        return None
    end = _after_options(words, 1, _NODE_VALUES)
    if end >= len(words) or not _TEST_PROGRAM.search(words[end]):
        return None
    return tuple(words[:end]), tuple(words[end:])


def _after_options(words: Sequence[str], start: int, with_value: Collection[str]) -> int:
    """Where the options that begin at `start` end."""
    position = start
    while position < len(words) and words[position].startswith("-"):
        if words[position] == "--":
            return position + 1
        position += 2 if words[position] in with_value else 1
    return min(position, len(words))


def _name(word: str) -> str:
    return word.rsplit("/", 1)[-1]


def _sure(project: Project, node: NodeProject, runner: str) -> str | None:
    signs = _RUNNERS[runner]
    used = next((call.script for call in own_calls(node, runner)), None)
    script = used or next((name for name in node.scripts for _ in _calls(node, name, runner)), None)
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
            words = (step.program, *step.call.arguments)
            end = _after_options(words, 1, _WRAPPER_VALUES) if step.program in _WRAPPERS else 0
            if end < len(words) and _name(words[end]) in _OTHERS:
                return _name(words[end]), name
    return None
