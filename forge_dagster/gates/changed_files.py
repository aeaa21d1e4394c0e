"""What the integrity gate compares: the changed files as the tree and as the base has them, read within limits."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from forge_dagster.domain.changes import ChangedFile
from forge_dagster.domain.sources import SOURCE_ENDINGS, is_test
from forge_dagster.domain.tampering.files import MAX_FILES, Changes, FilePair
from forge_dagster.ports import GateContext

_TEXT_LIMIT = 4 * 1024 * 1024
"""Bytes of one file that are compared."""
_SAMPLE = 8_192
"""Bytes in which a NUL makes a file binary, as git judges it."""
_MOST_TESTS, _ALL_TESTS = 300, 8 * 1024 * 1024
"""Test files, and bytes of them together, in which answers are looked for that the code was given."""


def read_changes(context: GateContext) -> Changes:
    """The change's files with the texts of both sides. Raises WorkspaceError when the base cannot be checked out."""
    files = context.change.files
    opened: AbstractContextManager[Path | None] = nullcontext(None) if context.base is None else context.base()
    with opened as base:
        pairs = tuple(_pair(context.root, base, file) for file in files[:MAX_FILES])
    return Changes(
        pairs=pairs,
        title=context.change.title,
        tree=frozenset(context.project.files),
        tests=tuple(_tests(context)),
        unread=max(len(files) - MAX_FILES, 0),
    )


def _pair(root: Path, base: Path | None, file: ChangedFile) -> FilePair:
    previous = file.previous_path or file.path
    head_bytes, head_cut = (b"", False) if file.status == "removed" else regular(root, file.path)
    base_bytes, base_cut = (b"", False) if base is None or file.status == "added" else regular(base, previous)
    there = file.status != "removed"
    return FilePair(
        path=file.path,
        previous=previous if file.status != "added" else "",
        base=None if file.status == "added" or base is None else _text(base_bytes),
        head=_text(head_bytes) if there else None,
        content=head_bytes[:_SAMPLE] if there else b"",
        cut=head_cut or base_cut,
        added_lines=None if file.status == "added" else file.added_lines,
    )


def _text(content: bytes) -> str | None:
    return None if b"\0" in content[:_SAMPLE] else content.decode("utf-8", "replace")


def regular(root: Path, path: str) -> tuple[bytes, bool]:
    """What a regular file inside the tree holds, up to the limit, and whether there is more; nothing for any other file."""
    place = root / path
    try:
        if place.is_symlink() or not place.is_file() or not Path(os.path.realpath(place)).is_relative_to(root.resolve()):
            return b"", False
        with place.open("rb") as stream:
            content = stream.read(_TEXT_LIMIT + 1)
    except (OSError, ValueError):
        return b"", False
    return content[:_TEXT_LIMIT], len(content) > _TEXT_LIMIT


def _tests(context: GateContext) -> Iterator[str]:
    left = _ALL_TESTS
    paths = [path for path in context.project.files if path.endswith(SOURCE_ENDINGS) and is_test(path)]
    for path in paths[:_MOST_TESTS]:
        content, _ = regular(context.root, path)
        left -= len(content)
        if left < 0:
            return
        yield content.decode("utf-8", "replace")
