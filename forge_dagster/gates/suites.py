"""Running a repository's tests: which runners, without which tests, and what they left behind."""

import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from forge_dagster import registry
from forge_dagster.domain.coverage_report import Coverage, dump_coverage, merge_coverage, parse_coverage
from forge_dagster.domain.findings import MAX_FINDINGS, Finding, fingerprinted
from forge_dagster.domain.outcomes import Category, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.sources import is_test
from forge_dagster.domain.suite_calls import SuiteCall, suite_call
from forge_dagster.domain.test_kinds import integration_tests, snapshot_places
from forge_dagster.gates.tool_runs import RequestExtra
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import GateContext, Selection, Tool

REPORT_PREFIX = "coverage-"
"""Artifact "coverage-<tool>": the tool's own report; artifact "coverage": all of them as one, in Forge's format."""

TEXT_LIMIT = 256 * 1024
"""Bytes read of a script or a test file, to see what it uses."""
_SCRIPTS = (
    "tox.ini", "noxfile.py", "setup.cfg", "pyproject.toml", "Makefile", "makefile", "GNUmakefile", "justfile", "Justfile",
    "tasks.py", "Taskfile.yml", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", "azure-pipelines.yml", "runtests.sh",
    "test.sh", "run_tests.sh", "scripts/test", "scripts/test.sh", "README.md", "README.rst", "CONTRIBUTING.md",
    "CONTRIBUTING.rst",
)  # fmt: skip
"""Where a repository says how its tests are run."""
_WORKFLOWS = ".github/workflows/"
_MOST_SCRIPTS, _MOST_TESTS = 40, 300
_MOST_SNAPSHOTS, _DEPTH = 20_000, 3


@runtime_checkable
class Informed(Protocol):
    """A runner that is to be told which projects use it, since no configuration says so."""

    def informed(self, calls: Mapping[str, SuiteCall]) -> Tool:
        """The same runner, knowing the projects by their folders."""
        ...


def run_suite(context: GateContext, *, measure: bool = True) -> GateResult:
    """Run all tests but those of gate `integration`. Snapshots that the run wrote are findings. Raises Interrupted."""
    selection = Selection(without=integration_tests(context.project), measure=measure)
    before = _snapshots(context.root, context.project)
    result = run_tools(
        context,
        gate="unit",
        tools=useful_tools(context.project, context.root),
        extra=RequestExtra(selection=selection, canary=drawn()),
    )
    after = _snapshots(context.root, context.project)
    written = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    if not written:
        return result
    told = {finding.file for finding in result.findings if finding.rule == "snapshot-written"}
    new = fingerprinted(_written(path, path in after) for path in written if path not in told)
    counts = {**result.metrics, "snapshots_written": result.metrics.get("snapshots_written", 0.0) + len(new)}
    return result.model_copy(
        update={
            "findings": (*result.findings, *new)[:MAX_FINDINGS],
            "findings_total": result.findings_total + len(new),
            "truncated": result.findings_total + len(new) > MAX_FINDINGS,
            "metrics": counts,
        }
    )


def drawn() -> str:
    """A name for the test that must fail, which nobody can know before the run."""
    return secrets.token_hex(6)


def useful_tools(project: Project, root: Path) -> Mapping[str, Tool]:
    """The registry's tools without those of a language that has no test file: to find nothing needs no installation.

    A runner that no configuration tells of (unittest) is told what the repository's scripts and tests say.
    """
    parts = (project, *project.parts)
    python = any(path.endswith(".py") and is_test(path) for part in parts for path in part.files)
    known = [tool for tool in registry.tools().values() if python or tool.language is not Language.PYTHON]
    return {tool.name: tool for tool in informed_tools(known, project, root)}


def informed_tools(tools: Iterable[Tool], project: Project, root: Path) -> tuple[Tool, ...]:
    """The same tools, told what they ask for (`Informed`). Reads scripts and test files of the tree at `root`, up to limits."""
    known = tuple(tools)
    if not any(isinstance(tool, Informed) for tool in known):
        return known
    calls = _calls((project, *project.parts), known, root)
    return tuple(tool.informed(calls) if isinstance(tool, Informed) else tool for tool in known)


def tree_text(root: Path, path: str, limit: int) -> str | None:
    """The text of a file of the tree; None when it is larger than `limit`, no regular file, or outside of the tree."""
    place = root / path
    try:
        if not place.resolve().is_relative_to(root.resolve()) or not place.is_file() or place.stat().st_size > limit:
            return None
        return place.read_text("utf-8", "replace")
    except (OSError, ValueError):
        return None


