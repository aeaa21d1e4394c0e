"""A change that touches the configuration of tools is judged under the base's version of it, too.

What a tool finds in the change's own files only there, the change has loosened away: a person looks at it.
"""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.attribution import mark
from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.tampering.loosening import is_configuration
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import Ask
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection

_GATES = frozenset({"format", "lint", "types"})
"""Gates whose tools are quick, and do nothing but what their configuration says."""
_DECLARES = ("package.json",)
"""Configuration that also says what is installed: with the base's, the head's code would lack what it needs."""
_MOST = 20


def under_base_configuration(context: GateContext, choice: Choice, examined: Examined, ask: Ask) -> Examined:
    """What was examined, with what the tool says of the change under the base's configuration besides.

    Raises Interrupted and Superseded.
    """
    touched = tuple(path for path in context.change.paths if is_configuration(path) and not path.endswith(_DECLARES))
    if context.gate not in _GATES or not touched or context.base is None or context.change.base_sha is None:
        return examined
    if examined.run.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return examined
    context.log(f"{choice.tool.name}: asking it once more under the base's version of {one_line(', '.join(touched))}")
    try:
        answer = _asked(context, choice, ask)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return _with(examined, [_unknown(choice, error.message)])
    if answer is None:
        return examined
    if answer.report.outcome is Outcome.ERRORED:
        return _with(examined, [_unknown(choice, answer.report.reason)])
    known = {mark(finding) for finding in examined.report.findings}
    own = set(context.change.paths)
    errors = [f for f in answer.report.findings if f.severity is Severity.ERROR and f.file in own and mark(f) not in known]
    return _with(examined, [_loosened(finding) for finding in errors[:_MOST]])


def _asked(context: GateContext, choice: Choice, ask: Ask) -> Examined | None:
    """What the tool says of the head's tree with the base's configuration; None where that has no such project."""
    assert context.base is not None
    with context.base() as root:
        _lay_over(root, context.root, context.change)
        project = context.detect(root) if context.detect is not None else context.project
        part = choice.project
        if part is not None:
            part = next((other for other in (*project.parts, project) if other.directory == choice.directory), None)
            if part is None:
                return None
        scratch = context.scratch / "base-configuration"
        scratch.mkdir(parents=True, exist_ok=True)
        there = replace(context, root=root, project=project, scratch=scratch, base=None, cache=None)
        return ask(there, replace(choice, project=part), Selection())


def _lay_over(target: Path, head: Path, change: Change) -> None:
    """Make of the base's tree the head's, but for its configuration. Links are left out: no tool is to follow them."""
    kept = {path for path in change.paths if is_configuration(path) and not path.endswith(_DECLARES)}
    for file in change.files:
        for gone in {file.path, file.previous_path or file.path} - kept:
            place = target / gone
            if _inside(target, place) and (place.is_symlink() or place.is_file()):
                place.unlink()
        source, place = head / file.path, target / file.path
        if file.path in kept or source.is_symlink() or not source.is_file():
            continue
        if _inside(head, source) and _inside(target, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)


def _inside(root: Path, place: Path) -> bool:
    return place.parent.resolve().is_relative_to(root.resolve())


def _with(examined: Examined, more: Iterable[Finding]) -> Examined:
    report = examined.report
    return replace(examined, report=replace(report, findings=(*report.findings, *more)))


def _loosened(finding: Finding) -> Finding:
    message = f"only the base's configuration lets {finding.tool} say: {finding.message}"
    return _finding("loosened-configuration", message, finding.file, finding.line, fix="mend it, and leave the rule as it is")


def _unknown(choice: Choice, why: str) -> Finding:
    message = f"{choice.tool.name} gives no answer under the base's configuration: {why}"
    return _finding("unexaminable", message, None, None, fix="a person looks at what the change does to the configuration")


def _finding(rule: str, message: str, file: str | None, line: int | None, *, fix: str) -> Finding:
    return Finding(
        tool="integrity",
        rule=rule,
        message=one_line(message, 600),
        category=Category.INTEGRITY,
        severity=Severity.WARNING,
        attribution=Attribution.NEW,
        file=file,
        line=line,
        suggested_fix=fix,
    )
