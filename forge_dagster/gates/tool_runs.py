"""Runs one tool of a gate: finds it, gives it what it may see and keep, and judges what it leaves.


A tool may say more about itself than the Protocol asks:
`needs_environment` (default True): whether it is of no use without the repository's own environment; one that does without is
taken from there only where the repository depends on it, so that a default tool costs no installation.
`loads_packages(project)`: whether it needs that environment all the same, since its configuration is code or names packages.
`shared_cache` (default False): whether its cache holds nothing of a repository, and may serve all of them.
`rival(project)`: a tool of its kind that the repository uses and Forge cannot run, so that no default is imposed.
`follow_up`: a second round of commands (ports.FollowUp); with `follow_up_may_crash` (default False) one that crashes or hangs
ends only that round, for what the first found is a fault already.
"""

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from forge_dagster.domain.graph import gate_spec
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Project
from forge_dagster.domain.reach import loopback_ports
from forge_dagster.domain.results import ToolRun
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.judging import believed, crash, errored, judged, placed
from forge_dagster.gates.locating import Located, locate
from forge_dagster.gates.reports import fresh, read_reports
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import (
    Command,
    Environment,
    FollowUp,
    GateContext,
    Selection,
    Tool,
    ToolOutput,
    ToolReport,
    ToolRequest,
    environment_folders,
)

_LOG_LINE = 500
"""Characters of an output line that reach the log; a JSON report is one line of megabytes."""
_COMMAND_LINE = 4_000
"""Characters of a command that reach the log; the names of the files that a tool is given come last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExtra:
    """What a gate asks of its tools beyond the context: which tests, and variables for their environment.

    `canary` names the test that must fail (ports.ToolRequest); drawn for each run by the gates of tests.
    `reads` are files outside of the tree that they see. `elsewhere`: gives the variables for another tree, the base's, while
    that is asked about; None: they are the same there.
    """

    selection: Selection = field(default_factory=Selection)
    variables: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    canary: str = ""
    elsewhere: Callable[[GateContext], AbstractContextManager[Mapping[str, str]]] | None = None


NOTHING_MORE = RequestExtra()


def run_tool(context: GateContext, choice: Choice, extra: RequestExtra = NOTHING_MORE) -> Examined:
    """Run one tool and judge it. Whatever goes wrong is ERRORED; raises only Interrupted and Superseded."""
    begun = context.clock.monotonic()
    tool = choice.tool
    if choice.project is not None:
        part = choice.directory.replace("/", "+")
        cache = context.cache / f"part-{part}" if context.cache is not None else None
        context = replace(context, project=choice.project, scratch=context.scratch / f"part-{part}", cache=cache)
    folder = context.scratch / tool.name / "report"
    version = ""
    if choice.unavailable:
        return _left_out(choice, folder)
    try:
        found = locate(context, tool)
        version = found.version
        with kept_cache(context, tool, found.environment) as cache:
            request = _request(context, found, extra, report=fresh(folder), cache=cache)
            request = replace(request, beside=_beside(context, tool, request))
            report = _run(context, tool, request, found.environment)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        report = errored(error.message, hint=error.hint)
    except Exception as error:  # noqa: BLE001 - a fault in Forge or on disk must not hide the other tools' findings
        report = errored(f"{tool.name} could not be run ({type(error).__name__}: {error})", hint="run `forge doctor`")
    run = ToolRun(
        tool=tool.name,
        version=version,
        outcome=report.outcome,
        reason=report.reason,
        exit_code=report.exit_code,
        examined=max(report.examined, 0),
        chosen_because=choice.because,
        duration_s=context.clock.monotonic() - begun,
    )
    return Examined(run=run, report=report, folder=folder, directory=choice.directory)


def _left_out(choice: Choice, folder: Path) -> Examined:
    report = ToolReport(outcome=Outcome.SKIPPED, reason=choice.unavailable)
    run = ToolRun(tool=choice.tool.name, outcome=report.outcome, reason=choice.unavailable, chosen_because=choice.because)
    return Examined(run=run, report=report, folder=folder)


def _run(context: GateContext, tool: Tool, request: ToolRequest, environment: Environment | None) -> ToolReport:
    variables = {**({} if environment is None else environment.variables), **request.variables}
    sight = _sight(request, environment)
    commands = tool.commands(request)
    if not commands:
        return ToolReport(outcome=Outcome.SKIPPED, reason=f"nothing here that {tool.name} looks at")
    outputs: list[ToolOutput] = []
    problem = _execute(context, tool, commands, request, variables, sight, outputs)
    if problem is None and isinstance(tool, FollowUp):
        problem = _execute(context, tool, tool.follow_up(request, tuple(outputs)), request, variables, sight, outputs)
        if problem is not None and getattr(tool, "follow_up_may_crash", False):
            context.log(f"{tool.name}: {problem.reason}")
            problem = None
    if problem is not None:
        return problem
    report = believed(tool, judged(tool, request, tuple(outputs)), outputs)
    code = report.exit_code if report.exit_code is not None else outputs[0].result.exit_code
    findings = placed(report.findings, root=request.root, change=context.change)
    return replace(report, findings=findings, exit_code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What every command of a tool may see, write and reach besides what it names itself."""

    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    reaches: tuple[int, ...]

    def given(self, command: Command) -> Command:
        """The command with that."""
        return replace(
            command,
            reads=(*self.reads, *command.reads),
            writes=(*self.writes, *command.writes),
            reaches=(*dict.fromkeys((*self.reaches, *command.reaches)),),
        )


