"""The commands of JavaScript's runners: where they run, in which variables, measured by what, for which tests."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from forge_dagster.domain.project import Project
from forge_dagster.domain.sources import SOURCE_ENDINGS
from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests.built_first import in_members
from forge_dagster.tools.tests.own_calls import OwnCall, own_calls

COVERAGE = "coverage/coverage-final.json"
"""Report file of c8 and nyc."""
MEASURED_BY = "add c8 to the development dependencies"

_HERE = Path(__file__).parent
_SEED = _HERE / "fast_check_seed.mjs"
_REFERENCE = re.compile(r"\$\{?\w+\}?")
_WITH_VALUE = frozenset(
    (
        "--include", "-n", "--exclude", "-x", "--src", "--extension", "-e", "--config", "-c", "--resolve", "--require",
        "-i", "--nycrc-path", "--cwd",
    )
)  # fmt: skip
_ALONE = frozenset(
    (
        "--all", "-a", "--exclude-after-remap", "--allowExternal", "--allow-external", "--no-exclude-node-modules",
        "--no-instrument", "--instrument", "--source-map", "--produce-source-map",
    )
)  # fmt: skip


def shipped(name: str) -> Path:
    """A file that Forge gives to a runner."""
    return _HERE / name


def directory(request: ToolRequest) -> Path:
    """Where the package's own scripts run."""
    node = request.project.node
    return request.root / (node.directory if node is not None else "")


def calls_of(request: ToolRequest, runner: str) -> tuple[OwnCall, ...]:
    """How the runner is called: as the repository's scripts do, else plainly, once."""
    found = own_calls(request.project.node, runner, gate=request.selection.gate)
    return in_members(found, request.project) or (OwnCall(),)


def applies(request: ToolRequest) -> bool:
    """Whether any of the tests asked for is one of JavaScript in this package; all are, where none is named."""
    only = request.selection.only
    return not only or bool(chosen_files(request))


def chosen_files(request: ToolRequest) -> tuple[str, ...]:
    """The files that the selection names and that are JavaScript's in this package, as absolute paths."""
    return _absolute(request, request.selection.only)


def left_out(request: ToolRequest) -> tuple[str, ...]:
    """The files that the selection leaves out, as absolute paths."""
    return _absolute(request, request.selection.without)


def _absolute(request: ToolRequest, paths: Sequence[str]) -> tuple[str, ...]:
    node = request.project.node
    prefix = f"{node.directory}/" if node is not None and node.directory else ""
    scripts = tuple(ending for ending in SOURCE_ENDINGS if ending != ".py")
    return tuple(str(request.root / path) for path in paths if path.startswith(prefix) and path.endswith(scripts))


def command(
    request: ToolRequest, own: OwnCall, argv: Sequence[str], *, more: Mapping[str, str] | None = None, seeded: bool = True
) -> Command:
    """The command, with the variables that the script sets, CI=1, and the seed for fast-check.

    NO_COLOR is not set: suites that test colours fail with it. FORCE_COLOR is where the repository's workflows set it.
    """
    node = request.project.node
    variables = {"FORCE_COLOR": "1"} if node is not None and node.forces_colours else {}
    variables |= {name: _REFERENCE.sub("", value) for name, value in own.variables.items()}
    variables |= {"CI": "1", **(more or {})}
    seed = request.selection.seed
    if seed is not None and seeded:
        options = variables.get("NODE_OPTIONS", "")
        variables |= {
            "NODE_OPTIONS": f'{options} --import="{_SEED.as_uri()}"'.strip(),
            "FORGE_FAST_CHECK_SEED": str(seed),
        }
    return Command(argv=tuple(argv), cwd=directory(request), environment=variables, timeout_s=request.timeout_s)


def preparing(request: ToolRequest, calls: Sequence[OwnCall]) -> tuple[Command, ...]:
    """What the repository's script runs before its tests to build what they import."""
    found = []
    for words in calls[0].before:
        program = words[0] if words[0] in ("npm", "node") else str(own_program(request, words[0]))
        quiet = {"npm_config_update_notifier": "false", "npm_config_audit": "false"}
        found.append(command(request, OwnCall(), (program, *words[1:]), more=quiet, seeded=False))
    return tuple(found)


def selecting(request: ToolRequest, *, only: Sequence[str] | None = None) -> dict[str, str]:
    """The variables that tell Forge's hooks which test files to load."""
    wanted = chosen_files(request) if only is None else only
    unwanted = left_out(request)
    variables = {"FORGE_TESTS_ONLY": json.dumps(list(wanted))} if wanted else {}
    return {**variables, "FORGE_TESTS_WITHOUT": json.dumps(list(unwanted))} if unwanted else variables


def beside(project: Project, runner: str) -> tuple[str, ...]:
    """What a runner without coverage of its own needs from Forge's toolbox: c8, unless the repository has it or nyc."""
    node = project.node
    if node is None or "c8" in node.dependencies:
        return ()
    wrapped = [call.wrapper[0] for call in own_calls(node, runner) if call.wrapper]
    return () if "nyc" in node.dependencies and any(PurePosixPath(name).name == "nyc" for name in wrapped) else ("c8",)


def measured(request: ToolRequest, own: OwnCall, argv: Sequence[str], *, number: int) -> tuple[str, ...]:
    """The command line below c8 or nyc: as the repository's script has it, else the repository's c8, else Forge's.

    The repository's thresholds are about the whole; gate `coverage` judges what the change adds. Several calls are measured as
    one: only the first begins anew. Raw measurements can be hundreds of megabytes, so they are no report.
    """
    tool = _coverage_tool(request, own)
    if not request.selection.measure or tool is None:
        return tuple(argv)
    raw = (request.cache or request.report) / "coverage-raw"
    is_nyc = tool.name == "nyc"
    own_tool = bool(own.wrapper) and PurePosixPath(own.wrapper[0]).name == tool.name
    options, _ = kept(own.wrapper[1:], with_value=_WITH_VALUE, alone=_ALONE) if own_tool else ([], [])
    return (
        str(tool),
        "--reporter=json",
        f"--report{'' if is_nyc else 's'}-dir={request.report / 'coverage'}",
        f"--temp-dir{'' if is_nyc else 'ectory'}={raw}",
        "--check-coverage=false",
        *(() if number == 0 else ("--clean=false",)),
        *(("--cache=false",) if is_nyc else ()),
        *options,
        *argv,
    )


def _coverage_tool(request: ToolRequest, own: OwnCall) -> Path | None:
    node = request.project.node
    there = node.dependencies if node is not None else frozenset()
    name = PurePosixPath(own.wrapper[0]).name if own.wrapper else "c8"
    if name in there:
        return own_program(request, name)
    return own_program(request, "c8") if "c8" in there else request.beside.get("c8")


def launched(request: ToolRequest, own: OwnCall) -> tuple[str, ...]:
    """The program in front of a script that is a program itself, with its options: `node -r esm`, `tsx`."""
    name, *options = own.launcher
    program = PurePosixPath(name).name
    return ("node" if program == "node" else str(own_program(request, program)), *options)


def own_program(request: ToolRequest, name: str) -> Path:
    """A program of the repository's own packages."""
    environment = request.environment
    folders = environment.bin_directories if environment is not None else ()
    return (folders[0] if folders else request.executable.parent) / name
