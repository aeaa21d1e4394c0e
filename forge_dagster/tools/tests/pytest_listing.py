"""Which tests pytest would run, without running any."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.reading import Unreadable, json_object
from forge_dagster.tools.tests.pytest_command import JUNIT, command, common, serially, unmeasured
from forge_dagster.tools.tests.python_suites import project_directory

_REPORT = "tests.json"
_FOLDER = Path(__file__).parent / "listing"
_PLUGIN = "forge_list_pytest"


def listing(request: ToolRequest) -> Command:
    """pytest, which collects only; a plugin tells what, since what pytest prints depends on the repository's options."""
    argv = (
        str(request.executable),
        "-p",
        _PLUGIN,
        *common(request, JUNIT),
        *unmeasured(request),
        *serially(request),
        "--collect-only",
    )
    ran = command(request, argv, request.timeout_s)
    path = ":".join(part for part in (str(_FOLDER), ran.environment.get("PYTHONPATH", "")) if part)
    return replace(ran, environment={**ran.environment, "PYTHONPATH": path, "FORGE_TESTS": str(request.report / _REPORT)})


def listed(request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
    """The tests, their files from the repository's root. ERRORED where any file could not be collected (exit code 2)."""
    code = outputs[0].result.exit_code
    try:
        tests = json_object(outputs[0].reports.get(_REPORT, b""), "the list of tests").get("tests")
    except Unreadable as error:
        return ToolReport(outcome=Outcome.ERRORED, reason=str(error), exit_code=code)
    if code not in (0, 5) or not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
        return ToolReport(outcome=Outcome.ERRORED, reason="pytest could not collect all tests", exit_code=code)
    folder = f"{project_directory(request)}/" if project_directory(request) else ""
    found = tuple(f"{folder}{test}" for test in tests)
    reason = f"{len(found)} tests collected"
    return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=max(len(found), 1), exit_code=code, tests=found)
