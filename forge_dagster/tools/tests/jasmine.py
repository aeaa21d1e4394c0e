"""jasmine 3 and newer, reporting through a helper file of Forge's, since the option for a reporter came late.

Exit codes (jasmine.github.io, "jasmine" command): 3 failing specs, 2 incomplete (no specs, or focused ones), 1 and 4 other
faults; jasmine 3 has 1 for all of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_files import given_files
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall, runner_sign

_KEPT = frozenset(("--helper", "--require", "--config", "--random", "--seed"))
"""jasmine takes an option's value behind `=` only."""
_SPEC = re.compile(r"(?:^|/)[\w.-]*[sS]pec\.[cm]?js$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jasmine:
    """The adapter."""

    name: str = "jasmine"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "jasmine"
    package: str = "jasmine"
    follow_up_may_crash: bool = True
    measured_by: str = commands.MEASURED_BY

    def chosen(self, project: Project) -> str | None:
        """By a script, or as a declared dependency."""
        return runner_sign(project, self.name)

    def beside(self, project: Project) -> Sequence[str]:
        """Packages of Forge's toolbox that it wants besides."""
        return commands.beside(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """jasmine for each call in the repository's script."""
        if not commands.applies(request):
            return ()
        calls = commands.calls_of(request, self.name)
        return commands.preparing(request, calls) + tuple(
            commands.command(
                request,
                own,
                commands.measured(request, own, _argv(request, own), number=number),
                more={
                    **_reporting(request, report_name(_MANNER, number)),
                    **(canaries.variables(request, number) if canaries.wanted(request, own) else {}),
                },
            )
            for number, own in enumerate(calls)
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed spec once more, alone."""
        return again(_MANNER, request, outputs, calls=commands.calls_of(request, self.name))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report, told to its end, in which something passed and nothing failed."""
        calls = commands.calls_of(request, self.name)
        return judged(_MANNER, request, outputs, calls=calls, coverage=commands.COVERAGE)


def _argv(request: ToolRequest, own: OwnCall, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    options, targets = kept(own.arguments, with_value=(), alone=_KEPT)
    return (
        *(own.launcher or (str(request.executable),)),
        f"--helper={commands.shipped('jasmine_reporter.cjs')}",
        *(
            (f"--helper={canaries.file('forge_canary_jasmine.cjs')}",)
            if alone is None and canaries.wanted(request, own)
            else ()
        ),
        *options,
        *((f"--filter={alone[1]}",) if alone is not None else ()),
        *given_files(request, targets, alone, found=lambda path: _SPEC.search(path) is not None),
    )


def _reporting(request: ToolRequest, report: str) -> dict[str, str]:
    return {"FORGE_JASMINE_REPORT": str(request.report / report)}


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    return read_events("jasmine", request, data)


def _alone(request: ToolRequest, case: Case, name: str, report: str) -> Command:
    own = commands.calls_of(request, "jasmine")[0]
    place = str(request.root / (case.file or ""))
    return commands.command(request, own, _argv(request, own, alone=(place, name)), more=_reporting(request, report))


_MANNER = Manner(
    tool="jasmine",
    shown="npx jasmine",
    report="jasmine.jsonl",
    read=_read,
    nothing=re.compile(r"No specs found"),
    demands=re.compile(r"^Incomplete: (?!No specs found).*$", re.MULTILINE),
    alone=_alone,
    nothing_codes=frozenset((0, 1, 2)),
    anonymous=True,
    canary=canaries.wanted,
    failing=frozenset((1, 3)),
)

ADAPTER = Jasmine()
