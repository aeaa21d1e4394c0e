"""vitest: exit code and JSON report must tell the same story, and tests must have run.

Exit code 1 stands for failing tests, for a crash, for a coverage threshold of the repository's own and for an error outside of
any test; 0 also where a filter matched nothing. Coverage needs the repository's own provider package; its map is in the report.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests.verdicts import disagreement, no_tests

REPORT = "vitest.json"
_PROVIDERS = ("@vitest/coverage-v8", "@vitest/coverage-istanbul")
_NO_FILES = "No test files found"
_OWN_DEMANDS = re.compile(r"Vitest caught \d+ unhandled error|does not meet .*threshold|Unhandled (?:Rejection|Error)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"(?:file://)?(/[^\s():]+):(\d+):(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitest:
    """The adapter."""

    name: str = "vitest"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "vitest"
    package: str = "vitest"
    measured_by: str = "add @vitest/coverage-v8, in the version of vitest, to devDependencies"

    def chosen(self, project: Project) -> str | None:
        """By its configuration file, or as a declared dependency."""
        node = project.node
        if node is None:
            return None
        config = next((name for name in sorted(node.configuration_files) if name.startswith("vitest.")), None)
        if config is not None:
            return f"there is a {config}"
        return "vitest is a declared dependency" if "vitest" in node.dependencies else None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command: `vitest run`, printing for people and reporting as JSON."""
        node = request.project.node
        environment = request.environment
        there = {*(environment.versions if environment is not None else ()), *(node.dependencies if node is not None else ())}
        provider = next((name for name in _PROVIDERS if name in there), None)
        measure = ["--coverage.enabled=false"]
        if provider is not None:
            measure = [
                "--coverage.enabled=true",
                f"--coverage.reportsDirectory={request.report / 'coverage'}",
                "--coverage.reporter=json",
                # the repository's own thresholds are about the whole; the coverage gate judges what the change adds
                "--coverage.thresholds.100=false",
                *(f"--coverage.thresholds.{of}=0" for of in ("lines", "functions", "branches", "statements")),
            ]
            if provider == _PROVIDERS[1]:
                measure.append("--coverage.provider=istanbul")
        argv = (
            str(request.executable),
            "run",
            "--reporter=default",
            "--reporter=json",
            f"--outputFile.json={request.report / REPORT}",
            *measure,
        )
        variables = dict(environment.variables) if environment is not None else {}
        return (
            Command(
                argv=argv,
                cwd=request.root / (node.directory if node is not None else ""),
                environment={**variables, "CI": "1"},
                timeout_s=request.timeout_s,
            ),
        )

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report in which something passed and nothing failed."""
        if not outputs:
            return ToolReport(outcome=Outcome.ERRORED, reason="vitest was not run")
        output = outputs[-1]
        result = output.result
        code = result.exit_code
        printed = _ESCAPES.sub("", (result.stdout + b"\n" + result.stderr).decode("utf-8", "replace"))
        report = _load(output.reports.get(REPORT, b""))
        if report is None or not isinstance(report.get("testResults"), list):
            if code == 1 and _NO_FILES in printed:
                return no_tests(self.name, "vitest found no test file", exit_code=code)
            return disagreement(self.name, result, told="no readable report")
        files = [file for file in report["testResults"] if isinstance(file, dict)]
        found = _count(request, files)
        reason = f"{found.failed} of {found.tests} tests failed" if found.failed else "test files cannot be loaded"
        if code == 1 and found.findings and report.get("success") is not True:
            return _report(Outcome.FAILED, reason, found, code)
        if code == 1 and not files and _NO_FILES in printed:
            return no_tests(self.name, "vitest found no test file", exit_code=code)
        if code == 1 and not found.findings and _OWN_DEMANDS.search(printed):
            line, finding = _outside(printed)
            return _report(Outcome.FAILED, line, replace(found, findings=(finding,)), code)
        if code == 0 and found.tests and not found.findings and report.get("success") is True:
            if not found.examined:
                return no_tests(self.name, f"all {found.tests} tests were skipped", exit_code=code)
            skipped = found.tests - found.examined
            passed = _report(
                Outcome.PASSED, f"{found.examined} tests passed" + (f", {skipped} skipped" if skipped else ""), found, code
            )
            return replace(passed, artifacts={"coverage-vitest": REPORT}) if "coverageMap" in report else passed
        return disagreement(self.name, result, told=f"{found.tests} tests, {len(found.findings)} faults")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What the report tells: tests in all, those that ran, and each fault."""

    tests: int
    passed: int
    failed: int
    findings: tuple[Finding, ...]

    @property
    def examined(self) -> int:
        return self.passed + self.failed


