"""Adds what was built elsewhere to an environment whose files are linked: new files beside them, and none of them changed."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.python_copies import run_by

_MOST = 500
"""Files of a project that is installed in place: its metadata, a note of where it lies, programs."""
_LARGEST = 1024 * 1024
_PLACE = re.compile(r"bin/[^/]+|lib/python[\d.]+/site-packages/.+")
_HINT = "it is installed without links then"
_LEFT = frozenset({".lock", "CACHEDIR.TAG", ".gitignore"})
"""What uv leaves in a folder that it installs to."""


def add_built(built: Path, target: Path, *, python: Path) -> None:
    """Copy the files of `built`, which code of the change wrote, to the same places in `target`.

    `python`: the interpreter that programs in it name. Nothing that `target` has is written to. Raises OSError, and
    WorkspaceError for what no project that is installed in place brings: then nothing was copied.
    """
    files = list(_files(built))
    ready: dict[Path, tuple[bytes, int]] = {}
    for path in files:
        place = path.relative_to(built)
        if not _PLACE.fullmatch(place.as_posix()):
            raise WorkspaceError(f"the project installs {place}", hint=_HINT)
        if os.path.lexists(target / place):
            raise WorkspaceError(f"the project brings {place}, which is there already", hint=_HINT)
        content = _content(path)
        if place.parts[0] == "bin":
            content = run_by(content, os.fsencode(python), os.fsencode(target / "bin" / "python"))
        ready[target / place] = content, 0o755 if place.parts[0] == "bin" else 0o644
    for path, (content, mode) in ready.items():
        _make_folder(path.parent, target)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _files(built: Path) -> Iterator[Path]:
    """The files, of which there may not be many; what is neither file nor folder is refused."""
    seen = 0
    for folder, folders, names in os.walk(built):
        for name in (*folders, *names):
            path = Path(folder) / name
            mode = path.lstat().st_mode
            seen += 1
            if seen > _MOST or not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise WorkspaceError("the project installs more than files, or too many", hint=_HINT)
        yield from (Path(folder) / name for name in names if not (Path(folder) == built and name in _LEFT))


def _content(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise WorkspaceError(f"the project installs the large file {path.name}", hint=_HINT)
    return content


def _make_folder(folder: Path, target: Path) -> None:
    """The folder within `target`, whose own folders are none of a change's."""
    for part in reversed([folder, *folder.parents]):
        if part.is_relative_to(target) and part != target:
            part.mkdir(exist_ok=True)
