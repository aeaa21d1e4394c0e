"""mocha 6 and newer, reporting through Forge's own reporter: it serves every version and tells whether the run came to an end.

The exit code is the number of failures (mochajs.org, "Exit codes"; 1 with --posix-exit-codes), 1 also where a file cannot be
loaded, 7 where an error came when the run was over. From mocha 9 on it lists its tests (--dry-run); an older one runs them
though. Coverage is measured by nyc or c8, the repository's own or Forge's c8.
"""

import re
from collections.abc import Sequence

from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.script_runner import ScriptRunner

_DROPPED = frozenset(("--reporter", "-R", "--reporter-option", "--reporter-options", "-O"))
_DROPPED_ALONE = frozenset(
    (
        "--watch", "-w", "--bail", "-b", "--dry-run", "--pass-on-failing-test-suite", "--list-files", "--list-reporters",
        "--inspect", "--inspect-brk", "--colors", "--color", "-c", "--no-colors", "--no-color", "--no-config",
        "--exit-code",
    )
)  # fmt: skip
_WITH_VALUE = frozenset(
    (
        "--require", "-r", "--config", "--package", "--spec", "--ui", "-u", "--timeout", "-t", "--slow", "-s", "--grep",
        "-g", "--fgrep", "-f", "--file", "--ignore", "--exclude", "--extension", "--ext", "--jobs", "-j", "--retries",
        "--node-option", "-n", "--import", "--loader", "--experimental-loader", "--conditions", "-C", "--opts", "--global",
        "--globals",
    )
)  # fmt: skip


def _argv(request: ToolRequest, own: OwnCall, report: str, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    options, targets = _own(own.arguments)
    only = alone[:1] if alone is not None else commands.chosen_files(request)
    return (
        *(own.launcher or (str(request.executable),)),
        f"--reporter={commands.shipped('mocha_reporter.cjs')}",
        f"--reporter-option=output={request.report / report}",
        *((f"--require={commands.shipped('mocha_select.cjs')}",) if alone is not None or commands.selecting(request) else ()),
        *options,
        *(("--dry-run", "--no-parallel") if request.selection.listing else ()),
        *((f"--grep={alone[1]}",) if alone is not None else ()),
        *(only or targets),
    )


def _own(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(options, files) of the script's call. All but matters of reporting is kept: node's own options may be among them."""
    options: list[str] = []
    targets: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in _DROPPED:
            if not equals:
                next(words, None)
        elif name in _WITH_VALUE and not equals:
            options += [word, *(value for value in [next(words, None)] if value is not None)]
        elif not word.startswith("-"):
            targets.append(word)
        elif name not in _DROPPED_ALONE:
            options.append(word)
    return options, targets


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    return read_events("mocha", request, data)


def _alone(request: ToolRequest, case: Case, name: str, report: str) -> Command:
    own = commands.calls_of(request, "mocha")[0]
    place = str(request.root / (case.file or ""))
    argv = _argv(request, own, report, alone=(place, name))
    return commands.command(request, own, argv, more=commands.selecting(request, only=(place,)))


_MANNER = Manner(
    tool="mocha",
    shown="npx mocha",
    report="mocha.jsonl",
    read=_read,
    nothing=re.compile(r"No test files found|Error: No test files"),
    demands=re.compile(r"^(?:\w*Error\b.*|Uncaught .*|Unhandled .*|.*ERR_UNHANDLED_REJECTION.*)$", re.MULTILINE),
    alone=_alone,
    canary=canaries.wanted,
)

ADAPTER = ScriptRunner(
    name="mocha",
    program="mocha",
    package="mocha",
    argv=_argv,
    manner=_MANNER,
    variables=lambda request, _report: commands.selecting(request),
    lists=True,
)
