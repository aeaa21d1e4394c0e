"""What tests executed, file by file, and the three report formats it is read from. Reports come from hostile code."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forge_dagster.domain.foreign import load_json

MAX_LINE = 10_000_000
"""Line numbers above this are not believed."""

SCHEMA = "forge.coverage/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCoverage:
    """Lines of one file by what became of them. `branches` is line -> (taken, all) for lines that branch.

    `arms` is line -> names of the taken ones, where the report has any: what two reports took together is then known.
    """

    path: str
    executed: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    excluded: frozenset[int] = frozenset()
    branches: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    arms: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @property
    def coverable(self) -> frozenset[int]:
        """Lines that a test could execute."""
        return self.executed | self.missing


Coverage = Mapping[str, FileCoverage]
"""Path relative to the repository's root -> what was executed of that file."""


def parse_coverage(data: bytes, roots: Sequence[str], *, directory: str = "") -> Coverage | None:
    """Read a report of coverage.py (JSON), istanbul (coverage-final.json), lcov, or `dump_coverage`.

    `roots` are the absolute paths under which the tests saw the repository; a relative path in the report counts from
    `directory` in the first of them. Files elsewhere are left out. jest's and vitest's JSON reports hold istanbul's map.
    None when it is none of these formats; never raises.
    """
    text = data.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        return parse_lcov(text, roots, directory)
    try:
        report = load_json(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(report, dict):
        return None
    if report.get("schema") == SCHEMA:
        return _parse_own(report)
    if "meta" in report and "files" in report:
        return parse_coverage_py(report, roots, directory)
    inner = report.get("coverageMap", report) if "testResults" in report else report
    return parse_istanbul(inner, roots, directory) if isinstance(inner, dict) else None


def parse_coverage_py(report: Mapping[str, Any], roots: Sequence[str], directory: str = "") -> Coverage | None:
    """coverage.py's JSON report, formats 2 and 3 (coverage.readthedocs.io, "JSON reporting"). A branch is its start's."""
    files = report.get("files")
    if not isinstance(files, dict):
        return None
    found: dict[str, FileCoverage] = {}
    for name, body in files.items():
        path = relative(str(name), roots, directory)
        if path is None:
            continue
        if not isinstance(body, dict) or not isinstance(body.get("executed_lines"), list):
            return None
        arcs = [arc for arc in _lists(body.get("executed_branches")) if arc]
        taken = Counter(_line(arc[0]) for arc in arcs)
        untaken = Counter(_line(arc[0]) for arc in _lists(body.get("missing_branches")) if arc)
        found[path] = FileCoverage(
            path=path,
            executed=_lines(body.get("executed_lines")),
            missing=_lines(body.get("missing_lines")),
            excluded=_lines(body.get("excluded_lines")),
            branches={line: (taken[line], taken[line] + untaken[line]) for line in (taken | untaken) if line is not None},
            arms=_named((_line(arc[0]), str(arc[-1])) for arc in arcs),
        )
    return found


def parse_istanbul(report: Mapping[str, Any], roots: Sequence[str], directory: str = "") -> Coverage | None:
    """`coverage-final.json` of istanbul, nyc, c8, jest and vitest. A line counts as istanbul's getLineCoverage has it."""
    found: dict[str, FileCoverage] = {}
    for name, body in report.items():
        if not isinstance(body, dict) or not isinstance(body.get("statementMap"), dict) or not isinstance(body.get("s"), dict):
            return None
        path = relative(str(body.get("path") or name), roots, directory)
        if path is None:
            continue
        hits: dict[int, float] = {}
        for key, place in body["statementMap"].items():
            line = _start_line(place)
            if line is not None:
                hits[line] = max(hits.get(line, 0.0), _count(body["s"].get(key)))
        found[path] = FileCoverage(
            path=path,
            executed=frozenset(line for line, count in hits.items() if count > 0),
            missing=frozenset(line for line, count in hits.items() if count <= 0),
            branches=(arms := _istanbul_branches(body))[0],
            arms=arms[1],
        )
    return found


def parse_lcov(text: str, roots: Sequence[str], directory: str = "") -> Coverage | None:
    """lcov's tracefile (geninfo(1), "TRACEFILE FORMAT"): SF, DA and BRDA records. None when there is no SF record."""
    found: dict[str, FileCoverage] = {}
    seen = False
    path: str | None = None
    hits: dict[int, float] = {}
    arms: dict[int, tuple[int, int]] = {}
    names: list[tuple[int | None, str]] = []
    for raw in text.splitlines():
        kind, _, value = raw.strip().partition(":")
        parts = value.split(",")
        line = _line(parts[0]) if kind in ("DA", "BRDA") else None
        if kind == "SF":
            seen, path, hits, arms, names = True, relative(value, roots, directory), {}, {}, []
        elif kind == "DA" and line is not None and len(parts) > 1:
            hits[line] = max(hits.get(line, 0.0), _count(parts[1]))
        elif kind == "BRDA" and line is not None and len(parts) > 3:
            taken, total = arms.get(line, (0, 0))
            arms[line] = (taken + (_count(parts[3]) > 0), total + 1)
            names += [(line, f"{parts[1]}.{parts[2]}")] if _count(parts[3]) > 0 else []
        elif kind == "end_of_record" and path is not None:
            executed = frozenset(number for number, count in hits.items() if count > 0)
            missing = frozenset(hits) - executed
            found[path] = FileCoverage(path=path, executed=executed, missing=missing, branches=arms, arms=_named(names))
            path = None
    return found if seen else None


def merge_coverage(reports: Iterable[Coverage]) -> Coverage:
    """One report out of several tools': a line that any of them executed is executed."""
    merged: dict[str, FileCoverage] = {}
    for report in reports:
        for path, one in report.items():
            other = merged.get(path, FileCoverage(path=path))
            executed = one.executed | other.executed
            lines = {**one.branches, **other.branches}
            merged[path] = FileCoverage(
                path=path,
                executed=executed,
                missing=(one.missing | other.missing) - executed,
                excluded=(one.excluded | other.excluded) - executed,
                branches={line: _taken_by_either(line, one, other) for line in lines},
                arms={line: one.arms.get(line, frozenset()) | other.arms.get(line, frozenset()) for line in lines},
            )
    return merged


def _taken_by_either(line: int, one: FileCoverage, other: FileCoverage) -> tuple[int, int]:
    """Arms taken by one or the other; by the better of both where the reports do not name all that were taken alike."""
    (taken, total), (also, all_) = one.branches.get(line, (0, 0)), other.branches.get(line, (0, 0))
    names, others = one.arms.get(line, frozenset()), other.arms.get(line, frozenset())
    if total == all_ and len(names) == taken and len(others) == also:
        return min(len(names | others), total), total
    return max((taken, total), (also, all_))


def dump_coverage(coverage: Coverage) -> bytes:
    """The report in Forge's own format, which `parse_coverage` reads back: equal input gives equal bytes."""
    files = {
        path: {
            "executed": sorted(one.executed),
            "missing": sorted(one.missing),
            "excluded": sorted(one.excluded),
            "branches": [[line, *counts, sorted(one.arms.get(line, ()))] for line, counts in sorted(one.branches.items())],
        }
        for path, one in sorted(coverage.items())
    }
    return json.dumps({"schema": SCHEMA, "files": files}, separators=(",", ":")).encode("utf-8", "surrogatepass")


def relative(name: str, roots: Sequence[str], directory: str = "") -> str | None:
    """A reported path as one relative to the repository, or None when it lies outside of all `roots`."""
    path = name.strip().removeprefix("file://").replace("\\", "/")
    if not path.startswith("/"):
        path = f"{roots[0] if roots else ''}/{directory}/{path}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    for root in roots or ("/",):
        start = [part for part in root.split("/") if part]
        if parts[: len(start)] == start and len(parts) > len(start):
            return "/".join(parts[len(start) :])
    return None


def _parse_own(report: Mapping[str, Any]) -> Coverage | None:
    files = report.get("files")
    if not isinstance(files, dict):
        return None
    found: dict[str, FileCoverage] = {}
    for path, body in files.items():
        if not isinstance(body, dict):
            return None
        rows = [row for row in _lists(body.get("branches")) if len(row) in (3, 4) and _line(row[0]) is not None]
        found[path] = FileCoverage(
            path=path,
            executed=_lines(body.get("executed")),
            missing=_lines(body.get("missing")),
            excluded=_lines(body.get("excluded")),
            branches={int(row[0]): (int(_count(row[1])), int(_count(row[2]))) for row in rows},
            arms=_named((_line(row[0]), str(name)) for row in rows for name in _items(row[3] if len(row) == 4 else None)),
        )
    return found


def _istanbul_branches(body: Mapping[str, Any]) -> tuple[dict[int, tuple[int, int]], dict[int, frozenset[str]]]:
    """Line -> (taken, all), and line -> names of the taken arms."""
    places, counts = body.get("branchMap"), body.get("b")
    branches: dict[int, tuple[int, int]] = {}
    names: list[tuple[int | None, str]] = []
    if not isinstance(places, dict) or not isinstance(counts, dict):
        return branches, {}
    for key, place in places.items():
        arms = counts.get(key)
        if not isinstance(place, dict) or not isinstance(arms, list):
            continue
        line = _start_line(place.get("loc")) or _line(place.get("line"))
        if line is not None:
            taken, total = branches.get(line, (0, 0))
            branches[line] = (taken + sum(_count(arm) > 0 for arm in arms), total + len(arms))
            names += [(line, f"{key}.{number}") for number, arm in enumerate(arms) if _count(arm) > 0]
    return branches, _named(names)


def _named(pairs: Iterable[tuple[int | None, str]]) -> dict[int, frozenset[str]]:
    """Line -> the names of its taken arms."""
    found: dict[int, set[str]] = {}
    for line, name in pairs:
        if line is not None:
            found.setdefault(line, set()).add(name[:40])
    return {line: frozenset(names) for line, names in found.items()}


def _start_line(place: object) -> int | None:
    start = place.get("start") if isinstance(place, dict) else None
    return _line(start.get("line")) if isinstance(start, dict) else None


def _line(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_LINE else None


def _lines(value: object) -> frozenset[int]:
    return frozenset(line for item in _items(value) if (line := _line(item)) is not None)


def _count(value: object) -> float:
    try:
        number = float(value) if isinstance(value, (int, float, str)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), 1e15) if math.isfinite(number) else 0.0


def _items(value: object) -> Iterator[object]:
    return iter(value) if isinstance(value, list) else iter(())


def _lists(value: object) -> Iterator[list[Any]]:
    return (item for item in _items(value) if isinstance(item, list))
