"""mocha 6 and newer, reporting through Forge's own reporter: it serves every version and tells whether the run came to an end.

The exit code is the number of failures (mochajs.org, "Exit codes"; 1 with --posix-exit-codes), 1 also where a file cannot be
loaded, 7 where an error came when the run was over. Coverage is measured by nyc or c8, the repository's own or Forge's c8.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall, runner_sign

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mocha:
    """The adapter."""

    name: str = "mocha"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "mocha"
    package: str = "mocha"
    follow_up_may_crash: bool = True
    measured_by: str = commands.MEASURED_BY

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration file or key, or as a declared dependency."""
        return runner_sign(project, self.name)

    def beside(self, project: Project) -> Sequence[str]:
        """Packages of Forge's toolbox that it wants besides."""
        return commands.beside(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """mocha for each call in the repository's script."""
        if not commands.applies(request):
            return ()
        more = commands.selecting(request)
        calls = commands.calls_of(request, self.name)
        return commands.preparing(request, calls) + tuple(
            commands.command(
                request,
                own,
                commands.measured(
                    request, own, _argv(request, own, report_name(_MANNER, number), selecting=bool(more)), number=number
                ),
                more={**more, **(canaries.variables(request, number) if canaries.wanted(request, own) else {})},
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


def _argv(
    request: ToolRequest, own: OwnCall, report: str, *, selecting: bool, alone: tuple[str, str] | None = None
) -> tuple[str, ...]:
    options, targets = _own(own.arguments)
    only = alone[:1] if alone is not None else commands.chosen_files(request)
    return (
        *(own.launcher or (str(request.executable),)),
        f"--reporter={commands.shipped('mocha_reporter.cjs')}",
        f"--reporter-option=output={request.report / report}",
        *((f"--require={commands.shipped('mocha_select.cjs')}",) if selecting else ()),
        *options,
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
    argv = _argv(request, own, report, selecting=True, alone=(place, name))
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

ADAPTER = Mocha()
