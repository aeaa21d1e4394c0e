"""node:test, called as `node --test`, `tsx --test` or through borp, reporting through Forge's own reporter.

Exit code 1 stands for failing tests and for a file that failed as a whole. A file that holds no test passes by ending well, and
is not counted. Node finds test files by itself where none is named (nodejs.org, "Running tests from the command line").
Coverage is measured by c8, the repository's own or Forge's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from forge_dagster.domain.globs import matches
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall, runner_sign

_WITH_VALUE = frozenset(
    (
        "--import", "-r", "--require", "--loader", "--experimental-loader", "--conditions", "-C", "--test-name-pattern",
        "--test-skip-pattern", "--test-global-setup", "--tsconfig",
    )
)  # fmt: skip
_DROPPED = frozenset(("--test-reporter", "--test-reporter-destination", "--test-shard"))
_DROPPED_ALONE = frozenset(
    (
        "--test",
        "--watch",
        "--experimental-test-coverage",
        "--test-update-snapshots",
        "--inspect",
        "--inspect-brk",
        "--watch-path",
    )
)
_BORP_VALUES = frozenset(
    ("-p", "--pattern", "-c", "--concurrency", "-t", "--timeout", "-i", "--ignore", "-P", "--post-compile")
)
_BORP_DROPPED = frozenset(
    ("-r", "--reporter", "-X", "--coverage-exclude", "--lines", "--branches", "--functions", "--statements")
)
_BORP_DROPPED_ALONE = frozenset(("-C", "--coverage", "--check-coverage", "-w", "--watch"))
_FOUND = re.compile(r"(?:[._-]test|^test|^test-.*)\.[cm]?[jt]s$")
_FOUND_FOLDER = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTest:
    """The adapter."""

    name: str = "node_test"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "node"
    package: str = ""
    follow_up_may_crash: bool = True
    measured_by: str = commands.MEASURED_BY

    def chosen(self, project: Project) -> str | None:
        """By a script that calls it: node itself is always there."""
        return runner_sign(project, self.name)

    def beside(self, project: Project) -> Sequence[str]:
        """Packages of Forge's toolbox that it wants besides."""
        return commands.beside(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The runner for each call in the repository's script."""
        if not commands.applies(request):
            return ()
        calls = commands.calls_of(request, self.name)
        return commands.preparing(request, calls) + tuple(
            commands.command(
                request, own, commands.measured(request, own, _argv(request, own, report_name(_MANNER, number)), number=number)
            )
            for number, own in enumerate(calls)
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed test once more, alone."""
        return again(_MANNER, request, outputs, calls=commands.calls_of(request, self.name))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report, told to its end, in which something passed and nothing failed."""
        calls = commands.calls_of(request, self.name)
        return judged(_MANNER, request, outputs, calls=calls, coverage=commands.COVERAGE)


def _argv(request: ToolRequest, own: OwnCall, report: str, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    reporter, place = commands.shipped("node_test_reporter.mjs"), request.report / report
    launcher = PurePosixPath(own.launcher[0]).name if own.launcher else "node"
    if launcher == "borp":
        options, targets = _parted(own.arguments, _BORP_VALUES, _BORP_DROPPED, _BORP_DROPPED_ALONE)
        program = str(commands.own_program(request, "borp"))
        front = (program, f"--reporter={reporter}:{place}", "--reporter=spec", *options)
        return (*front, *_files(request, targets, alone))
    options, targets = _parted(own.arguments, _WITH_VALUE, _DROPPED, _DROPPED_ALONE)
    return (
        str(request.executable if launcher == "node" else commands.own_program(request, launcher)),
        *options,
        "--test",
        f"--test-reporter={reporter}",
        f"--test-reporter-destination={place}",
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        *((f"--test-name-pattern={alone[1]}",) if alone is not None else ()),
        *_files(request, targets, alone),
    )


def _parted(
    arguments: Sequence[str], with_value: frozenset[str], dropped: frozenset[str], dropped_alone: frozenset[str]
) -> tuple[list[str], list[str]]:
    """(options, targets) of the script's call: any option may be node's, so all are kept but those named here."""
    options: list[str] = []
    targets: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in dropped or name.startswith("--test-coverage"):
            if not equals:
                next(words, None)
        elif name in with_value and not equals:
            options += [word, *(value for value in [next(words, None)] if value is not None)]
        elif not word.startswith("-"):
            targets.append(word)
        elif name not in dropped_alone:
            options.append(word)
    return options, targets


def _files(request: ToolRequest, targets: Sequence[str], alone: tuple[str, str] | None) -> tuple[str, ...]:
    """The files to give: those asked for; else the script's, its patterns expanded as the shell would, and all by name where
    some are to be left out, since node has no option for that.
    """
    if alone is not None:
        return alone[:1]
    only, without = commands.chosen_files(request), set(commands.left_out(request))
    if only:
        return only
    given = [file for target in targets for file in _expanded(request, target)]
    if not without:
        return tuple(given)
    root = commands.directory(request)
    folders = {target.strip("/").removeprefix("./") for target in given}
    listed = [path for path in _scripts(request) if path in folders or any(path.startswith(f"{f}/") for f in folders)]
    found = listed if given else [path for path in _scripts(request) if _is_found(path)]
    return tuple(path for path in found if str(root / path) not in without)


def _scripts(request: ToolRequest) -> Iterator[str]:
    """The package's scripts, from its own folder."""
    node = request.project.node
    prefix = f"{node.directory}/" if node is not None and node.directory else ""
    for path in request.project.files:
        if path.startswith(prefix) and re.search(r"\.[cm]?[jt]s$", path) and not path.endswith(".d.ts"):
            yield path[len(prefix) :]


def _is_found(path: str) -> bool:
    *folders, name = path.split("/")
    return _FOUND.search(name) is not None or (_FOUND_FOLDER in folders and re.search(r"\.[cm]?js$", name) is not None)


def _expanded(request: ToolRequest, target: str) -> list[str]:
    if not re.search(r"[*?{\[]", target):
        return [target]
    patterns = [pattern.removeprefix("./") for pattern in _alternatives(target)]
    return [path for path in _scripts(request) if any(matches(path, f"/{pattern}") for pattern in patterns)] or [target]


def _alternatives(pattern: str, *, most: int = 64) -> list[str]:
    """The pattern without braces: a{b,c} is ab and ac."""
    done: list[str] = []
    open_ = [pattern]
    while open_ and len(done) + len(open_) <= most:
        text = open_.pop(0)
        found = re.search(r"\{([^{}]*)\}", text)
        if found is None:
            done.append(text)
            continue
        open_ += [text[: found.start()] + part + text[found.end() :] for part in found[1].split(",")]
    return done or [pattern]


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    return read_events("node_test", request, data)


def _alone(request: ToolRequest, case: Case, name: str, report: str) -> Command:
    """The test, or, by borp, which has no option for names, its file."""
    own = commands.calls_of(request, "node_test")[0]
    place = str(request.root / (case.file or ""))
    return commands.command(request, own, _argv(request, own, report, alone=(place, name)))


_MANNER = Manner(
    tool="node_test",
    shown="node --test",
    report="node-test.jsonl",
    read=_read,
    nothing=re.compile(r"Could not find '|\btests 0\b"),
    demands=re.compile(
        r"^.*(?:generated asynchronous activity after the test ended|ERR_UNHANDLED_REJECTION|Uncaught ).*$", re.MULTILINE
    ),
    alone=_alone,
)

ADAPTER = NodeTest()
