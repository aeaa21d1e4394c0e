"""The Test Anything Protocol, versions 12 to 14 (testanything.org), as node-tap, tape and ava write it to stdout.

What the tests themselves print stands between its lines. So a report is only `whole` where the plan and the numbers of the
outermost test points agree: a test that prints test points of its own spoils the report, and a spoiled report never passes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from forge_dagster.tools.tests.javascript_text import without_escapes

_POINT = re.compile(r"(?P<no>not )?ok (?P<number>\d{1,9})(?: -)?(?: (?P<rest>.*))?")
_DIRECTIVE = re.compile(r"(?:^| )(?<!\\)# ?(skip|todo)\S*(?: .*)?$", re.IGNORECASE)
_TIME = re.compile(r" # time=[\d.]+m?s$")
_PLAN = re.compile(r"1\.\.(\d{1,9})(?: *#.*)?")
_SUBTEST = "# Subtest: "
_INDENT = 4
LONGEST, _MOST_LINES = 20_000, 5_000
"""Characters kept of what one test point says, and lines up to which its diagnostic is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A test point. `path`: the subtests it is in; `holds`: it is the result of a subtest of its own name.

    `heading`: the last comment before it, which is the test's name in what tape writes; `group` counts the headings.
    """

    path: tuple[str, ...]
    name: str
    passed: bool
    skipped: bool
    holds: bool
    heading: str
    group: int
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A report. `headings`: all comments; `planned`: how many outermost test points it promises, None where it says nothing
    definite of that, or where they are not numbered in order; `count`: how many there are.
    """

    points: tuple[Point, ...]
    headings: tuple[str, ...]
    planned: int | None
    count: int

    @property
    def whole(self) -> bool:
        """Whether there are as many test points as were promised."""
        return self.planned == self.count


@dataclass(slots=True)
class _Reading:
    points: list[Point] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    plans: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bailed: bool = False


def read_tap(data: bytes) -> Tap | None:
    """The report; None where there is nothing of one. Never raises."""
    reading = _Reading()
    lines = without_escapes(data.decode("utf-8", "replace")).splitlines()
    rest = iter(range(len(lines)))
    for number in rest:
        bare = lines[number].lstrip(" ")
        indent = len(lines[number]) - len(bare)
        if indent % _INDENT:
            continue
        level = indent // _INDENT
        if (point := _POINT.fullmatch(bare)) is not None:
            said = list(_diagnostic(lines, number + 1, indent + 2))
            for _ in range(len(said) and len(said) + 2):
                next(rest, None)
            _add(reading, point, level, said)
        elif bare.startswith(_SUBTEST):
            _forget(reading, level)
            reading.names[level] = _unescaped(bare.removeprefix(_SUBTEST).strip())
        elif bare == "}":
            _forget(reading, level)
        elif level == 0:
            _outermost(reading, bare)
    if not (reading.points or reading.plans or reading.bailed):
        return None
    count = len(reading.numbers)
    definite = not reading.bailed and len(reading.plans) == 1 and reading.numbers == list(range(1, count + 1))
    return Tap(
        points=tuple(reading.points),
        headings=tuple(reading.headings),
        planned=reading.plans[0] if definite else None,
        count=count,
    )


def _outermost(reading: _Reading, line: str) -> None:
    if (plan := _PLAN.fullmatch(line)) is not None:
        reading.plans.append(int(plan[1]))
    elif line.startswith("Bail out!"):
        reading.bailed = True
    elif line.startswith("# "):
        reading.headings.append(_unescaped(line[2:].strip()))


def _add(reading: _Reading, found: "re.Match[str]", level: int, said: Sequence[str]) -> None:
    rest = _TIME.sub("", (found["rest"] or "").removesuffix(" {"))
    opens = (found["rest"] or "").endswith(" {")
    directive = _DIRECTIVE.search(rest)
    name = _unescaped(rest[: directive.start()] if directive is not None else rest).strip()
    if level == 0:
        reading.numbers.append(int(found["number"]))
    reading.points.append(
        Point(
            path=tuple(reading.names[outer] for outer in range(level) if outer in reading.names),
            name=name,
            passed=found["no"] is None,
            skipped=directive is not None,
            holds=opens or reading.names.get(level) == name,
            heading=reading.headings[-1] if reading.headings else "",
            group=len(reading.headings),
            said="\n".join(said)[:LONGEST],
        )
    )
    _forget(reading, level)
    if opens:
        reading.names[level] = name


def _forget(reading: _Reading, level: int) -> None:
    for deeper in [known for known in reading.names if known >= level]:
        del reading.names[deeper]


def _diagnostic(lines: Sequence[str], start: int, indent: int) -> Iterator[str]:
    """The lines of the YAML block at `start`, which may hold anything, without its margin; none where there is none."""
    margin = " " * indent
    if start >= len(lines) or lines[start].rstrip() != f"{margin}---":
        return
    last = min(len(lines), start + _MOST_LINES)
    end = next((n for n in range(start + 1, last) if lines[n].rstrip() == f"{margin}..."), None)
    if end is not None:
        yield from (line.removeprefix(margin) for line in lines[start + 1 : end])


def _unescaped(name: str) -> str:
    return re.sub(r"\\([#\\])", r"\1", name)


def explained(point: Point) -> str:
    """What a failed test point says, then the rest of its diagnostic behind " at ", as in a JavaScript stack."""
    cut = re.search(r"^(?:at|stack|source):", point.said, re.MULTILINE)
    front = point.said[: cut.start()] if cut is not None else point.said
    back = point.said[cut.start() :] if cut is not None else ""
    message = " ".join([point.name, *([f"({' '.join(front.split())[:500]})"] if front.strip() else [])])
    return f"{message}\n    at {back}" if back else message
