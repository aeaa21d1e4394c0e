"""A test without a runner: a program of the repository that its own script runs, `node test.js`, with assertions of its own.

All that is known of it is that it ran to its end and with which exit code. So each program counts as one test, whatever it
asserts: exit code 0 is one test that passed, any other one that failed, named by the program's file.

A program that passed is run once more and made to fail (canary/forge_canary_script.cjs): where that run ends with 0 as well,
the program's exit code says nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.canaries import unbelieved
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_suite import Case, State, Suite
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.reruns import RERUN_TIMEOUT_S
from forge_dagster.tools.tests.runner_signs import runner_sign


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
        """Each failed program once more; where all passed, each once more as one that must fail."""
        calls = _calls(request)
        if not calls:
            return ()
        if not _proves(request, outputs, calls):
            return again(_MANNER, request, outputs, calls=calls)
        ran = outputs[len(calls[0].before) :]
        return tuple(_failing(request, own, number, ran[number]) for number, own in enumerate(calls))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only where every program ended with 0 and was seen to reach its end."""
        calls = _calls(request)
        if not calls:
            return ToolReport(outcome=Outcome.SKIPPED, reason="no script of the repository runs a test by node itself")
        proves = _proves(request, outputs, calls)
        end = len(calls[0].before) + len(calls) if proves else len(outputs)
        found = judged(_MANNER, request, outputs[:end], calls=calls, coverage=commands.COVERAGE)
        if found.outcome is not Outcome.PASSED:
            return found
        shown = ", ".join(" ".join((*own.launcher, *own.arguments)) for own in calls)
        reason = f"{shown} ended with 0; each program counts as one test, since no runner tells of the tests in it"
        found = replace(found, reason=reason)
        return _believed(found, outputs[end:], len(calls)) if proves else found


def _proves(request: ToolRequest, outputs: Sequence[ToolOutput], calls: Sequence[OwnCall]) -> bool:
    """Whether the programs are made to fail: all of them passed."""
    ended = [output.result.exit_code for output in outputs[: len(calls[0].before) + len(calls)]]
    return bool(request.canary) and len(ended) == len(calls[0].before) + len(calls) and not any(code != 0 for code in ended)


def _failing(request: ToolRequest, own: OwnCall, number: int, before: ToolOutput) -> Command:
    """The program, made to fail. One that hangs over that has not ended with 0, so it is not waited for as long."""
    made = commands.command(request, own, _argv(request, own), more=canaries.variables(request, number))
    return replace(made, timeout_s=min(made.timeout_s, max(RERUN_TIMEOUT_S, 2 * before.result.duration_s)))


def _believed(found: ToolReport, outputs: Sequence[ToolOutput], count: int) -> ToolReport:
    """The report of programs that passed, where each can fail. The first without an output crashed or hung: it can."""
    for number, output in enumerate(outputs):
        code = output.result.exit_code
        state: State | None = "failed" if code != 0 else "passed" if canaries.was_given(output, number) else None
        cases = () if state is None else (Case(file=None, name="the canary", state=state),)
        told = canaries.Canaries(cases=cases)
        lie = unbelieved("test_script", canaries.ended(output, number, told), ran=0, exit_code=code)
        if lie is not None:
            return lie
        found = canaries.missed("test_script", found, output, number, told)
    if len(outputs) + 1 < count:
        why = "a program before it did not end when it was made to fail"
        found = replace(found, findings=(*found.findings, canaries.not_planted("test_script", why)))
    return found


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