def _count(request: ToolRequest, files: Sequence[Mapping[str, Any]]) -> _Counted:
    tests = [(file, test) for file in files for test in _dicts(file.get("assertionResults"))]
    failed = [(file, test) for file, test in tests if _is(test, "failed")]
    return _Counted(
        tests=len(tests),
        passed=sum(_is(test, "passed") for _, test in tests),
        failed=len(failed),
        findings=(*_failed_files(request, files), *(_failed(request, file, test) for file, test in failed)),
    )


def _report(outcome: Outcome, reason: str, found: _Counted, code: int) -> ToolReport:
    counts = {"tests": found.tests, "passed": found.passed, "failed": found.failed, "skipped": found.tests - found.examined}
    return ToolReport(
        outcome=outcome,
        reason=reason,
        examined=found.examined,
        findings=found.findings,
        exit_code=code,
        metrics={name: float(count) for name, count in counts.items()},
    )


def _load(data: bytes) -> Mapping[str, Any] | None:
    try:
        report = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def _dicts(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _is(test: Mapping[str, Any], status: str) -> bool:
    return test.get("status") == status


def _text(value: object) -> str:
    return _ESCAPES.sub("", value) if isinstance(value, str) else ""


def _failed_files(request: ToolRequest, files: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Test files that failed as a whole: they do not parse, or an import or a hook of theirs failed."""
    for file in files:
        if not _is(file, "failed") or any(_is(test, "failed") for test in _dicts(file.get("assertionResults"))):
            continue
        path = inside(request.root, _text(file.get("name")))
        message = _text(file.get("message")).strip()
        yield Finding(
            tool="vitest",
            rule="collection-error",
            category=Category.TEST,
            file=path,
            line=_line(request, message, path),
            message=f"{path or 'a test file'} cannot be loaded: {message.splitlines()[0] if message else 'no reason given'}",
            suggested_fix=f"see it by: npx vitest run {shlex.quote(path or '.')}",
            snippet=path or "",
        )


def _failed(request: ToolRequest, file: Mapping[str, Any], test: Mapping[str, Any]) -> Finding:
    path = inside(request.root, _text(file.get("name")))
    messages = test.get("failureMessages")
    text = "\n".join(_text(message) for message in messages) if isinstance(messages, list) else ""
    name = _text(test.get("fullName")) or _text(test.get("title"))
    said = text.strip().split("\n    at ")[0].strip()
    return Finding(
        tool="vitest",
        rule="test-failed",
        category=Category.TEST,
        file=path,
        line=_line(request, text, path),
        message=f"{path or 'a test file'} > {name} failed: {said}",
        suggested_fix=f"see it by: npx vitest run {shlex.quote(path or '.')} -t {shlex.quote(name)}",
        snippet=f"{path}::{name}",
    )


def _line(request: ToolRequest, text: str, path: str | None) -> int | None:
    """The line of the stack's first frame in the test file."""
    for frame in _FRAME.finditer(text):
        if path is not None and inside(request.root, frame[1]) == path:
            return int(frame[2][:8]) or None
    return None


def _outside(printed: str) -> tuple[str, Finding]:
    """Every test passed, and vitest said no all the same: an unhandled error, or the repository's own threshold."""
    said = _OWN_DEMANDS.search(printed)
    line = printed[printed.rfind("\n", 0, said.start()) + 1 :].splitlines()[0].strip() if said else ""
    finding = Finding(
        tool="vitest",
        rule="threshold" if "threshold" in line else "unhandled-error",
        category=Category.TEST,
        message=f"all tests passed, but vitest ended with 1: {line}",
        suggested_fix="see it by: npx vitest run",
    )
    return line, finding


ADAPTER = Vitest()
