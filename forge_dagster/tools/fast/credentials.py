"""What the scanners for secrets have in common: where to look, and a finding that never shows what was found."""

import posixpath
import re
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category
from forge_dagster.domain.plain_text import one_line
from forge_dagster.ports import ToolRequest

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FIX = (
    "revoke the credential, take it out of every commit of the change (a later commit does not remove it), "
    "and read it from the environment"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to look: `commits` is (base, head), `files` those of the work tree, empty for none of them."""

    commits: tuple[str, str] | None
    files: tuple[str, ...]


def scope(request: ToolRequest) -> Scope:
    """The commits of the change where both ends are known; besides, or else, the work tree.

    With uncommitted edits (no head) that is the files which differ from base; with nothing to compare with, every file.
    """
    change, files = request.change, request.project.files
    base, head = change.base_sha, change.head_sha
    if base is None or not _SHA.fullmatch(base) or base == head:
        return Scope(commits=None, files=files)
    if head is None:
        touched = tuple(sorted(set(change.paths) & set(files)))
        return Scope(commits=(base, "HEAD"), files=touched or files)
    return Scope(commits=(base, head), files=()) if _SHA.fullmatch(head) else Scope(commits=None, files=files)


def from_folder(request: ToolRequest, path: str) -> str:
    """A path that a scanner of commits tells from the repository's top, from the folder that is looked at: "../" where it lies
    outside of it.
    """
    folder = request.change.folder
    return posixpath.relpath(posixpath.join("/", path), posixpath.join("/", folder)) if folder else path


def outside(path: str) -> str:
    """Words for a place that no path of the folder that is looked at can tell; "" within it."""
    return f" in {one_line(path, 300)}, outside of the folder that is checked" if path.startswith("../") else ""


def leak(tool: str, *, rule: str, description: str, file: str, line: int | None, column: int | None, commit: str) -> Finding:
    """The finding of a secret: its kind and its place. `commit` is the commit that adds it; empty for the work tree."""
    where = f" (added in commit {commit[:12]})" if commit else ""
    return Finding(
        tool=tool,
        rule=rule,
        message=f"{description.rstrip('.')}{where}",
        category=Category.SECRET,
        attribution=Attribution.NEW if commit else Attribution.UNKNOWN,
        file=file,
        line=line,
        column=column,
        suggested_fix=_FIX,
    )
