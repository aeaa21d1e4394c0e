"""node:test, called as `node --test`, `tsx --test` or through borp or bnt, reporting through Forge's own reporter.

Exit code 1 stands for failing tests and for a file that failed as a whole. A file that holds no test passes by ending well, and
is not counted. Node finds test files by itself where none is named (nodejs.org, "Running tests from the command line").
Coverage is measured by c8, the repository's own or Forge's.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_files import given_files, scripts
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.script_runner import ScriptRunner

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
_BNT_VALUES = frozenset(("-t", "--coverage", "--coverage-include", "--coverage-exclude"))
_FOUND = re.compile(r"(?:[._-]test|^test|^test-.*)\.[cm]?[jt]s$")
_FOUND_FOLDER = "test"


def _argv(request: ToolRequest, own: OwnCall, report: str, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    reporter, place = commands.shipped("node_test_reporter.mjs"), request.report / report
    launcher = PurePosixPath(own.launcher[0]).name if own.launcher else "node"
    if launcher == "borp":
        options, targets = _parted(own.arguments, _BORP_VALUES, _BORP_DROPPED, _BORP_DROPPED_ALONE)
        program = str(commands.own_program(request, "borp"))
        front = (program, f"--reporter={reporter}:{place}", "--reporter=spec", *options)
        return (*front, *given_files(request, targets, alone, found=_is_found))
    if launcher == "bnt":
        launcher, own = "node", replace(own, arguments=_better(request, own.arguments))
    options, targets = _parted(own.arguments, _WITH_VALUE, _DROPPED, _DROPPED_ALONE)
    return (
        str(request.executable if launcher == "node" else commands.own_program(request, launcher)),
        *((f"--require={canaries.file('forge_canary_node_files.cjs')}",) if alone is None and _canary(request, own) else ()),
        *options,
        "--test",
        f"--test-reporter={reporter}",
        f"--test-reporter-destination={place}",
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        *((f"--test-name-pattern={alone[1]}",) if alone is not None else ()),
        *given_files(request, targets, alone, found=_is_found),
    )


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    if own.launcher and PurePosixPath(own.launcher[0]).name == "borp":
        return False
    return canaries.wanted(request, own, choosing=("--test-name-pattern", "--test-skip-pattern", "-t"))


def _better(request: ToolRequest, arguments: Sequence[str]) -> tuple[str, ...]:
    """What better-node-test (`bnt`) gives to node: the files named, else all that are called tests, and tsx for TypeScript."""
    _, named = _parted(arguments, _BNT_VALUES, frozenset(), frozenset())
    files = tuple(named) or tuple(path for path in scripts(request) if re.search(r"\.(test|spec)\.(js|ts)$", path))
    return (*(("--import=tsx",) if any(path.endswith(".ts") for path in files) else ()), *files)


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


def _is_found(path: str) -> bool:
    *folders, name = path.split("/")
    return _FOUND.search(name) is not None or (_FOUND_FOLDER in folders and re.search(r"\.[cm]?js$", name) is not None)


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
    canary=_canary,
)

ADAPTER = ScriptRunner(name="node_test", program="node", package="", argv=_argv, manner=_MANNER)
