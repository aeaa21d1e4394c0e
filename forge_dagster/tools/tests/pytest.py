"""pytest: exit code and JUnit report must tell the same story, and tests must have run.

Exit codes (docs.pytest.org, "Exit codes"): 0 all passed, 1 some failed, 2 interrupted (also: collection failed), 3 internal
error, 4 usage error (also: a conftest that cannot be imported), 5 no tests collected.
Coverage is measured by pytest-cov, which every environment with tests has (workspace/python_environments.py adds it where the
repository does not): unlike coverage.py around pytest it also sees what the workers of pytest-xdist execute.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests.junit import JUnitReport, TestCase, parse_junit
from forge_dagster.tools.tests.verdicts import disagreement, no_tests, tail

JUNIT = "junit.xml"
COVERAGE = "coverage.json"

_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_CONFIGURATION = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
_FRAME = re.compile(r'^(?:E\s+)?(?:File "(?P<a>[^"\n]+)", line (?P<b>\d+)|(?P<c>[^\s:][^:\n]*\.py):(?P<d>\d+):)', re.MULTILINE)
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

    def chosen(self, project: Project) -> str | None:
        """By its configuration, a conftest.py, or as a declared dependency."""
        python = project.python
        if python is None:
            return None
        configured = _configured(project)
        if configured is not None:
            return configured
        if "pytest" in python.dependencies:
            return "pytest is a declared dependency"
        conftest = next((path for path in project.files if path.rsplit("/", 1)[-1] == "conftest.py"), None)
        return f"there is a {conftest}" if conftest is not None else None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where the repository neither chose pytest nor has a file that pytest would collect."""
        if self.chosen(request.project) is None and not any(_TEST_FILE.search(path) for path in request.project.files):
            return ()
        python = request.project.python
        environment = request.environment
        variables = {
            **(environment.variables if environment is not None else {}),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CI": "1",
            "COVERAGE_FILE": str(request.report / ".coverage"),
        }
        cwd = request.root / (python.directory if python is not None else "")
        return (Command(argv=_argv(request), cwd=cwd, environment=variables, timeout_s=request.timeout_s),)

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report in which something passed and nothing failed."""
        if not outputs:
            return ToolReport(outcome=Outcome.SKIPPED, reason="there is no file that pytest would collect")
        output = outputs[-1]
        result = output.result
        report = parse_junit(output.reports.get(JUNIT, b""))
        code = result.exit_code
        if report is None:
            return _unreported(request, output)
        faults, skipped = report.of("failed", "error"), report.of("skipped")
        examined = len(report.cases) - len(skipped)
        metrics = {
            "tests": float(len(report.cases)),
            "failed": float(len(faults)),
            "skipped": float(len(skipped)),
            "passed": float(len(report.of("passed"))),
        }
        if code in (1, 2) and faults and report.claimed_faults:
            findings = tuple(_finding(request, case) for case in faults)
            reason = f"{len(faults)} of {len(report.cases)} tests failed" if code == 1 else "test files cannot be collected"
            return ToolReport(
                outcome=Outcome.FAILED, reason=reason, examined=examined, findings=findings, exit_code=code, metrics=metrics
            )
        if code == 5 and not report.cases:
            return no_tests(self.name, "pytest collected no test", exit_code=code)
        if code == 0 and report.cases and not faults and not report.claimed_faults:
            if not examined:
                return no_tests(self.name, f"all {len(skipped)} tests were skipped", exit_code=code)
            artifacts = {"coverage-pytest": COVERAGE} if COVERAGE in output.reports else {}
            reason = f"{examined} tests passed" + (f", {len(skipped)} skipped" if skipped else "")
            return ToolReport(
                outcome=Outcome.PASSED, reason=reason, examined=examined, exit_code=code, metrics=metrics, artifacts=artifacts
            )
        return disagreement(self.name, result, told=_told(report))


def _argv(request: ToolRequest) -> tuple[str, ...]:
    # xunit1 is the flavour that tells file and line; the cache stays usable (addopts may say --ff), but outside of the tree
    overrides = ("-o", "junit_family=xunit1", "-o", "cache_dir=$TMPDIR/pytest-cache")
    # or pytest would look for a configuration in the folders above the checkout
    nowhere = ("-c", "/dev/null", "--rootdir=.") if _configured(request.project) is None else ()
    return (
        str(request.executable),
        f"--junitxml={request.report / JUNIT}",
        *overrides,
        *nowhere,
        "--color=no",
        "--no-header",
        *(f"--cov={folder}" for folder in _sources(request)),
        "--cov-branch",
        f"--cov-report=json:{request.report / COVERAGE}",
        # the repository's own threshold is about the whole; the coverage gate judges what the change adds
        "--cov-fail-under=0",
    )


def _sources(request: ToolRequest) -> tuple[str, ...]:
    """What is measured, whatever the configuration says: the whole project, and `src` once more, since coverage.py finds files
    that nobody imports only in packages and at the top of what it is given.
    """
    python = request.project.python
    prefix = f"{python.directory}/src/" if python is not None and python.directory else "src/"
    return (".", "src") if any(path.startswith(prefix) for path in request.project.files) else (".",)


def _configured(project: Project) -> str | None:
    python = project.python
    if python is None:
        return None
    section = python.pyproject.get("tool")
    if isinstance(section, dict) and "pytest" in section:
        return "pyproject.toml has [tool.pytest]"
    for name in _CONFIGURATION:
        if name in python.configuration_files:
            return f"there is a {name}"
    if "tool:pytest" in python.ini_sections:
        return "setup.cfg has [tool:pytest]"
    return "tox.ini has [pytest]" if "pytest" in python.ini_sections else None


def _told(report: JUnitReport) -> str:
    return f"{len(report.cases)} tests, {len(report.of('failed', 'error'))} of them failed"


def _unreported(request: ToolRequest, output: ToolOutput) -> ToolReport:
    """No readable report: the change's fault only where pytest itself blames a conftest."""
    result = output.result
    errors = result.stderr.decode("utf-8", "replace")
    said = _CONFTEST.search(errors)
    if result.exit_code == 4 and said is not None:
        file, line = _place(request, errors[said.start() :], None)
        last = tail(errors[said.start() :], 1).removeprefix("E").strip()
        finding = Finding(
            tool="pytest",
            rule="conftest",
            category=Category.TEST,
            file=file,
            line=line,
            message=f"conftest cannot be loaded: {last}",
            suggested_fix="make the conftest importable",
        )
        return ToolReport(outcome=Outcome.FAILED, reason="a conftest cannot be loaded", findings=(finding,), exit_code=4)
    return disagreement("pytest", result, told="no readable report")