def with_coverage(context: GateContext, result: GateResult) -> GateResult:
    """The result with what its tests executed as one report beside it, artifact "coverage", where any of it was measured."""
    merged = measured(context, result)
    if merged is None:
        return result
    path = context.scratch / "coverage.json"
    path.write_bytes(dump_coverage(merged))
    return result.model_copy(update={"artifacts": {**result.artifacts, "coverage": str(path)}})


def measured(context: GateContext, result: GateResult) -> Coverage | None:
    """What the tools of a result measured, as one report; None when none of them measured anything readable."""
    reports = []
    roots = [str(context.root.resolve()), str(context.root)]
    for name, location in result.artifacts.items():
        if not name.startswith(REPORT_PREFIX):
            continue
        runner, _, part = name.removeprefix(REPORT_PREFIX).partition("@")
        tool = registry.tools().get(runner)
        found = context.project.node if tool is not None and tool.language is Language.TYPESCRIPT else context.project.python
        directory = part or (found.directory if found is not None else "")
        report = parse_coverage(_bytes(location), roots, directory=directory)
        if report is None:
            context.log(f"{name.removeprefix(REPORT_PREFIX)}: its coverage report cannot be read")
            continue
        reports.append(report)
    return merge_coverage(reports) if reports else None


def _bytes(location: str) -> bytes:
    try:
        return Path(location).read_bytes()
    except OSError:
        return b""


def _calls(parts: tuple[Project, ...], tools: tuple[Tool, ...], root: Path) -> Mapping[str, SuiteCall]:
    """Python projects that are seen to run unittest; those that chose a runner by configuration are not looked at."""
    calls = {}
    mine = [tool for tool in tools if tool.gate == "unit" and tool.language is Language.PYTHON]
    for part in parts:
        if part.python is None or any(tool.chosen(part) is not None for tool in mine):
            continue
        call = suite_call(_scripts(part, root), _tests(part, root))
        if call is not None:
            calls[part.python.directory] = call
    return calls


def _scripts(project: Project, root: Path) -> Mapping[str, str]:
    folder = f"{project.python.directory}/" if project.python is not None and project.python.directory else ""
    known = set(project.files)
    names = [f"{folder}{name}" for name in _SCRIPTS if f"{folder}{name}" in known]
    names += [path for path in project.files if path.startswith(_WORKFLOWS) and path.endswith((".yml", ".yaml"))]
    return _texts(names[:_MOST_SCRIPTS], root)


def _tests(project: Project, root: Path) -> Mapping[str, str]:
    return _texts([path for path in project.files if path.endswith(".py") and is_test(path)][:_MOST_TESTS], root)


def _texts(names: list[str], root: Path) -> Mapping[str, str]:
    return {name: text for name in names if (text := tree_text(root, name, TEXT_LIMIT)) is not None}


def _snapshots(root: Path, project: Project) -> Mapping[str, tuple[int, int]]:
    """Each snapshot file -> its size and what `_mark` says of it."""
    found: dict[str, tuple[int, int]] = {}
    for folder, endings in snapshot_places(project).items():
        for path, size, mark in _listed(root / folder, endings, 0 if endings else _DEPTH):
            found[f"{folder}/{path}".removeprefix("/")] = (size, mark)
            if len(found) >= _MOST_SNAPSHOTS:
                return found
    return found


def _listed(folder: Path, endings: tuple[str, ...], depth: int) -> Iterator[tuple[str, int, int]]:
    """Regular files in a folder, and down to `depth` below, without following links."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode) and depth and entry.name != "__pycache__":
            yield from ((f"{entry.name}/{path}", *rest) for path, *rest in _listed(Path(entry.path), endings, depth - 1))  # type: ignore[misc]
        elif stat.S_ISREG(status.st_mode) and (not endings or entry.name.endswith(endings)):
            yield entry.name, status.st_size, _mark(Path(entry.path), status)


def _mark(path: Path, status: os.stat_result) -> int:
    """What tells one content from another: a checksum, since jest writes a file that it leaves as it was; its time if large."""
    if status.st_size > TEXT_LIMIT:
        return status.st_mtime_ns
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return status.st_mtime_ns
    with os.fdopen(descriptor, "rb") as file:
        return zlib.crc32(file.read(TEXT_LIMIT))


def _written(path: str, there: bool) -> Finding:
    what = "wrote" if there else "deleted"
    return Finding(
        tool="unit",
        rule="snapshot-written",
        category=Category.TEST,
        severity=Severity.WARNING,
        file=path,
        message=f"the test run {what} the snapshot {path}",
        suggested_fix="have the tests compare and never write: commit the snapshot with the change",
        snippet=path,
    )
