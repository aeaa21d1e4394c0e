"""A tool asked about the head's tree with some files as the base has them."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.gates.attribution import Ask
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection


def asked_over(
    context: GateContext,
    choice: Choice,
    ask: Ask,
    *,
    kept: Collection[str] = (),
    texts: Mapping[str, str | None] | None = None,
    selection: Selection | None = None,
    over: bool = True,
) -> Examined | None:
    """What the tool says of the head's tree with the base's `kept` and with `texts` (None: no such file) in their places.

    Not `over`: of the base's tree as it is. None where that tree has no such project. Raises Interrupted, Superseded and
    WorkspaceError.
    """
    assert context.base is not None
    with context.base() as root:
        if over:
            _lay_over(root, context.root, context.change, kept)
        for path, text in (texts or {}).items():
            _write(root, path, text)
        project = context.detect(root) if context.detect is not None else context.project
        part = choice.project
        if part is not None:
            part = next((other for other in (*project.parts, project) if other.directory == choice.directory), None)
            if part is None:
                return None
        scratch = context.scratch / "base-configuration"
        scratch.mkdir(parents=True, exist_ok=True)
        there = replace(context, root=root, project=project, scratch=scratch, base=None, cache=None)
        return ask(there, replace(choice, project=part), selection or Selection())


def _lay_over(target: Path, head: Path, change: Change, kept: Collection[str]) -> None:
    """Make of the base's tree the head's, but for what is kept. Links are left out: no tool is to follow them."""
    for file in change.files:
        for gone in {file.path, file.previous_path or file.path} - set(kept):
            place = target / gone
            if _inside(target, place) and (place.is_symlink() or place.is_file()):
                place.unlink()
        source, place = head / file.path, target / file.path
        if file.path in kept or source.is_symlink() or not source.is_file():
            continue
        if _inside(head, source) and _inside(target, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)


def _write(root: Path, path: str, text: str | None) -> None:
    place = root / path
    if not _inside(root, place):
        return
    if place.is_symlink() or place.is_file():
        place.unlink()
    if text is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


def _inside(root: Path, place: Path) -> bool:
    return place.parent.resolve().is_relative_to(root.resolve())


def finding_of(rule: str, message: str, *, file: str | None = None, line: int | None = None, fix: str) -> Finding:
    """What asks for a person: how the change is judged has changed with it."""
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


def with_more(examined: Examined, *more: Finding) -> Examined:
    """What was examined, with further findings."""
    report = examined.report
    return replace(examined, report=replace(report, findings=(*report.findings, *more)))
