"""vitest: exit code and JSON report must tell the same story, and tests must have run.

Exit code 1 stands for failing tests, for a crash, for a coverage threshold of the repository's own, for obsolete snapshots
(with CI=1) and for an error outside of any test; 0 also where a filter matched nothing. Coverage needs the repository's own
provider package in vitest's own version; its map is in the report, before vitest 3 in a file of its own. `vitest list`
(vitest.dev, "CLI": from 2.0 on) loads test files and runs no test; before, the tests are run to have them listed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_listing import listed
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.javascript_text import place
from forge_dagster.tools.tests.jest_report import read_jest_report
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.runner_signs import other_runner, runner_sign

_PROVIDERS = ("@vitest/coverage-v8", "@vitest/coverage-istanbul")
_WITH_VALUE = frozenset(
    (
        "--config", "-c", "--root", "-r", "--dir", "--project", "--workspace", "--environment", "--mode", "--pool",
        "--maxWorkers", "--minWorkers", "--testTimeout", "--hookTimeout", "--exclude", "--typecheck.tsconfig",
        "--testNamePattern", "-t", "--tagsFilter",
    )
)  # fmt: skip
_ALONE = frozenset(
    (
        "--globals", "--typecheck", "--dom", "--no-isolate", "--isolate", "--no-file-parallelism", "--fileParallelism",
        "--no-threads", "--threads", "--single-thread", "--singleThread", "--allowOnly", "--expandSnapshotDiff",
    )
)  # fmt: skip
_DROPPED = frozenset(
    ("--reporter", "--outputFile", "--shard", "--bail", "--retry", "--coverage.provider", "--coverage.reporter", "--inspect")
)
_COMMANDS = frozenset(("run", "watch", "dev", "related"))
_LISTS_FROM = 2
_LENDABLE = re.compile(r"[1-9]\d{0,3}\.\d{1,5}\.\d{1,5}(?:-[\w.]{1,40})?")
"""Versions that take a provider from elsewhere: seen with 1.6, 2.1, 3.2 and 4.1."""
_LENT = Path(__file__).with_name("vitest_coverage.mjs")
_OLD = re.compile(r"0\.([0-2]?\d|3[0-3])\.")
"""Versions to which no canary is given: what it enters by was not tried there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitest:
    """The adapter."""

    name: str = "vitest"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "vitest"
    package: str = "vitest"
    lists: bool = True
    tells_tests: bool = True
    follow_up_may_crash: bool = True
    measured_by: str = "add @vitest/coverage-v8, in exactly the version of vitest, to devDependencies"

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration file, or as a declared dependency."""
        return runner_sign(project, self.name)

    def beside_exactly(self, request: ToolRequest) -> str:
        """What measures for vitest, in vitest's own version, where the repository lacks it; "" where it does not."""
        lacks = _provider(request) is None and _LENDABLE.fullmatch(request.version) is not None
        return f"{_PROVIDERS[0]}@{request.version}" if lacks else ""

    def rival(self, project: Project) -> str | None:
        """A test runner that Forge cannot run, for the reason that is given then."""
        return other_runner(project)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """`vitest run` for each call in the repository's script, printing for people and reporting as JSON."""
        if not commands.applies(request):
            return ()
        calls = _calls(request)
        return commands.preparing(request, calls) + tuple(
            commands.command(
                request,
                own,
                _argv(request, own, report_name(_MANNER, number), measure=request.selection.measure),
                more={**_provided(request), **(canaries.variables(request, number) if _canary(request, own) else {})},
            )
            for number, own in enumerate(calls)
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed test once more, alone."""
        return () if request.selection.listing else again(_MANNER, request, outputs, calls=_calls(request))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report in which something passed, and nothing but snapshots is wrong."""
        calls = _calls(request)
        if request.selection.listing:
            return listed(_MANNER, request, outputs, calls=calls, read=_read_listing if _lists(request) else None)
        measured = any(b'"coverageMap"' in out.reports.get(_MANNER.report, b"") for out in outputs)
        return judged(_MANNER, request, outputs, calls=calls, coverage=_MANNER.report if measured else commands.COVERAGE)


def _calls(request: ToolRequest) -> tuple[OwnCall, ...]:
    found = tuple(own for own in commands.calls_of(request, "vitest") if own.arguments[:1] not in (("bench",), ("list",)))
    return found or (OwnCall(),)


def _argv(
    request: ToolRequest, own: OwnCall, report: str, *, measure: bool, alone: tuple[str, str] | None = None
) -> tuple[str, ...]:
    arguments = own.arguments[1:] if own.arguments[:1] and own.arguments[0] in _COMMANDS else own.arguments
    options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
    files: tuple[str, ...] = commands.chosen_files(request) or tuple(targets)
    if alone is not None:
        files = alone[:1]
        options.append(f"--testNamePattern={alone[1]}")
    without = () if alone is not None else commands.left_out(request)
    root = f"{commands.directory(request)}/"
    chosen = (*files, *options, *(f"--exclude={_glob(path.removeprefix(root))}" for path in without))
    told = request.report / report
    if request.selection.listing and _lists(request):
        return (str(request.executable), "list", *chosen, f"--json={told}", *_not_measuring(request))
    return (
        str(request.executable),
        "run",
        *chosen,
        "--reporter=default",
        "--reporter=json",
        f"--outputFile.json={told}",
        *(_planting() if alone is None and _canary(request, own) else ()),
        *(_measuring(request) if measure else _not_measuring(request)),
    )


def _lists(request: ToolRequest) -> bool:
    """Whether this version has the command `list`."""
    major = request.version.partition(".")[0]
    return major.isdecimal() and int(major) >= _LISTS_FROM


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    if request.selection.listing:
        return False
    old = _OLD.match(request.version) is not None
    return not old and canaries.wanted(request, own, choosing=("--testNamePattern", "-t", "--tagsFilter"))


def _planting() -> tuple[str, ...]:
    """The reporter that adds the canary; all tests run, whatever fails, for the canary does."""
    return (f"--reporter={canaries.file('forge_canary_vitest_reporter.mjs')}", "--bail=0")


def _glob(path: str) -> str:
    """The pattern that is met by this path alone."""
    return re.sub(r"([\\*?\[\]{}()!+@|])", r"\\\1", path)


def _not_measuring(request: ToolRequest) -> tuple[str, ...]:
    """Vitest before 1.0 takes the value of an option with a dot for a text, and any text for true."""
    return ("--no-coverage",) if request.version.startswith("0.") else ("--coverage.enabled=false",)


def _provider(request: ToolRequest) -> str | None:
    node, environment = request.project.node, request.environment
    there = {*(environment.versions if environment is not None else ()), *(node.dependencies if node is not None else ())}
    return next((name for name in _PROVIDERS if name in there), None)


def _provided(request: ToolRequest) -> dict[str, str]:
    """What tells the provider in vitest_coverage.mjs where the real one is."""
    folder = request.beside.get(_PROVIDERS[0]) if request.selection.measure and not request.selection.listing else None
    return {} if folder is None else {"FORGE_VITEST_COVERAGE": str(folder / "dist" / "index.js")}


def _measuring(request: ToolRequest) -> tuple[str, ...]:
    provider = _provider(request)
    lent = _provided(request) if provider is None else {}
    if provider is None and not lent:
        return _not_measuring(request)
    return (
        "--coverage.enabled=true",
        f"--coverage.reportsDirectory={request.report / 'coverage'}",
        "--coverage.reporter=json",
        # the test that must fail is no reason to measure nothing, as it would be before vitest 3
        "--coverage.reportOnFailure=true",
        # the repository's own thresholds are about the whole; the coverage gate judges what the change adds
        "--coverage.thresholds.100=false",
        *(f"--coverage.thresholds.{of}=0" for of in ("lines", "functions", "branches", "statements")),
        *(("--coverage.provider=istanbul",) if provider == _PROVIDERS[1] else ()),
        *(("--coverage.provider=custom", f"--coverage.customProviderModule={_LENT}") if lent else ()),
    )


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    return read_jest_report("vitest", request, data)


def _read_listing(request: ToolRequest, data: bytes) -> Suite | None:
    """What `vitest list --json` writes: tests that are not skipped. Never raises."""
    try:
        told = load_json(data)
    except (ValueError, RecursionError):
        return None
    tests = [test for test in told if isinstance(test, dict)] if isinstance(told, list) else []
    cases = [(place(request, test.get("file")), test.get("name")) for test in tests]
    return Suite(cases=tuple(Case(file=file, name=name, state="passed") for file, name in cases if isinstance(name, str)))


def _alone(request: ToolRequest, case: Case, name: str, report: str) -> Command:
    own = _calls(request)[0]
    file = str(request.root / (case.file or ""))
    return commands.command(request, own, _argv(request, own, report, measure=False, alone=(file, name)))


_MANNER = Manner(
    tool="vitest",
    shown="npx vitest run",
    report="vitest.json",
    read=_read,
    nothing=re.compile("No test files found"),
    demands=re.compile(r"Vitest caught \d+ unhandled error|does not meet .*threshold|Unhandled (?:Rejection|Error)"),
    alone=_alone,
    canary=_canary,
    besides=re.compile(r"Vitest caught \d+ unhandled error|does not meet .*threshold"),
)

ADAPTER = Vitest()
