"""tape 4 and 5, called as `tape`, or by a program that requires it (`node test/index.js`), reporting on stdout.

Exit code 1 stands for failing assertions and for an error that nothing caught. tape writes assertions below a comment with the
test's name, and no file; where one failed is in its stack.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner
from forge_dagster.tools.tests.javascript_files import given_files
from forge_dagster.tools.tests.javascript_suite import Case, State, Suite
from forge_dagster.tools.tests.javascript_text import first_place
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.script_runner import ScriptRunner
from forge_dagster.tools.tests.tap_report import Point, explained, read_tap

_WITH_VALUE = frozenset(("-r", "--require"))
_IGNORED = frozenset(("-i", "--ignore", "--ignore-pattern"))
_DROPPED_ALONE = frozenset(("--strict", "--only"))
_SUMMARY = re.compile(r"(?:tests|pass|fail|todo|skip) +\d+|ok|SKIP .*|TODO .*")


def _argv(request: ToolRequest, own: OwnCall, *, alone: tuple[str, str] | None = None) -> tuple[str, ...]:
    if own.launcher:
        files = alone[:1] if alone is not None else commands.chosen_files(request)
        # a program that requires its tests itself takes no list of them: the first file is what it is
        return (*commands.launched(request, own), *(files or own.arguments))
    options: list[str] = []
    targets: list[str] = []
    words = iter(own.arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in _WITH_VALUE or name in _IGNORED:
            value = [] if equals else [value for value in [next(words, None)] if value is not None]
            options += [word, *value] if name in _WITH_VALUE or alone is None else []
        elif not word.startswith("-"):
            targets.append(word)
        elif name not in _DROPPED_ALONE:
            options.append(word)
    canary = (str(canaries.file("forge_canary_tape.cjs")),) if alone is None and _canary(request, own) else ()
    return (str(request.executable), *options, *given_files(request, targets, alone), *canary)


def _canary(request: ToolRequest, own: OwnCall) -> bool:
    """Where a program requires the tests, there is no moment when all are there and none has begun."""
    return not own.launcher and canaries.wanted(request, own)


def _read(request: ToolRequest, data: bytes) -> Suite | None:
    tap = read_tap(data)
    if tap is None:
        return None
    tests = [list(points) for _, points in groupby(tap.points, key=lambda point: point.group)]
    skipped = tuple(
        Case(file=None, name=heading.removeprefix("SKIP "), state="skipped")
        for heading in tap.headings
        if heading.startswith("SKIP ")
    )
    last = next((heading for heading in reversed(tap.headings) if not _SUMMARY.fullmatch(heading)), "")
    return Suite(
        cases=(*(_case(request, points) for points in tests), *skipped), whole=tap.whole, last="" if tap.whole else last
    )


def _case(request: ToolRequest, points: Sequence[Point]) -> Case:
    """A test: the assertions below one heading."""
    counted = [point for point in points if not point.skipped]
    failed = next((point for point in counted if not point.passed), None)
    state: State = "failed" if failed is not None else "passed" if counted else "skipped"
    text = explained(failed) if failed is not None else ""
    file, line = first_place(request, text)
    return Case(file=file, name=points[0].heading or points[0].name, state=state, text=text, line=line)


def _alone(request: ToolRequest, case: Case, _name: str, _report: str) -> Command:
    own = commands.calls_of(request, "tape")[0]
    place = str(request.root / (case.file or ""))
    return commands.command(request, own, _argv(request, own, alone=(place, "")))


_MANNER = Manner(
    tool="tape",
    shown="npx tape",
    report="",
    read=_read,
    nothing=re.compile(r"No test files found"),
    demands=re.compile(r"(?!)"),
    alone=_alone,
    nothing_codes=frozenset((0, 1, 127)),
    anonymous=True,
    canary=_canary,
)

ADAPTER = ScriptRunner(
    name="tape", program="tape", package="tape", argv=lambda request, own, _report: _argv(request, own), manner=_MANNER
)
