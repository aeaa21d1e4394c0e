"""pytest: exit code and JUnit report must tell the same story, and tests must have run.

Exit codes (docs.pytest.org, "Exit codes"): 0 all passed, 1 some failed, 2 interrupted, 3 internal error, 4 usage error (also: a
conftest that cannot be imported), 5 no tests collected. syrupy ends with 1 for unused snapshots too (pytest_snapshots.py).
All tests run, whatever fails: a suite that stops at a failure which the base has too would hide what the change breaks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.test_kinds import DESELECTED
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import canaries
from forge_dagster.tools.tests.junit import JUnitReport, parse_junit
from forge_dagster.tools.tests.pytest_command import (
    COVERAGE,
    JUNIT,
    command,
    common,
    configured,
    has,
    measuring,
    opted_in,
    program,
    reporting,
    serially,
    snapshot_details,
    test_paths,
    unmeasured,
)
from forge_dagster.tools.tests.pytest_listing import listed, listing
from forge_dagster.tools.tests.pytest_report import finding, is_collection, test_id
from forge_dagster.tools.tests.pytest_snapshots import Snapshots, read_snapshots
from forge_dagster.tools.tests.python_suites import folder_below, place, project_directory, selected, within
from forge_dagster.tools.tests.reruns import RERUN_TIMEOUT_S, labelled, to_rerun
from forge_dagster.tools.tests.verdicts import disagreement, no_tests, tail

_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_DESELECTED = re.compile(rb"\b\d+ deselected\b")
_CONFTEST = re.compile(r"^(?:ImportError while loading conftest|ConftestImportFailure).*", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pytest:
    """The adapter."""

    name: str = "pytest"
    gate: str = "unit"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "pytest"
    package: str = "pytest"
    measured_by: str = "add pytest-cov to the development dependencies"
    follow_up_may_crash: bool = True
    lists: bool = True

    def chosen(self, project: Project) -> str | None:
        """By its configuration, a conftest.py, or as a declared dependency."""
        python = project.python
        if python is None:
            return None
        because = configured(project)
        if because is not None:
            return because
        if "pytest" in python.dependencies:
            return "pytest is a declared dependency"
        conftest = next((path for path in project.files if path.rsplit("/", 1)[-1] == "conftest.py"), None)
        return f"there is a {conftest}" if conftest is not None else None

    def covers(self, project: Project, part: Project) -> bool:
        """Whether a run for the first project collects the tests of `part`: it lies below, and no testpaths leave it out."""
        place = folder_below(project, part)
        paths = [path.partition("*")[0].strip("./") for path in test_paths(project)]
        return place is not None and (not paths or any(f"{place}/".startswith(f"{path}/".lstrip("/")) for path in paths))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where the repository neither chose pytest nor has a file that pytest would collect."""
        if self.chosen(request.project) is None and not any(_TEST_FILE.search(path) for path in request.project.files):
            return ()
        if request.selection.listing:
            return (listing(request),)
        only = selected(request, request.selection.only)
        if request.selection.only and not only:
            return ()
        ignored = (f"--ignore={path}" for path in selected(request, request.selection.without))
        asked = (*common(request, JUNIT), *measuring(request), *snapshot_details(request), *opted_in(request))
        argv = (*program(request), *canaries.options(request), *asked, *ignored, *only)
        ran = command(request, argv, request.timeout_s)
        ran = replace(ran, environment=canaries.variables(request, ran.environment))
        return (ran, *reporting(request))

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed test once more, alone: in one process, and without measuring."""
        commands = []
        for number, failed in enumerate(_to_rerun(request, outputs)):
            test = failed.snippet if not failed.snippet.startswith("-") else f"./{failed.snippet}"
            argv = (
                str(request.executable),
                *common(request, _rerun_report(number)),
                *unmeasured(request),
                *serially(request),
                test,
            )
            commands.append(command(request, argv, min(RERUN_TIMEOUT_S, request.timeout_s)))
        return commands

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report in which something passed and nothing failed."""
        if not outputs:
            return ToolReport(outcome=Outcome.SKIPPED, reason="there is no file that pytest would collect")
        if request.selection.listing:
            return listed(request, outputs)
        output = outputs[0]
        result = output.result
        whole = parse_junit(output.reports.get(JUNIT, b""))
        code = result.exit_code
        if whole is None:
            return _unreported(request, output)
        report, added = canaries.parted(request, whole)
        states = [case.state for case in added]
        ran = len(report.of("passed"))
        unbelieved = canaries.unbelieved(self.name, states, ran=ran, exit_code=code) if request.canary else None
        if unbelieved is not None:
            return unbelieved
        if added and code == 1 and not report.of("failed", "error"):
            code = 0  # nothing failed but what had to
        snapshots = _snapshots(request, output)
        # of a suite that fails too: where the base fails likewise, what the change adds is still to be covered
        own = 1 + len(reporting(request))
        measured = request.selection.measure and any(COVERAGE in known.reports for known in outputs[:own])
        said = replace(_said(report, snapshots), artifacts={"coverage-pytest": COVERAGE} if measured else {})
        if code in (1, 2) and report.of("failed", "error") and report.claimed_faults:
            failed = _to_rerun(request, outputs)
            again = enumerate(zip(failed, outputs[own:], strict=False))
            passed = frozenset(fault.snippet for number, (fault, output) in again if _passed(output, number))
            findings = labelled(_faults(request, outputs[0], report), total=said.examined, passed_alone=passed) + said.findings
            return replace(said, outcome=Outcome.FAILED, reason=_faulty(report), findings=findings, exit_code=code)
        if code == 5 and not report.cases and request.selection.only and _DESELECTED.search(result.stdout):
            return ToolReport(outcome=Outcome.SKIPPED, reason=DESELECTED, exit_code=code)
        if code == 5 and not report.cases:
            return no_tests(self.name, "pytest collected no test", exit_code=code)
        explained = code == 0 or (code == 1 and snapshots is not None and snapshots.unused > 0)
        if explained and report.cases and not report.of("failed", "error") and not report.claimed_faults:
            if not said.examined:
                return no_tests(self.name, f"all {len(report.of('skipped'))} tests were skipped", exit_code=code)
            return replace(said, exit_code=code)
        return disagreement(self.name, result, told=_told(report))


