"""Gate `coverage`: tests execute what the change adds (90% of lines, 80% of branches), and no less of the whole than before.

The whole is compared only where it can have decreased (domain.coverage.may_decrease), since to know the base's coverage costs a
run of the base's tests. That measurement is kept under `context.cache`, keyed by the base revision and the tools' versions, so
that all changes on one base, and every later `forge check` on it, pay for it once. Where the base's tests cannot be run or do
not pass, there is nothing to compare with, and the result says so.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.changes import ChangedFile
from forge_dagster.domain.coverage import CoverageJudgement, judge_coverage, may_decrease
from forge_dagster.domain.coverage_report import Coverage, dump_coverage, parse_coverage
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.sources import code_lines, source_rule
from forge_dagster.gates.tooling import run_tools
from forge_dagster.gates.unit import REPORT_PREFIX, measured, useful_tools
from forge_dagster.ports import GateContext

_SOURCE_LIMIT = 4 * 1024 * 1024
"""Bytes of a source file that are read for its lines."""
_KEPT = 50
"""Base measurements kept per repository and job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageGate:
    """The gate."""

    name: str = "coverage"

    def examine(self, context: GateContext) -> GateResult:
        """Judge the report that `unit` left. Raises Interrupted while the base's tests run."""
        unit = context.results.get("unit")
        if unit is None:
            return gate_result(self.name, Outcome.ERRORED, reason="unit left no result\n  -> run the gate unit first")
        if unit.outcome is Outcome.SKIPPED:
            return gate_result(self.name, Outcome.SKIPPED, reason=f"no tests were run: {unit.reason}")
        if unit.outcome is not Outcome.PASSED:
            return gate_result(self.name, Outcome.ERRORED, reason=f"the tests did not pass: {unit.summary}")
        is_source = source_rule(context.project)
        changed = [f for f in context.change.files if f.status != "removed" and is_source(f.path)]
        sources = {f.path: text for f in changed if (text := source_text(context.root, f.path)) is not None}
        lacking = _unmeasured(unit, changed, sources)
        if lacking:
            return gate_result(self.name, Outcome.ERRORED, reason=lacking)
        head = _read(unit.artifacts.get("coverage"))
        if head is None and changed and any(name.startswith("coverage") for name in unit.artifacts):
            return gate_result(
                self.name, Outcome.ERRORED, reason="the coverage report cannot be read\n  -> run the gate unit again"
            )
        section = context.policy.coverage
        base: Coverage | None = None
        note = ""
        if context.base is not None and not section.allow_decrease and may_decrease(context.change, head or {}, is_source):
            base, note = base_coverage(context, unit)
        judged = judge_coverage(context.change, head or {}, base, section, is_source, sources)
        return _result(self.name, judged, note)


def source_text(root: Path, path: str) -> str | None:
    """The text of a file of the tree; None when it is too large, no regular file, or outside of the tree."""
    place = root / path
    try:
        if not place.resolve().is_relative_to(root.resolve()) or not place.is_file() or place.stat().st_size > _SOURCE_LIMIT:
            return None
        return place.read_text("utf-8", "replace")
    except (OSError, ValueError):
        return None


def base_coverage(context: GateContext, unit: GateResult) -> tuple[Coverage | None, str]:
    """What the base's own tests execute of the base, and, when that cannot be known, why."""
    versions = ",".join(f"{run.tool}={run.version}" for run in unit.tools)
    key = hashlib.sha256(f"1|{context.change.base_sha}|{versions}".encode()).hexdigest()[:32]
    kept = context.cache / "coverage" / f"{key}.json" if context.cache is not None and context.change.base_sha else None
    known = _read(str(kept)) if kept is not None else None
    if known is not None:
        context.log("the base's coverage is known from an earlier run")
        return known, ""
    assert context.base is not None
    context.log("running the base's tests, to compare overall coverage")
    with context.base() as root:
        scratch = context.scratch / "base"
        scratch.mkdir(parents=True, exist_ok=True)
        project = context.detect(root) if context.detect is not None else context.project
        there = replace(context, gate="unit", root=root, project=project, scratch=scratch)
        result = run_tools(there, tools=useful_tools(project))
        if result.outcome is not Outcome.PASSED:
            return None, f"the base cannot be compared with, its tests do not pass ({result.summary})"
        found = measured(there, result)
    if found is None:
        return None, "the base cannot be compared with, its coverage was not measured"
    if kept is not None:
        _keep(kept, dump_coverage(found))
    return found, ""


def _unmeasured(unit: GateResult, changed: list[ChangedFile], sources: dict[str, str]) -> str:
    """Why the change cannot be judged: it has code of a language whose tests ran without being measured."""
    for run in unit.tools:
        tool = registry.tools().get(run.tool)
        if tool is None or run.outcome is not Outcome.PASSED or f"{REPORT_PREFIX}{run.tool}" in unit.artifacts:
            continue
        for file in changed:
            language = Language.PYTHON if file.path.endswith(".py") else Language.TYPESCRIPT
            lines = code_lines(file.path, sources.get(file.path, "")) & file.added_lines
            if language is tool.language and lines:
                advice = f"{getattr(tool, 'measured_by', 'measure it')}, or set [gates.coverage] enabled = false in forge.toml"
                return f"{run.tool} ran the tests without measuring what they execute\n  -> {advice}"
    return ""


def _result(name: str, judged: CoverageJudgement, note: str) -> GateResult:
    reason = f"{judged.reason}; {note}" if note else judged.reason
    return gate_result(name, judged.outcome, reason=reason, findings=judged.findings, metrics=dict(judged.metrics))


def _read(location: str | None) -> Coverage | None:
    if not location:
        return None
    try:
        return parse_coverage(Path(location).read_bytes(), ())
    except OSError:
        return None


def _keep(path: Path, content: bytes) -> None:
    """Write whole or not at all; a full disk only means that the measurement is made again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in _beyond(path.parent, _KEPT - 1):
            old.unlink(missing_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)


def _beyond(folder: Path, count: int) -> Iterator[Path]:
    """The files in `folder` that are older than the newest `count`."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
    return iter(files[count:])


ADAPTER = CoverageGate()
