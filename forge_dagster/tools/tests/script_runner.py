"""A JavaScript runner that is called as the repository's own script calls it: ava, jasmine, mocha, node:test, tap, tape, uvu.

They differ in their arguments and in how their report is read; each has a file of its own for that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_listing import listed
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.runner_signs import runner_sign


def _none(_request: ToolRequest, _report: str) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRunner:
    """The adapter of one such runner.

    `argv`: what to run for one call in a script, given the name of its report file; `manner`: how its report is read, and a
    test run alone. `variables`: what its environment holds for that report. `preload`: file of the canary's that node loads
    first, for a runner that is not given it by `argv`. `lists`: `argv` knows of Selection.listing.
    """

    name: str
    program: str
    package: str
    argv: Callable[[ToolRequest, OwnCall, str], tuple[str, ...]]
    manner: Manner
    variables: Callable[[ToolRequest, str], Mapping[str, str]] = _none
    preload: str = ""
    lists: bool = False
    tells_tests: bool = True
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    follow_up_may_crash: bool = True
    measured_by: str = commands.MEASURED_BY

    def chosen(self, project: Project) -> str | None:
        """By a script that calls it or runs a test that requires it, its configuration, or as a declared dependency."""
        return runner_sign(project, self.name)

    def beside(self, project: Project) -> Sequence[str]:
        """Packages of Forge's toolbox that it wants besides."""
        return commands.beside(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The runner for each call in the repository's script."""
        if not commands.applies(request):
            return ()
        calls = commands.calls_of(request, self.name)
        return commands.preparing(request, calls) + tuple(self._command(request, *one) for one in enumerate(calls))

    def _command(self, request: ToolRequest, number: int, own: OwnCall) -> Command:
        report = report_name(self.manner, number)
        argv = commands.measured(request, own, self.argv(request, own, report), number=number)
        more = {**self.variables(request, report), **self._canary(request, own, number)}
        return commands.command(request, own, argv, more=more)

    def _canary(self, request: ToolRequest, own: OwnCall, number: int) -> dict[str, str]:
        if request.selection.listing or not self.manner.canary(request, own):
            return {}
        options = f'{own.variables.get("NODE_OPTIONS", "")} --require="{canaries.file(self.preload)}"'.strip()
        return {**canaries.variables(request, number), **({"NODE_OPTIONS": options} if self.preload else {})}

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed test once more, alone: by its title, or its file where the runner runs nothing less."""
        if request.selection.listing:
            return ()
        return again(self.manner, request, outputs, calls=commands.calls_of(request, self.name))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report told to its end, in which something passed and nothing failed."""
        calls = commands.calls_of(request, self.name)
        if request.selection.listing:
            return listed(self.manner, request, outputs, calls=calls)
        return judged(self.manner, request, outputs, calls=calls, coverage=commands.COVERAGE)
