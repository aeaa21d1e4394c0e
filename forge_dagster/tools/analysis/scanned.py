"""What the scanners of gate `sast` look at, and what an excuse in the code is worth."""

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.sources import is_test
from forge_dagster.ports import ToolRequest

_NOT_WRITTEN_HERE = frozenset({"node_modules", "site-packages", "__pypackages__"})
_GENERATED = (".d.ts", ".d.mts", ".d.cts", ".min.js", ".min.mjs", ".min.cjs")


def targets(request: ToolRequest, endings: tuple[str, ...]) -> tuple[str, ...]:
    """Paths to scan, sorted: those of `request.selection`, else those the change touches, else all where there is no base.

    Left out are installed packages, minified files and files of type declarations. A weakness within one file cannot appear in
    a file that did not change.
    """
    files = request.project.files
    asked = request.selection.only
    if asked or request.change.base_sha is not None:
        wanted = frozenset(asked or request.change.paths)
        files = tuple(path for path in files if path in wanted)
    return tuple(path for path in files if path.endswith(endings) and _is_ours(path))


def _is_ours(path: str) -> bool:
    return not path.endswith(_GENERATED) and _NOT_WRITTEN_HERE.isdisjoint(path.split("/"))


def added(change: Change, path: str | None, first: int, last: int) -> bool:
    """Whether the change added one of these lines of `path`."""
    return any(file.path == path and any(first <= line <= last for line in file.added_lines) for file in change.files)


def weighed(finding: Finding, *, excused_by: str, by_change: bool) -> Finding:
    """The finding with the weight it has: in a test it is a warning, since tests do not ship.

    `excused_by`: the comment that excuses it ("nosemgrep"), or "". What stood there before the change somebody has let through,
    so it is a note; `by_change`: the change excuses itself, and that it cannot.
    """
    if excused_by and not by_change:
        message = f"{finding.message} (excused by `{excused_by}` in the code)"
        return finding.model_copy(update={"severity": Severity.NOTE, "message": message})
    if excused_by:
        message = f"{finding.message} (the change excuses it by `{excused_by}`, which only a person can do)"
        finding = finding.model_copy(update={"message": message})
    if finding.severity is Severity.ERROR and finding.file is not None and is_test(finding.file):
        return finding.model_copy(update={"severity": Severity.WARNING})
    return finding
