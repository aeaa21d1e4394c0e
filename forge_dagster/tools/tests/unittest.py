"""unittest, where a repository uses it and not pytest: run by Forge's own small program in the repository's environment.

unittest prints for people only, so `programs/run_unittest.py` runs the suite and writes what became of each test. Whether a
repository uses it stands in no configuration: gate `unit` reads for it (domain/test_kinds.py) and tells by `informed`.
"""

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.suite_calls import SuiteCall, suite_places
from forge_dagster.ports import Command, Tool, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.reading import Unreadable, careful, json_object, position
from forge_dagster.tools.tests import canaries
from forge_dagster.tools.tests.python_suites import (
    folder_below,
    measured_folders,
    place,
    project_directory,
    selected,
    variables,
    working_folder,
)
from forge_dagster.tools.tests.reruns import RERUN_TIMEOUT_S, TEST_ERROR, TEST_FAILED, labelled, to_rerun
from forge_dagster.tools.tests.verdicts import counterexample, disagreement, no_tests, with_example

REPORT, COVERAGE, SCHEMA = "unittest.json", "coverage.json", "forge.unittest/1"
PROGRAM = Path(__file__).with_name("programs") / "run_unittest.py"

_STATES = ("passed", "failed", "error", "skipped")
_FIXTURE = re.compile(r"(?:setUp|tearDown)(?:Class|Module) \(([\w.]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unittest:
    """The adapter. `calls`: folder of a Python project -> how it is seen to run unittest."""

    name: str = "unittest"
    gate: str = "unit"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "python"
    package: str = ""
    measured_by: str = "add coverage to the development dependencies"
    follow_up_may_crash: bool = True
    calls: Mapping[str, SuiteCall] = field(default_factory=dict)

    def informed(self, calls: Mapping[str, SuiteCall]) -> Tool:
        """The same adapter, knowing which projects use unittest."""
        return replace(self, calls=calls)

    def chosen(self, project: Project) -> str | None:
        """By what a project's scripts run or its tests import, where it does not use pytest."""
        call = self.calls.get(project.python.directory) if project.python is not None else None
        return None if call is None else call.because

    def covers(self, project: Project, part: Project) -> bool:
        """Whether a run for the first project loads the tests of `part`: it lies below, and no command says what to load."""
        call = self.calls.get(project.python.directory) if project.python is not None else None
        return folder_below(project, part) is not None and (call is None or call.arguments is None)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is nothing to discover."""
        where = self._where(request)
        only = selected(request, request.selection.only)
        if not where or (request.selection.only and not only):
            return ()
        chosen = [
            *(f"--only={path}" for path in only),
            *(f"--without={path}" for path in selected(request, request.selection.without)),
        ]
        measure = [f"--coverage={request.report / COVERAGE}", *(f"--source={folder}" for folder in measured_folders(request))]
        canary = (f"--canary={canaries.test_name(request)}",) if request.canary else ()
        argv = (*_common(request, REPORT), *(measure if request.selection.measure else ()), *chosen, *canary, *where)
        return (_command(request, argv, request.timeout_s),)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed test once more, alone."""
        return [
            _command(
                request,
                (*_common(request, f"rerun-{number}.json"), *self._paths(request), f"--name={_name(fault.snippet)}"),
                min(RERUN_TIMEOUT_S, request.timeout_s),
            )
            for number, fault in enumerate(_to_rerun(request, outputs))
        ]

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report in which something passed and nothing failed."""
        if not outputs:
            return ToolReport(outcome=Outcome.SKIPPED, reason="there is no file that unittest would load")
        output = outputs[0]
        code = output.result.exit_code
        if REPORT not in output.reports:
            return disagreement(self.name, output.result, told="no readable report")
        whole, claimed = _read(output.reports[REPORT])
        tests, states = _parted(request, whole)
        unbelieved = canaries.unbelieved(self.name, states, ran=_counts(tests)["passed"], exit_code=code)
        if request.canary and unbelieved is not None:
            return unbelieved
        faults = [test for test in tests if test["state"] in ("failed", "error")]
        if states and code == 1 and not faults and not claimed:
            code, claimed = 0, True  # nothing failed but what had to
        counts = _counts(tests)
        examined = counts["tests"] - counts["skipped"]
        metrics = {name: float(count) for name, count in counts.items()}
        # of a suite that fails too: where the base fails likewise, what the change adds is still to be covered
        measured = request.selection.measure and COVERAGE in output.reports
        artifacts = {"coverage-unittest": COVERAGE} if measured else {}
        if code == 1 and faults and not claimed:
            failed = _to_rerun(request, outputs)
            passed = frozenset(f.snippet for n, (f, o) in enumerate(zip(failed, outputs[1:], strict=False)) if _passed(o, n))
            findings = labelled([_finding(request, test) for test in faults], total=examined, passed_alone=passed)
            reason = f"{counts['failed']} of {counts['tests']} tests failed"
            return ToolReport(
                outcome=Outcome.FAILED,
                reason=reason,
                examined=examined,
                findings=findings,
                exit_code=code,
                metrics=metrics,
                artifacts=artifacts,
            )
        if code == 5 and not tests:
            return no_tests(self.name, "unittest found no test", exit_code=code)
        if code == 0 and claimed and tests and not faults:
            if not counts["passed"]:
                return no_tests(self.name, f"all {counts['skipped']} tests were skipped", exit_code=code)
            return ToolReport(
                outcome=Outcome.PASSED,
                reason=f"{examined} tests passed" + (f", {counts['skipped']} skipped" if counts["skipped"] else ""),
                examined=examined,
                exit_code=code,
                metrics=metrics,
                artifacts=artifacts,
            )
        return disagreement(self.name, output.result, told=f"{len(tests)} tests, {len(faults)} of them failed")

    def _where(self, request: ToolRequest) -> tuple[str, ...]:
        places = suite_places(request.project, self.calls.get(project_directory(request)))
        found: list[str] = [f"--name={name}" for name in places.names]
        for start, pattern, top in places.folders:
            found += ["--discover", start, pattern, top]
        return tuple(found)

    def _paths(self, request: ToolRequest) -> tuple[str, ...]:
        folders = suite_places(request.project, self.calls.get(project_directory(request))).folders
        return tuple(f"--path={top or start}" for start, _, top in folders)


def _common(request: ToolRequest, report: str) -> tuple[str, ...]:
    seed = (f"--seed={request.selection.seed}",) if request.selection.seed is not None else ()
    return (str(request.executable), str(PROGRAM), f"--report={request.report / report}", *seed)


def _command(request: ToolRequest, argv: tuple[str, ...], timeout_s: float) -> Command:
    return Command(argv=argv, cwd=working_folder(request), environment=variables(request), timeout_s=timeout_s)


def _read(content: bytes) -> tuple[list[dict[str, Any]], bool]:
    """Each entry of the report, and whether unittest itself called the run successful. Raises Unreadable."""
    report = json_object(content, "unittest's report")
    tests, claimed = report.get("tests"), report.get("successful")
    if report.get("schema") != SCHEMA or not isinstance(tests, list) or not isinstance(claimed, bool):
        raise Unreadable("unittest's report is not what Forge's program writes")
    for test in tests:
        if not isinstance(test, dict) or test.get("state") not in _STATES or not isinstance(test.get("id"), str):
            raise Unreadable("unittest's report is not what Forge's program writes")
    return tests, claimed


def _parted(request: ToolRequest, tests: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The entries without the canary's, and the states of those."""
    name = canaries.test_name(request)
    own = [test for test in tests if name and test["id"].endswith(f".{name}")]
    return [test for test in tests if test not in own], [test["state"] for test in own]


def _counts(tests: list[dict[str, Any]]) -> dict[str, int]:
    """Tests by what became of them; one that failed twice (a test, then its tear-down) is one."""
    states: dict[str, str] = {}
    for test in tests:
        worse = _STATES.index(test["state"]) in (1, 2) or test["id"] not in states
        states[test["id"]] = test["state"] if worse else states[test["id"]]
    found = list(states.values())
    return {
        "tests": len(found),
        "failed": found.count("failed") + found.count("error"),
        "skipped": found.count("skipped"),
        "passed": found.count("passed"),
    }


def _to_rerun(request: ToolRequest, outputs: Sequence[ToolOutput]) -> tuple[Finding, ...]:
    if not outputs or outputs[0].result.exit_code != 1:
        return ()
    try:
        tests, _ = _parted(request, _read(outputs[0].reports.get(REPORT, b""))[0])
    except Unreadable:
        return ()
    counts = _counts(tests)
    faults = [_finding(request, test) for test in tests if test["state"] in ("failed", "error")]
    return to_rerun(faults, total=counts["tests"] - counts["skipped"])


def _passed(again: ToolOutput, number: int) -> bool:
    try:
        tests, claimed = _read(again.reports.get(f"rerun-{number}.json", b""))
    except Unreadable:
        return False
    return again.result.exit_code == 0 and claimed and any(test["state"] == "passed" for test in tests)


def _name(test: str) -> str:
    """What loads a test: its id after the file's name; for a failed fixture, the class or module that it is of."""
    test = test.rpartition("::")[2]
    fixture = _FIXTURE.fullmatch(test)
    return fixture[1] if fixture is not None else test


def _finding(request: ToolRequest, test: Mapping[str, Any]) -> Finding:
    collection = test.get("kind") == "collection"
    name, text, said = test["id"], str(test.get("text", "")), str(test.get("message", "")).strip()
    own = inside(request.root, str(test["file"])) if test.get("file") else None
    file, line = place(request, text, None if collection else own)
    if collection:
        said = next((row.strip() for row in reversed(text.splitlines()) if row.strip()), said)
    verb = "cannot be loaded" if collection else "failed" if test["state"] == "failed" else "ended in an error"
    folder = posixpath.join(".", project_directory(request)) if project_directory(request) else ""
    again = f"python -m unittest {shlex.quote(_name(name))}" + (f" (in {folder})" if folder else "")
    return Finding(
        tool="unittest",
        rule="collection-error" if collection else TEST_FAILED if test["state"] == "failed" else TEST_ERROR,
        category=Category.TEST,
        file=file or own,
        line=line if file is not None else position(test.get("line")),
        message=f"{name} {verb}: {with_example(said, counterexample(text))}",
        suggested_fix=f"see it by: {again}",
        snippet=f"{own}::{name}" if own else name,
    )


ADAPTER = Unittest()
