"""ava 3 and newer, reporting on stdout in the Test Anything Protocol.

Exit code 1 stands for failing tests, for a file that cannot be loaded or holds no test, and for no test file. Where several
files ran, a title begins with what is left of the file's path when all that such paths have in common is taken away (ava's
lib/reporters/prefix-title.js).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from forge_dagster.domain.sources import is_test
from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests import canaries
from forge_dagster.tools.tests import javascript_canaries as planting
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_files import given_files, place_of, scripts
from forge_dagster.tools.tests.javascript_suite import Case, Fault, State, Suite
from forge_dagster.tools.tests.javascript_text import crash_of, first_place
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.script_runner import ScriptRunner
from forge_dagster.tools.tests.tap_report import Point, explained, read_tap

_WITH_VALUE = frozenset(("--config", "--concurrency", "-c", "--timeout", "-T", "--node-arguments", "--match", "-m"))
_ALONE = frozenset(("--serial", "-s", "--no-worker-threads"))
_SEPARATOR = " › "
_NO_TEST = re.compile(r"No tests found in (?P<file>.+?)(?:, make sure to import .*)?$")
_ENDED = re.compile(r"(?P<file>.+) exited (?:with a non-zero exit code: |due to )(?P<how>\S+)$")
_ERROR = re.compile(r"(?:Uncaught |Unhandled |Internal )?\w*(?:Error|Exception|exception|rejection)\b.*", re.DOTALL)


def _argv(request: ToolRequest, own: OwnCall, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    options, targets = kept(own.arguments, with_value=_WITH_VALUE, alone=_ALONE)
    return (
        *(own.launcher or (str(request.executable),)),
        "--tap",
        *options,
        *((f"--match={alone[1]}",) if alone is not None else ()),
        *(("--no-fail-fast",) if alone is None and _canary(request, own) else ()),
        *given_files(request, targets, alone),
    )


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    return planting.wanted(request, own, choosing=("--match", "-m"))


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    tap = read_tap(data)
    if tap is None:
        return None
    files = _by_prefix(request)
    points = [point for point in tap.points if not point.path]
    outside = [point for point in points if not point.passed and not point.skipped and _is_fault(point.name)]
    cases = tuple(_case(request, point, files) for point in points if point not in outside)
    # ava's plan leaves out what is no test
    whole = tap.planned in (tap.count, tap.count - len(outside))
    faults = (*_faults(request, outside, cases), *_without_tests(request, cases))
    return Suite(cases=cases, faults=faults, whole=whole)


def _without_tests(request: ToolRequest, cases: Sequence[Case]) -> Iterator[Fault]:
    """Files that hold no test: ava says so of none to which the canary was added."""
    name = canaries.test_name(request)
    planted = [case.file for case in cases if name and name in case.name and case.file is not None]
    holding = {case.file for case in cases if name not in case.name}
    for file in sorted(set(planted) - holding):
        yield Fault(rule="collection-error", file=file, text=f"No tests found in {file}")


def _by_prefix(request: ToolRequest) -> Mapping[tuple[str, ...], str]:
    """Each way in which ava may write a test file in front of a title -> the file's path from the package's folder."""
    found: dict[tuple[str, ...], str] = {}
    for path in sorted(scripts(request), key=lambda path: (not is_test(path), path.count("/"))):
        *folders, name = path.split("/")
        name = re.sub(r"\.[cm]?[jt]sx?$", "", name.replace(".spec.", ".", 1).replace(".test.", ".", 1).replace("test-", "", 1))
        parts = (*(folder for folder in folders if folder != "__tests__"), name)
        for start in range(len(parts)):
            found.setdefault(parts[start:], path)
    return found


def _case(request: ToolRequest, point: Point, files: Mapping[tuple[str, ...], str]) -> Case:
    parts = tuple(point.name.split(_SEPARATOR))
    known = next((count for count in range(len(parts) - 1, 0, -1) if parts[:count] in files), 0)
    text = explained(point) if not point.passed else ""
    file = place_of(request, files[parts[:known]]) if known else first_place(request, text)[0]
    state: State = "skipped" if point.skipped else "passed" if point.passed else "failed"
    return Case(file=file, name=_SEPARATOR.join(parts[known:]), state=state, text=text)


def _is_fault(name: str) -> bool:
    return any(kind.fullmatch(name) for kind in (_NO_TEST, _ENDED, _ERROR))


def _faults(request: ToolRequest, points: Sequence[Point], cases: Sequence[Case]) -> Iterator[Fault]:
    """What failed outside of tests. That a file's process ended badly is told only where nothing else is told of the file."""
    told = {case.file for case in cases if case.state == "failed"}
    ended: list[Fault] = []
    for point in points:
        named = _NO_TEST.fullmatch(point.name) or _ENDED.fullmatch(point.name)
        if named is not None:
            ended.append(Fault(rule="collection-error", file=place_of(request, named["file"]), text=point.name))
            continue
        said = "\n".join(line.strip() for line in point.said.splitlines())
        crash = crash_of(request, f"{point.name}\n{said}")
        file, line = (crash[0], crash[1]) if crash is not None else (None, None)
        ran = any(case.file == file for case in cases)
        told.add(file)
        yield Fault(rule="unhandled-error" if ran else "collection-error", file=file, line=line, text=point.name)
    yield from (fault for fault in ended if fault.file not in told and (None not in told or not fault.file))


def _alone(request: ToolRequest, case: Case, _name: str, _report: str) -> Command:
    """The test by its title: in ava's patterns only `*` means something, and a `!` in front."""
    own = commands.calls_of(request, "ava")[0]
    place = case.file or ""
    node = request.project.node
    if node is not None and node.directory:
        place = place.removeprefix(f"{node.directory}/")
    title = f"*{case.name[1:]}" if case.name.startswith("!") else case.name
    return commands.command(request, own, _argv(request, own, alone=(place, title)))


_MANNER = Manner(
    tool="ava",
    shown="npx ava",
    report="",
    read=_read,
    nothing=re.compile(r"^1\.\.0$|Couldn.t find any (?:files to test|matching tests)", re.MULTILINE),
    demands=re.compile(r"(?!)"),
    alone=_alone,
    anonymous=True,
    canary=_canary,
)

ADAPTER = ScriptRunner(
    name="ava",
    program="ava",
    package="ava",
    argv=lambda request, own, _report: _argv(request, own),
    manner=_MANNER,
    preload="forge_canary_ava.cjs",
)
