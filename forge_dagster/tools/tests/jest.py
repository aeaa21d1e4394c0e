"""jest 27 and newer: exit code and JSON report must tell the same story, and tests must have run.

Exit code 1 stands for failing tests, for a coverage threshold, for no test at all and, from jest 30 on, for obsolete snapshots
(with --ci). jest measures coverage itself; the map is in the report.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.scripts import Invocation, kept
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner, again, judged, report_name
from forge_dagster.tools.tests.javascript_suite import Case, Suite
from forge_dagster.tools.tests.jest_report import read_jest_report
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.runner_signs import runner_sign

_WITH_VALUE = frozenset(
    (
        "--config", "-c", "--rootDir", "--roots", "--env", "--testEnvironment", "--selectProjects", "--ignoreProjects",
        "--projects", "--testPathPattern", "--testPathPatterns", "--testPathIgnorePatterns", "--testMatch", "--testRegex",
        "--maxWorkers", "-w", "--testTimeout", "--preset", "--testNamePattern", "-t", "--coverageProvider",
        "--collectCoverageFrom", "--coveragePathIgnorePatterns", "--modulePathIgnorePatterns", "--workerIdleMemoryLimit",
        "--globalSetup", "--globalTeardown", "--setupFilesAfterEnv", "--setupFiles", "--transform", "--moduleNameMapper",
        "--resolver",
    )
)  # fmt: skip
_ALONE = frozenset(
    (
        "--runInBand",
        "-i",
        "--color",
        "--colors",
        "--forceExit",
        "--no-cache",
        "--injectGlobals",
        "--resetModules",
        "--resetMocks",
    )
)
_DROPPED = frozenset(
    (
        "--reporters", "--outputFile", "--coverageReporters", "--coverageDirectory", "--coverageThreshold",
        "--cacheDirectory", "--shard", "--changedSince", "--testResultsProcessor", "--filter", "--notifyMode",
    )
)  # fmt: skip

_CONFIGURED = frozenset(("--config", "-c"))
_READS_ELSEWHERE_FROM = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Jest:
    """The adapter."""

    name: str = "jest"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "jest"
    package: str = "jest"
    tells_tests: bool = True
    follow_up_may_crash: bool = True
    measured_by: str = "see why jest reports no coverage"

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration file or key, or as a declared dependency."""
        return runner_sign(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """jest for each call in the repository's script, reporting as JSON."""
        if not commands.applies(request):
            return ()
        calls = commands.calls_of(request, self.name)
        return commands.preparing(request, calls) + tuple(
            commands.command(
                request,
                own,
                _argv(request, own, report_name(_MANNER, number), measure=request.selection.measure and not _unmeasured(own)),
                more={**_without(request), **_seed(request, own), **_canary_variables(request, own, number)},
                seeded=False,
            )
            for number, own in enumerate(calls)
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Each failed test once more, alone."""
        return again(_MANNER, request, outputs, calls=commands.calls_of(request, self.name))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report in which something passed, and nothing but snapshots is wrong."""
        calls = commands.calls_of(request, self.name)
        measured = any(b'"coverageMap"' in out.reports.get(_MANNER.report, b"") for out in outputs)
        return judged(_MANNER, request, outputs, calls=calls, coverage=_MANNER.report if measured else "")


def _argv(
    request: ToolRequest, own: OwnCall, report: str, *, measure: bool, alone: tuple[str, str] | None = None
) -> tuple[str, ...]:
    options, targets = kept(own.arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
    only = alone[:1] if alone is not None else commands.chosen_files(request)
    files = ("--runTestsByPath", *only) if only else tuple(targets)
    seed = _seed(request, own)
    if seed:
        options, _ = kept(options, with_value=_WITH_VALUE - _CONFIGURED, alone=_ALONE, dropped=_CONFIGURED)
        options.append(f"--config={commands.shipped('jest_seeded.config.cjs')}")
    return (
        *_program(request, own),
        "--ci",
        "--json",
        f"--outputFile={request.report / report}",
        "--testLocationInResults",
        *(("--coverage", "--coverageReporters=none", "--coverageThreshold={}") if measure else ("--coverage=false",)),
        *((f"--cacheDirectory={request.cache}",) if request.cache is not None else ()),
        *options,
        *((f"--testNamePattern={alone[1]}",) if alone is not None else ()),
        *(_planting() if alone is None and _canary(request, own) else ()),
        *((f"--filter={commands.shipped('jest_select.cjs')}",) if alone is None and commands.left_out(request) else ()),
        *files,
    )


def _unmeasured(own: OwnCall) -> bool:
    """Whether the script says that this call is not to be measured: some environments cannot run what is instrumented."""
    return any(word in ("--no-coverage", "--coverage=false") for word in own.arguments)


def _program(request: ToolRequest, own: OwnCall) -> tuple[str, ...]:
    """jest itself, or what the script calls in its place: node with options and a path, react-scripts."""
    if not own.launcher:
        return (str(request.executable),)
    if own.launcher[-1] == "test":
        return (str(commands.own_program(request, own.launcher[0])), "test", "--watchAll=false")
    return own.launcher


def _seed(request: ToolRequest, own: OwnCall) -> dict[str, str]:
    """The variables of jest_seeded.config.cjs; none where no seed is asked for or jest cannot be given one.

    jest 28 is the first whose configuration can be read from elsewhere (jest's changelog, `readInitialOptions`).
    """
    seed, node = request.selection.seed, request.project.node
    if seed is None or node is None or "fast-check" not in node.dependencies or not _reads_elsewhere(request, own):
        return {}
    return {"FORGE_FAST_CHECK_SEED": str(seed), **_configuration(own)}


def _reads_elsewhere(request: ToolRequest, own: OwnCall) -> bool:
    major = request.version.partition(".")[0]
    return own.launcher[-1:] != ("test",) and major.isdecimal() and int(major) >= _READS_ELSEWHERE_FROM


def _configuration(own: OwnCall) -> dict[str, str]:
    """Where the script says that the project's own configuration is."""
    options, _ = kept(own.arguments, with_value=_CONFIGURED, alone=())
    given = Invocation(script=own.script, arguments=tuple(options)).value(*_CONFIGURED)
    return {"FORGE_JEST_CONFIG": given} if given else {}


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    return _reads_elsewhere(request, own) and canaries.wanted(request, own, choosing=("--testNamePattern", "-t"))


def _canary_variables(request: ToolRequest, own: OwnCall, number: int) -> dict[str, str]:
    return {**canaries.variables(request, number), **_configuration(own)} if _canary(request, own) else {}


def _planting() -> tuple[str, ...]:
    """The sequencer that adds the canary; all tests run, whatever fails, for the canary does."""
    return (f"--testSequencer={canaries.file('forge_canary_jest_sequencer.cjs')}", "--no-bail")


def _without(request: ToolRequest) -> dict[str, str]:
    return {name: value for name, value in commands.selecting(request).items() if name == "FORGE_TESTS_WITHOUT"}


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    return read_jest_report("jest", request, data)


def _alone(request: ToolRequest, case: Case, name: str, report: str) -> Command:
    own = commands.calls_of(request, "jest")[0]
    place = str(request.root / (case.file or ""))
    argv = _argv(request, own, report, measure=False, alone=(place, name))
    return commands.command(request, own, argv, more=_seed(request, own), seeded=False)


_MANNER = Manner(
    tool="jest",
    shown="npx jest",
    report="jest.json",
    read=_read,
    nothing=re.compile(r"No tests found, exiting with code 1|No tests found related to files"),
    demands=re.compile(r"Jest: .*threshold.* not met|^\s*(?:Uncaught|Unhandled) ", re.MULTILINE),
    alone=_alone,
    canary=_canary,
    besides=re.compile(r"Jest: .*threshold.* not met"),
)

ADAPTER = Jest()
