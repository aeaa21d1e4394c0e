"""What Forge itself reads of an environment, and that what is installed there leaves it alone.

A package that is built may write anything into the environment that it is installed in, and a wheel may bring files for any
place in it. What decides which folders of this machine a later sandbox shows (pyvenv.cfg, the links to the interpreter,
Forge's own notes), and where Forge itself will write, has to be afterwards as it was before.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.requirements import normalised

_SETTINGS = "pyvenv.cfg"
_READ_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """The settings of an environment, where the links of its `bin` lead, and Forge's notes in it."""

    settings: bytes
    links: frozenset[tuple[str, str]]
    notes: frozenset[tuple[str, bytes]]


def is_environment(folder: Path) -> bool:
    """Whether the folder is a virtual environment."""
    return (folder / _SETTINGS).is_file()


def frame_of(environment: Path) -> Frame:
    """The frame of an environment. Raises WorkspaceError where one of its folders is none."""
    for folder in (environment, environment / "bin", environment / "lib", *_package_folders(environment)):
        if not stat.S_ISDIR(_mode(folder)):
            raise WorkspaceError(f"{folder} is no folder any more", hint=_HINT)
    links = frozenset((path.name, str(path.readlink())) for path in (environment / "bin").iterdir() if path.is_symlink())
    notes = frozenset(
        (entry.name, b"" if entry.is_dir(follow_symlinks=False) else _content(Path(entry.path)))
        for entry in os.scandir(environment)
        if entry.name.startswith(("forge-", ".forge"))
    )
    return Frame(settings=_content(environment / _SETTINGS), links=links, notes=notes)


def interpreter_of(environment: Path) -> Path:
    """The Python that an environment was made from. Only where its frame is known to be as it was."""
    return (environment / "bin" / "python").resolve()


def versions_in(environment: Path) -> dict[str, str]:
    """Normalised name -> version of the packages in a virtual environment, read from the names of their metadata folders."""
    found: dict[str, str] = {}
    for entry in sorted(environment.glob("lib/python*/site-packages/*.dist-info")):
        name, _, version = entry.name.removesuffix(".dist-info").rpartition("-")
        found[normalised(name)] = version
    return found


def checked_frame(environment: Path, before: Frame) -> None:
    """Raises WorkspaceError when the frame is not what it was."""
    if frame_of(environment) != before:
        raise WorkspaceError("what was installed changed the environment itself, which no package may", hint=_HINT)


_HINT = "look for a package with files in the environment's own places (pyvenv.cfg, bin/python, forge-*), or that writes there"


def _package_folders(environment: Path) -> Iterator[Path]:
    for folder in environment.glob("lib/python*"):
        yield folder
        yield folder / "site-packages"


def _content(path: Path) -> bytes:
    if not stat.S_ISREG(_mode(path)):
        raise WorkspaceError(f"{path} is no file any more", hint=_HINT)
    with path.open("rb") as file:
        return file.read(_READ_LIMIT)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError as error:
        raise WorkspaceError(f"{path} is not there any more", hint=_HINT) from error
