"""A test without a runner: a program of the repository that its own script runs, `node test.js`, with assertions of its own.

All that is known of it is that it ran to its end and with which exit code. So each program counts as one test, whatever it
asserts: exit code 0 is one test that passed, any other one that failed, named by the program's file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall, runner_sign


@dataclass(frozen=True, slots=True, kw_only=True)
class TestScript:
    """The adapter."""

    name: str = "test_script"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "node"
    package: str = ""
    follow_up_may_crash: bool = True
    measured_by: str = commands.MEASURED_BY

    def chosen(self, project: Project) -> str | None:
        """By a script for tests that runs a file of the tests by node itself, where the repository has no test runner."""
        return runner_sign(project, self.name)

    def beside(self, project: Project) -> Sequence[str]:
        """Packages of Forge's toolbox that it wants besides."""
        return commands.beside(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """Each program that the repository's script runs."""
        calls = _calls(request)
        return commands.preparing(request, calls) + tuple(
            commands.command(
                request,
                own,
                commands.measured(request, own, _argv(request, own), number=number),
                more=_reporting(request, report_name(_MANNER, number)),
            )
            for number, own in enumerate(calls)
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed program once more."""
        calls = _calls(request)
        return again(_MANNER, request, outputs, calls=calls) if calls else ()

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only where every program ended with 0 and was seen to reach its end."""
        calls = _calls(request)
        if not calls:
            return ToolReport(outcome=Outcome.SKIPPED, reason="no script of the repository runs a test by node itself")
        found = judged(_MANNER, request, outputs, calls=calls, coverage=commands.COVERAGE)
        if found.outcome is not Outcome.PASSED:
            return found
        shown = ", ".join(" ".join((*own.launcher, *own.arguments)) for own in calls)
        reason = f"{shown} ended with 0; each program counts as one test, since no runner tells of the tests in it"
        return replace(found, reason=reason)


def _calls(request: ToolRequest) -> tuple[OwnCall, ...]:
    """The programs, of which a selection of test files leaves those that are such a file."""
    calls = tuple(call for call in commands.calls_of(request, "test_script") if call.launcher)
    root = commands.directory(request)
    only, without = commands.chosen_files(request), commands.left_out(request)
    if request.selection.only and not only:
        return ()
    files = [(call, str(root / call.arguments[0].removeprefix("./"))) for call in calls]
    kept = tuple(call for call, file in files if (not only or file in only) and file not in without)
    return (replace(kept[0], before=calls[0].before), *kept[1:]) if kept else ()


def _argv(request: ToolRequest, own: OwnCall) -> tuple[str, ...]:
    program, *options = commands.launched(request, own)
    witness = f"--require={commands.shipped('script_witness.cjs')}"
    return (str(request.executable) if program == "node" else program, witness, *options, *own.arguments)


def _reporting(request: ToolRequest, report: str) -> dict[str, str]:
    return {"FORGE_SCRIPT_REPORT": str(request.report / report)}


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    return read_events("test_script", request, data)


def _alone(request: ToolRequest, case: Case, _name: str, report: str) -> Command:
    calls = _calls(request)
    own = next((call for call in calls if case.file and call.arguments[0].endswith(case.file.rsplit("/", 1)[-1])), calls[0])
    return commands.command(request, own, _argv(request, own), more=_reporting(request, report))


_MANNER = Manner(
    tool="test_script",
    shown="node",
    report="script.jsonl",
    read=_read,
    nothing=re.compile(r"(?!)"),
    demands=re.compile(r"(?!)"),
    alone=_alone,
)

ADAPTER = TestScript()