def _sight(request: ToolRequest, environment: Environment | None) -> Sight:
    """The tree, the report and the cache to write; the environments, the program and the base to read."""
    used = [found for found in (request.environment, environment) if found is not None]
    reads = [
        *request.reads,
        *environment_folders(*used),
        request.executable.parent,
        *(path.parent.parent for path in request.beside.values()),
    ]
    if request.base is not None:
        reads.append(request.base)
    writes = [request.root, request.report.parent, *([] if request.cache is None else [request.cache])]
    scratch = request.report.parent.parent
    if request.root.is_relative_to(scratch):  # a copy: in one mount with the report, for a tool that moves files between them
        writes.append(scratch)
    return Sight(reads=tuple(reads), writes=tuple(writes), reaches=loopback_ports(request.variables))


def _execute(
    context: GateContext,
    tool: Tool,
    commands: Sequence[Command],
    request: ToolRequest,
    variables: Mapping[str, str],
    sight: Sight,
    outputs: list[ToolOutput],
) -> ToolReport | None:
    """Run `commands`, adding to `outputs`; the report of the first that crashed. Raises Interrupted."""
    for command in commands:
        context.log(f"{tool.name}$ {shlex.join(command.argv)}"[:_COMMAND_LINE])
        environment = {**variables, **command.environment}
        ready = sight.given(replace(command, environment=environment, share=gate_spec(tool.gate).share))
        result = context.run.run(ready, log=lambda line: context.log(f"{tool.name}| {line[:_LOG_LINE]}"))
        if result.ended == "interrupted":
            raise Interrupted(f"{tool.name} was interrupted", hint="start it again when you are ready")
        problem = crash(tool, result, request.timeout_s)
        reports = read_reports(request.report, context.redaction)
        if problem is None and reports.problem:
            problem = errored(f"{tool.name}: {reports.problem}", hint="make it report less")
        if problem is not None:
            return problem
        stdout, stderr = context.redaction.data(result.stdout), context.redaction.data(result.stderr)
        outputs.append(ToolOutput(result=replace(result, stdout=stdout, stderr=stderr), reports=reports.files))
    return None


def _beside(context: GateContext, tool: Tool, request: ToolRequest) -> dict[str, Path]:
    """What the tool wants besides to measure; what cannot be had is left out, and the log says why."""
    if not request.selection.measure:
        return {}
    programs: Callable[[Project], Sequence[str]] = getattr(tool, "beside", lambda _project: ())
    exactly: Callable[[ToolRequest], str] = getattr(tool, "beside_exactly", lambda _request: "")
    found: dict[str, Path] = {}
    for package in (*programs(context.project), exactly(request)):
        try:
            name = package.rpartition("@")[0]
            if name and tool.language is not None:
                box = context.environments.pinned(tool.language, (package,), log=context.log, root=context.root)
                found[name] = box.bin_directories[0].parent / name
            elif package:
                box = context.environments.toolbox(tool.language, package, log=context.log, root=context.root)
                found[package] = box.bin_directories[0] / package
        except (Interrupted, Superseded):
            raise
        except ForgeError as error:
            context.log(f"{tool.name}: {package} cannot be had: {error.message}")
    return found


def _request(context: GateContext, found: Located, extra: RequestExtra, *, report: Path, cache: Path) -> ToolRequest:
    return ToolRequest(
        root=context.root.resolve(),
        project=context.project,
        change=context.change,
        policy=context.policy,
        environment=found.repository or found.environment,
        executable=found.executable,
        version=found.version,
        report=report.resolve(),
        timeout_s=context.policy.gate(context.gate).timeout,
        cache=cache.resolve(),
        selection=extra.selection,
        variables=extra.variables,
        reads=extra.reads,
        canary=extra.canary,
    )


@contextlib.contextmanager
def kept_cache(context: GateContext, tool: Tool, environment: Environment | None) -> Iterator[Path]:
    """A folder for what the tool wants to find again: one per repository and job, so a release never reads what a change wrote.

    Where another run is using it just now (mypy's database takes one writer) or there is none, an empty one of this run.
    """
    cold = context.scratch / tool.name / "cache"
    cold.mkdir(parents=True, exist_ok=True)
    if getattr(tool, "shared_cache", False) and environment is not None and environment.bin_directories:
        shared = environment.bin_directories[0].parent / ".forge-cache" / tool.name
        yield shared if _writable(shared) else cold
        return
    if context.cache is None or not _writable(context.cache / tool.name):
        yield cold
        return
    from filelock import FileLock, Timeout

    lock = FileLock(context.cache / f"{tool.name}.lock")
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        yield cold
        return
    try:
        yield context.cache / tool.name
    finally:
        lock.release()


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
