"""jasmine 3 and newer, reporting through a helper file of Forge's, since the option for a reporter came late.

Exit codes (jasmine.github.io, "jasmine" command): 3 failing specs, 2 incomplete (no specs, or focused ones), 1 and 4 other
faults; jasmine 3 has 1 for all of them.
"""

import re

from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.event_report import read_events
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_files import given_files
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.script_runner import ScriptRunner

_KEPT = frozenset(("--helper", "--require", "--config", "--random", "--seed"))
"""jasmine takes an option's value behind `=` only."""
_SPEC = re.compile(r"(?:^|/)[\w.-]*[sS]pec\.[cm]?js$")


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

ADAPTER = ScriptRunner(
    name="jasmine",
    program="jasmine",
    package="jasmine",
    argv=lambda request, own, _report: _argv(request, own),
    manner=_MANNER,
    variables=_reporting,
)
