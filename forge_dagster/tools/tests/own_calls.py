"""How a JavaScript repository calls its test runner: through which coverage tool, with which options."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from forge_dagster.domain.project import NodeProject
from forge_dagster.tools.scripts import bare, leaves, spelled

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
TESTING = re.compile(r"(^|[:_-])(tests?|unit|spec|ci|coverage|cover)([:_-]|$)")
"""Scripts in which a program whose file is a test's is taken for the test."""
_TEST_PROGRAM = re.compile(
    r"(^|/)(tests?|specs?|__tests__)(/|\.|$)|(^|/)[\w.-]*[._-](test|spec)s?\.[cm]?[jt]s$|(^|/)test[\w.-]*\.[cm]?[jt]s$"
)
_BUILD = re.compile(r"(^|[:_-])(build|compile|transpile|codegen|generate|prepare|bundle)(?![a-z])")
_BUILDING_PROGRAM = re.compile(r"(^|[._-])(build|compile|transpile|transform|codegen|generate|prepare|bundle)(?![a-z])")
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
EVERYWHERE = "in all members"
"""In the place of a program's name: a script that all members of the workspace run."""
_IN_ALL = frozenset({"-r", "--recursive", "--workspaces", "-ws", "--if-present", "--parallel", "--stream"})


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
class Signs:
    """What shows that a repository uses a runner: its program's names, its package, its configuration, its key."""

    programs: tuple[str, ...]
    package: str = ""
    configuration: tuple[str, ...] = ()
    key: str = ""


RUNNERS = {
    "vitest": Signs(
        programs=("vitest", "vitest.mjs"),
        package="vitest",
        configuration=("vitest.config.", "vitest.workspace.", "vitest.projects."),
    ),
    "jest": Signs(programs=("jest", "jest.js", "jest-cli"), package="jest", configuration=("jest.config.",), key="jest"),
    "mocha": Signs(programs=("mocha", "_mocha", "mocha.js"), package="mocha", configuration=(".mocharc",), key="mocha"),
    "node_test": Signs(programs=("borp", "bnt")),
    "ava": Signs(programs=("ava",), package="ava", configuration=("ava.config.",), key="ava"),
    "tap": Signs(programs=("tap",), package="tap", configuration=(".taprc",), key="tap"),
    "tape": Signs(programs=("tape",), package="tape"),
    "uvu": Signs(programs=("uvu",), package="uvu"),
    "jasmine": Signs(programs=("jasmine", "jasmine.js"), package="jasmine"),
    "test_script": Signs(programs=()),
}
"""Runners that Forge has adapters for."""
_REQUIRED = ("tape", "tap", "uvu")
"""Runners whose tests are programs too, which node runs without the runner's own command."""


def own_calls(node: NodeProject | None, runner: str, *, gate: str = "unit") -> tuple[OwnCall, ...]:
    """How the repository's scripts call `runner` for the tests of `gate`; empty where none does."""
    if node is None:
        return ()
    for names in _groups(node, gate):
        calls = [call for name in names for call in calls_in(node, name, runner)]
        if calls:
            distinct = {(call.launcher, call.arguments, *call.variables.items()): call for call in calls}
            first, *others = list(distinct.values())[:_MOST_CALLS]
            return (replace(first, before=_before(node, first, runner)), *others)
    return ()


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
            itself = rest == (*call.launcher, *call.arguments)
            if not rest or itself or _name(rest[0]) in {call.script, *_WRAPPERS} or _taken_apart(rest, runner) is not None:
                break
            everywhere = _done_everywhere(rest)
            if everywhere and _BUILD.search(everywhere):
                found.append((EVERYWHERE, everywhere))
            elif rest[0] in scripts and len(rest) == 1 and len(words) > 1 and _BUILD.search(rest[0]):
                found.append(("npm", "run", "--silent", rest[0]))
            elif (_name(rest[0]) in _BUILDERS and "--noEmit" not in rest) or _builds_by_node(rest):
                found.append(rest)
    return tuple(dict.fromkeys(found))[:_MOST_CALLS]


def _builds_by_node(words: Sequence[str]) -> bool:
    """Whether it is node with a program of the repository whose name says that it builds."""
    program = next((word for word in words[1:] if not word.startswith("-")), "")
    return words[0] == "node" and _BUILDING_PROGRAM.search(_name(program)) is not None


def _done_everywhere(words: Sequence[str]) -> str:
    """The script that a package manager is to run in all members of the workspace; "" where it is not."""
    names = [word for word in words if word not in _IN_ALL and word != "run"]
    return names[0] if len(names) == 1 and len(names) < len(words) and not names[0].startswith("-") else ""


def calls_in(node: NodeProject, script: str, runner: str) -> Iterator[OwnCall]:
    """The calls of `runner` in one script."""
    is_plain = runner == _runner_of_programs(node) and TESTING.search(script) is not None and not _AVOIDED.search(script)
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


def program_of(words: Sequence[str]) -> str:
    """The name of the program that a command runs, behind a coverage tool; "" for none."""
    end = _after_options(words, 1, _WRAPPER_VALUES) if words and _name(words[0]) in _WRAPPERS else 0
    return _name(words[end]) if end < len(words) else ""


def _taken_apart(words: Sequence[str], runner: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """(launcher, the runner's arguments) of a command without wrapper; None where it is no call of the runner."""
    if not words:
        return None
    programs = RUNNERS[runner].programs
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
