"""The must-fail canary of JavaScript's runners: how each is given it, and what became of it.

A file outside of where a repository's configuration looks for tests is refused by most runners when it is named, and one that
is written beside the repository's tests would be seen by everybody who looks at the tree. So it comes in through what each
runner offers to be extended by: a reporter (vitest, mocha), the order of tests (jest), a helper file (jasmine), a module that
is loaded first (node:test, uvu), a further file (tap, tape). How many tests were added is told in a note beside the report. A
test that is a program has a run of its own for that (test_script.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Attribution, Category, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.ports import ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import canaries
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.own_calls import OwnCall

BROKEN = "canary-broken"
"""Rule of the fault of a canary's own file, which the runner could not load."""

_FOLDER = Path(__file__).parent / "canary"
_MOST = 1_000


def never(_request: ToolRequest, _own: OwnCall) -> bool:
    """For a runner that is given none."""
    return False


def wanted(request: ToolRequest, own: OwnCall, *, choosing: Sequence[str] = ()) -> bool:
    """Whether this run is to have one. `choosing`: options by which a call chooses tests by name, which would leave it out."""
    return bool(request.canary) and not any(word.partition("=")[0] in choosing for word in own.arguments)


def file(name: str) -> Path:
    """A file of the canary's."""
    return _FOLDER / name


def is_canary(path: object) -> bool:
    """Whether a runner speaks of a file of the canary's."""
    return isinstance(path, str) and path.removeprefix("file://").startswith(f"{_FOLDER}/")


def note(number: int) -> str:
    """Report file in which the call with this number tells how many tests were added."""
    return f"canary-{number}.json"


def variables(request: ToolRequest, number: int) -> dict[str, str]:
    """What the canary's files find in their environment."""
    return {"FORGE_CANARY": canaries.test_name(request), "FORGE_CANARY_NOTE": str(request.report / note(number))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """What a report tells of them. `broken`: why their file could not be loaded."""

    cases: tuple[Case, ...] = ()
    broken: str = ""

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(case.state for case in self.cases)


def parted(request: ToolRequest, suite: Suite) -> tuple[Suite, Canaries]:
    """The report without the canaries, and what it tells of them."""
    name = canaries.test_name(request)
    if not name:
        return suite, Canaries()
    cases = tuple(case for case in suite.cases if name in case.name)
    others = tuple(case for case in suite.cases if name not in case.name)
    faults = tuple(fault for fault in suite.faults if fault.rule != BROKEN)
    broken = next((fault.text.strip() or "no reason given" for fault in suite.faults if fault.rule == BROKEN), "")
    return replace(suite, cases=others, faults=faults), Canaries(cases=cases, broken=broken)


def missed(tool: str, report: ToolReport, output: ToolOutput, number: int, found: Canaries) -> ToolReport:
    """The report of a suite that passed, where its canaries failed as they must.

    Where the runner was not given any, or could not load it, a person is asked; where it was and they did not run, ERRORED.
    """
    planted, why = _planted(_noted(output, number))
    failed = found.states.count("failed")
    if failed and failed >= planted:
        return report
    if found.broken or planted == 0:
        return replace(report, findings=(*report.findings, not_planted(tool, found.broken or why)))
    return canaries.did_not_run(tool, report.exit_code)


def ended(output: ToolOutput, number: int, found: Canaries) -> tuple[str, ...]:
    """The states of the canaries, by the report and by the note."""
    return (*found.states, "passed") if _noted(output, number).get("survived") is True else found.states


def _noted(output: ToolOutput, number: int) -> Mapping[str, Any]:
    try:
        told = load_json(output.reports.get(note(number), b""))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def was_given(output: ToolOutput, number: int) -> bool:
    """Whether the canary's file noted that it added a test to the call with this number."""
    told = _noted(output, number)
    return "tests" in told and _planted(told)[0] > 0


def _planted(told: Mapping[str, Any]) -> tuple[int, str]:
    """(tests, why none); one test where nothing is told, since that is what is demanded."""
    count = told.get("tests")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < _MOST:
        return 1, ""
    return count, str(told.get("why", ""))


def not_planted(tool: str, why: str) -> Finding:
    """A person is asked, since the runner was not given the test that must fail."""
    message = f"{tool} ran without the test that must fail: {why or 'no reason given'}"
    return Finding(
        tool=tool,
        rule="canary-not-run",
        category=Category.INTEGRITY,
        severity=Severity.WARNING,
        attribution=Attribution.UNKNOWN,
        message=one_line(message, 500),
        suggested_fix="see whether anything in the repository changes what its tests come to",
        snippet="canary-not-run",
    )


def believed_code(
    code: int | None, suite: Suite, found: Canaries, *, failing: frozenset[int], besides: bool
) -> tuple[int | None, Suite]:
    """Exit code and report as they would be without the canaries, where nothing else failed (`besides`: something did)."""
    fell = "failed" in found.states or bool(found.broken)
    others = bool(suite.faults or suite.of("failed") or suite.obsolete) or besides
    if code not in failing or not fell or others:
        return code, suite
    return 0, replace(suite, success=None)
