"""The must-fail canary: a test of Forge's own, under a name that is drawn for each run, added to those of the repository.

An exit code is no evidence: hooks, ways out of the process and options each end a red suite with 0. Where the canary did not
fail, the run is not believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.ports import ToolReport, ToolRequest
from forge_dagster.tools.tests.junit import JUnitReport, TestCase

_FOLDER = Path(__file__).parent / "canary"
PLUGIN = "forge_canary_pytest"
_FIX = "remove what changes the results of tests: hooks, plugins, options, ways out of the process"


def test_name(request: ToolRequest) -> str:
    """What the canary is called in this run; "" where there is none."""
    return f"test_{request.canary}" if request.canary else ""


test_name.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test where it is imported


def options(request: ToolRequest) -> tuple[str, ...]:
    """pytest's options that load the canary."""
    return ("-p", PLUGIN) if request.canary else ()


def variables(request: ToolRequest, given: Mapping[str, str]) -> Mapping[str, str]:
    """`given` with what the canary needs: its name, and where pytest finds the plugin."""
    if not request.canary:
        return given
    path = ":".join(part for part in (str(_FOLDER), given.get("PYTHONPATH", "")) if part)
    return {**given, "PYTHONPATH": path, "FORGE_CANARY": test_name(request)}


def parted(request: ToolRequest, report: JUnitReport) -> tuple[JUnitReport, tuple[TestCase, ...]]:
    """The report without the canaries, and the canaries."""
    name = test_name(request)
    canaries = tuple(case for case in report.cases if name and case.name.partition("[")[0] == name)
    failed = sum(case.state in ("failed", "error") for case in canaries)
    others = tuple(case for case in report.cases if case not in canaries)
    return replace(report, cases=others, claimed_faults=max(report.claimed_faults - failed, 0)), canaries


def unbelieved(tool: str, states: Sequence[str], *, ran: int, exit_code: int | None) -> ToolReport | None:
    """Why a run with so many tests (`ran`) is not believed; None: its canaries, which ended in `states`, failed as they must.

    One that passed, or an exit code of 0 over one that failed, is the doing of what is judged: FAILED. One that is missing is
    ERRORED, since the runner may be at fault.
    """
    wrong = "passed" in states
    if wrong or (states and exit_code == 0):
        what = "a test that must fail passed" if wrong else "a test failed, and the run ended with 0"
        message = f"{what}: something in the repository changes what its tests come to"
        finding = Finding(
            tool=tool, rule="canary-survived", category=Category.INTEGRITY, message=message, suggested_fix=_FIX, snippet=what
        )  # fmt: skip
        return ToolReport(outcome=Outcome.FAILED, reason=message, findings=(finding,), examined=ran, exit_code=exit_code)
    if ran and not any(state in ("failed", "error") for state in states):
        return did_not_run(tool, exit_code)
    return None


def did_not_run(tool: str, exit_code: int | None) -> ToolReport:
    """ERRORED, since the canary is missing."""
    reason = f"{tool}: the test that Forge adds, which must fail, did not run; {_FIX}"
    return ToolReport(outcome=Outcome.ERRORED, reason=reason, exit_code=exit_code)
