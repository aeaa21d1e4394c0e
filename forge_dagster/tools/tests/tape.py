"""tape 4 and 5, called as `tape`, or by a program that requires it (`node test/index.js`), reporting on stdout.

Exit code 1 stands for failing assertions and for an error that nothing caught. tape writes assertions below a comment with the
test's name, and no file; where one failed is in its stack.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_commands as commands
from forge_dagster.tools.tests.javascript import Manner, again, judged
from forge_dagster.tools.tests.javascript_files import given_files
from forge_dagster.tools.tests.javascript_suite import Case, State, Suite
from forge_dagster.tools.tests.javascript_text import first_place
from forge_dagster.tools.tests.own_calls import OwnCall, runner_sign
from forge_dagster.tools.tests.tap_report import Point, explained, read_tap

_WITH_VALUE = frozenset(("-r", "--require"))
_IGNORED = frozenset(("-i", "--ignore", "--ignore-pattern"))
_DROPPED_ALONE = frozenset(("--strict", "--only"))
_SUMMARY = re.compile(r"(?:tests|pass|fail|todo|skip) +\d+|ok|SKIP .*|TODO .*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """The adapter."""

    name: str = "tape"
    gate: str = "unit"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "tape"
    package: str = "tape"
    follow_up_may_crash: bool = True
    measured_by: str = commands.MEASURED_BY

    def chosen(self, project: Project) -> str | None:
        """By a script that calls it or runs a test that requires it, or as a declared dependency."""
        return runner_sign(project, self.name)

    def beside(self, project: Project) -> Sequence[str]:
        """Packages of Forge's toolbox that it wants besides."""
        return commands.beside(project, self.name)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """tape for each call in the repository's script."""
        if not commands.applies(request):
            return ()
        calls = commands.calls_of(request, self.name)
        return commands.preparing(request, calls) + tuple(
            commands.command(request, own, commands.measured(request, own, _argv(request, own), number=number))
            for number, own in enumerate(calls)
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """The file of each failed test once more, alone: tape runs nothing less."""
        return again(_MANNER, request, outputs, calls=commands.calls_of(request, self.name))

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """PASSED only for exit code 0 with a report that keeps its plan, in which something passed and nothing failed."""
        calls = commands.calls_of(request, self.name)
        return judged(_MANNER, request, outputs, calls=calls, coverage=commands.COVERAGE)


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
    return (str(request.executable), *options, *given_files(request, targets, alone))


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
)

ADAPTER = Tape()
