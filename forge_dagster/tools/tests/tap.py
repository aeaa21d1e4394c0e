"""node-tap 15 and newer, reporting on stdout in the Test Anything Protocol.

Exit code 1 stands for failing tests, for a file that cannot be loaded, and for no test file. Its outermost test points are the
test files. tap measures coverage by thresholds of its own, so that is switched off, and c8 measures, as for the other runners.
"""

import re
from collections.abc import Iterator, Sequence

from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_files import given_files, place_of
from forge_dagster.tools.tests.javascript_suite import Case, Fault, State, Suite
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.script_runner import ScriptRunner
from forge_dagster.tools.tests.tap_report import Point, Tap, explained, read_tap

_WITH_VALUE = frozenset(
    (
        "--jobs", "-j", "--timeout", "-t", "--test-arg", "--node-arg", "--before", "--after", "--plugin", "--include",
        "--exclude", "--test-env", "--tsconfig",
    )
)  # fmt: skip
_ALONE = frozenset(("--jsx", "--no-jsx", "--ts", "--no-ts", "--no-esm", "--no-flow", "--typecheck", "--no-typecheck"))
_DROPPED = frozenset(
    (
        "--reporter", "-R", "--output-file", "-o", "--output-dir", "-d", "--coverage-report", "--coverage-map", "-M", "--grep",
        "-g", "--lines", "--branches", "--functions", "--statements", "--nyc-arg", "--reporter-arg", "-r", "--save", "-s",
        "--changed",
    )
)  # fmt: skip
_COMMANDS = frozenset(("run", "repl", "report", "replay", "build"))
_NONE = "no tests specified"
"""The test point that tap 16 writes where there is no test file."""
_OWN_RUNNER_FROM = 18
"""tap 18 is a rewrite: coverage is switched off by another option (node-tap.org, "Changelog")."""


def _argv(request: ToolRequest, own: OwnCall, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    if own.launcher:
        files = alone[:1] if alone is not None else commands.chosen_files(request)
        return (*commands.launched(request, own), *(files or own.arguments))
    arguments = own.arguments[1:] if own.arguments[:1] and own.arguments[0] in _COMMANDS else own.arguments
    options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
    major = request.version.partition(".")[0]
    old = major.isdecimal() and int(major) < _OWN_RUNNER_FROM
    return (
        str(request.executable),
        *(("--no-coverage", "--no-check-coverage") if old else ("run", "--disable-coverage")),
        "--reporter=tap",
        *options,
        *given_files(request, targets, alone),
        *(("--no-bail", str(canaries.file("forge_canary_tap.cjs"))) if alone is None and _canary(request, own) else ()),
    )


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    """Where no file is named, tap looks for them itself, and would not if one were."""
    arguments = own.arguments[1:] if own.arguments[:1] and own.arguments[0] in _COMMANDS else own.arguments
    _, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
    named = bool(targets or commands.chosen_files(request))
    return named and not own.launcher and canaries.wanted(request, own)


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    tap = read_tap(data)
    if tap is None:
        return None
    groups: dict[tuple[str, ...], list[Point]] = {}
    for point in tap.points:
        if not point.holds and point.path:
            groups.setdefault(point.path, []).append(point)
    named = {point.path: point for point in tap.points if point.skipped and not point.holds}
    cases = tuple(_case(request, path, points) for path, points in groups.items() if path not in named or len(points) > 1)
    skipped = tuple(_skipped(request, point) for point in tap.points if point.skipped and not point.holds)
    return Suite(cases=(*cases, *skipped), faults=tuple(_faults(request, tap, cases)), whole=tap.whole)


def _case(request: ToolRequest, path: tuple[str, ...], points: Sequence[Point]) -> Case:
    """A test: what stands in one subtest."""
    counted = [point for point in points if not point.skipped]
    failed = next((point for point in counted if not point.passed), None)
    state: State = "failed" if failed is not None else "passed" if counted else "skipped"
    name = " > ".join(path[1:]) or f"assertions outside of tests ({points[0].name})"
    return Case(file=place_of(request, path[0]), name=name, state=state, text=explained(failed) if failed is not None else "")


def _skipped(request: ToolRequest, point: Point) -> Case:
    path = (*point.path, point.name)
    return Case(file=place_of(request, path[0]), name=" > ".join(path[1:]) or path[0], state="skipped")


def _faults(request: ToolRequest, tap: Tap, cases: Sequence[Case]) -> Iterator[Fault]:
    """What failed as a whole without a failed test in it: a file that cannot be loaded, a plan that was not kept."""
    failed = {(case.file, case.name) for case in cases if case.state == "failed"}
    for point in tap.points:
        if point.passed or point.skipped or not (point.holds or not point.path) or point.name == _NONE:
            continue
        path = (*point.path, point.name)
        file, name = place_of(request, path[0]), " > ".join(path[1:])
        if any(where == file and (not name or other == name or other.startswith(f"{name} > ")) for where, other in failed):
            continue
        found = any(case.file == file for case in cases)
        code = re.search(r"^exitCode: (\d+)$", point.said, re.MULTILINE)
        ended = f"it ended with {code[1]}" if code is not None else "no test in it failed, and it failed as a whole"
        rule = "unhandled-error" if found else "collection-error"
        yield Fault(rule=rule, file=file, text=f"{' > '.join(path)}: {ended}")


def _alone(request: ToolRequest, case: Case, _name: str, _report: str) -> Command:
    own = commands.calls_of(request, "tap")[0]
    place = str(request.root / (case.file or ""))
    return commands.command(request, own, _argv(request, own, alone=(place, "")))


_MANNER = Manner(
    tool="tap",
    shown="npx tap",
    report="",
    read=_read,
    nothing=re.compile(rf"{_NONE}|No (?:valid )?test files found"),
    demands=re.compile(r"(?!)"),
    alone=_alone,
    anonymous=True,
    canary=_canary,
)

ADAPTER = ScriptRunner(
    name="tap", program="tap", package="tap", argv=lambda request, own, _report: _argv(request, own), manner=_MANNER
)