def _rerun_report(number: int) -> str:
    return f"rerun-{number}.xml"


def _to_rerun(request: ToolRequest, outputs: Sequence[ToolOutput]) -> tuple[Finding, ...]:
    whole = parse_junit(outputs[0].reports.get(JUNIT, b"")) if outputs else None
    if whole is None or outputs[0].result.exit_code not in (1, 2) or request.selection.listing:
        return ()
    report, _ = canaries.parted(request, whole)
    faults = _faults(request, outputs[0], report)
    alone = {test_id(request, case) for case in report.of("failed", "error") if not is_collection(case)}
    return tuple(f for f in to_rerun(faults, total=_examined(report)) if f.snippet in alone)


def _passed(again: ToolOutput, number: int) -> bool:
    """Whether a test passed alone: something passed and nothing failed, by report and by exit code."""
    report = parse_junit(again.reports.get(_rerun_report(number), b""))
    if report is None or again.result.exit_code != 0 or report.claimed_faults or report.of("failed", "error"):
        return False
    return bool(report.of("passed"))


def _faults(request: ToolRequest, output: ToolOutput, report: JUnitReport) -> tuple[Finding, ...]:
    printed = output.result.stdout.decode("utf-8", "replace")
    return tuple(finding(request, case, printed) for case in report.of("failed", "error"))


def _examined(report: JUnitReport) -> int:
    return len(report.cases) - len(report.of("skipped"))


def _said(report: JUnitReport, snapshots: Snapshots | None) -> ToolReport:
    """What the report says of a suite that passed."""
    counts = {
        "tests": len(report.cases),
        "failed": len(report.of("failed", "error")),
        "skipped": len(report.of("skipped")),
        "passed": len(report.of("passed")),
    }
    examined, skipped = _examined(report), counts["skipped"]
    return ToolReport(
        outcome=Outcome.PASSED,
        reason=f"{examined} tests passed" + (f", {skipped} skipped" if skipped else ""),
        examined=examined,
        findings=snapshots.findings if snapshots is not None else (),
        metrics={
            **{name: float(count) for name, count in counts.items()},
            **(snapshots.metrics if snapshots is not None else {}),
        },
    )


def _faulty(report: JUnitReport) -> str:
    files = sum(is_collection(case) for case in report.of("failed", "error"))
    failed = len(report.of("failed", "error")) - files
    parts = [f"{failed} of {len(report.cases) - files} tests failed"] if failed else []
    parts += [f"{files} test file{'s' if files > 1 else ''} cannot be collected"] if files else []
    return "; ".join(parts)


def _snapshots(request: ToolRequest, output: ToolOutput) -> Snapshots | None:
    printed = output.result.stdout.decode("utf-8", "replace")
    read = read_snapshots(printed, left_out=request.selection.without) if has(request, "syrupy") else None
    if read is None:
        return None
    directory = project_directory(request)
    placed = (
        fault.model_copy(update={"file": inside(request.root, fault.file, directory=directory)}) if fault.file else fault
        for fault in read.findings
    )
    return replace(read, findings=tuple(placed))


def _told(report: JUnitReport) -> str:
    return f"{len(report.cases)} tests, {len(report.of('failed', 'error'))} of them failed"


def _unreported(request: ToolRequest, output: ToolOutput) -> ToolReport:
    """No readable report: the change's fault only where pytest itself blames a conftest."""
    result = output.result
    errors = result.stderr.decode("utf-8", "replace")
    said = _CONFTEST.search(errors)
    if result.exit_code == 4 and said is not None:
        file, line = place(request, errors[said.start() :], None)
        last = tail(errors[said.start() :], 1).removeprefix("E").strip()
        fault = Finding(
            tool="pytest",
            rule="conftest",
            category=Category.TEST,
            file=file,
            line=line,
            message=f"conftest cannot be loaded: {last}",
            suggested_fix="make the conftest importable",
            snippet=within(request, file) if file else "",
        )
        return ToolReport(outcome=Outcome.FAILED, reason="a conftest cannot be loaded", findings=(fault,), exit_code=4)
    return disagreement("pytest", result, told="no readable report")


ADAPTER = Pytest()
