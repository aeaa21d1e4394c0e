"""Reading what a tool wrote: its files are made by code under judgement, so nothing about them is taken for granted."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.domain.redaction import NOTHING_KNOWN, Redaction

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes read of one report file."""
TOTAL_LIMIT = 256 * 1024 * 1024
"""Bytes read of all report files of one tool."""
FILES_LIMIT = 10_000
"""Report files read of one tool; a suite may write one for each of its files."""


def fresh(folder: Path) -> Path:
    """Make `folder` empty, removing whatever an earlier run left in it."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


@dataclass(slots=True)
class Reports:
    """Report files by name relative to the folder; `problem` says why they cannot be believed to be complete."""

    files: dict[str, bytes] = field(default_factory=dict)
    problem: str = ""


def read_reports(folder: Path, redaction: Redaction = NOTHING_KNOWN) -> Reports:
    """Every regular file below `folder`, without following links, within the limits above.

    A secret that `redaction` knows is blanked in what is read, and in the file, which is kept.
    """
    reports = Reports()
    total = 0
    for path in _files(folder):
        if len(reports.files) >= FILES_LIMIT:
            reports.problem = f"it wrote more than {FILES_LIMIT:,} report files, and the rest was not read"
            break
        name = path.relative_to(folder).as_posix()
        content = _content(path)
        if content is None:
            continue
        clean = redaction.data(content[:FILE_LIMIT])
        if clean != content[:FILE_LIMIT]:
            _replace(path, clean)
        reports.files[name] = clean
        total += len(content)
        if len(content) > FILE_LIMIT or total > TOTAL_LIMIT:
            reports.problem = f"the report {name} is larger than can be read ({FILE_LIMIT // 2**20} MiB)"
            break
    return reports


def _files(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(directory) / name for name in sorted(names))


def _content(path: Path) -> bytes | None:
    """The file, one byte more than the limit at most; None for what is no regular file (a pipe would never end)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(FILE_LIMIT + 1)


def _replace(path: Path, content: bytes) -> None:
    """Write the file anew: what it was linked to, or holds open, keeps nothing of it."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(content)