def _finding(request: ToolRequest, case: TestCase) -> Finding:
    collection = case.message == "collection failure"
    directory = request.project.python.directory if request.project.python is not None else ""
    own = inside(request.root, case.file, directory=directory) if case.file else None
    file, line = _place(request, case.text, None if collection else own)
    test = own or case.name if collection else _test_id(case)
    what = tail(case.text, 1).removeprefix("E").strip() if collection else case.message.strip() or tail(case.text, 1)
    verb = "cannot be collected" if collection else "failed" if case.state == "failed" else "ended in an error"
    return Finding(
        tool="pytest",
        rule="collection-error" if collection else "test-failed" if case.state == "failed" else "test-error",
        category=Category.TEST,
        file=file or own,
        line=line if file is not None else case.line,
        message=f"{test} {verb}: {what}",
        suggested_fix=f"see it by: python -m pytest {shlex.quote(test)}",
        snippet=test,
    )


def _test_id(case: TestCase) -> str:
    """pytest's node id: file::Class::test, from xunit1's file, dotted class name and name."""
    if case.file is None:
        return f"{case.suite}::{case.name}" if case.suite else case.name
    module = case.file.removesuffix(".py").replace("/", ".")
    inner = case.suite.removeprefix(module).strip(".") if case.suite.startswith(module) else ""
    return "::".join([case.file, *(part for part in inner.split(".") if part), case.name])


def _place(request: ToolRequest, text: str, own: str | None) -> tuple[str | None, int | None]:
    """Where a traceback leads: its last frame in the file `own`, else its last frame in the repository."""
    directory = request.project.python.directory if request.project.python is not None else ""
    found: tuple[str | None, int | None] = (None, None)
    known = set(request.project.files)
    for frame in _FRAME.finditer(text):
        path = inside(request.root, frame["a"] or frame["c"], directory=directory)
        line = int((frame["b"] or frame["d"])[:8])
        if path is None or line < 1 or (known and path not in known):
            continue
        if path == own or own is None or found[0] != own:
            found = (path, line)
    return found


ADAPTER = Pytest()
