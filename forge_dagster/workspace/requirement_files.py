"""Requirement files where no code of the project may run: whether they ask for some, and what they want from the index."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.requirements import beside, checked_requirement

_INCLUDES = 20
"""Requirement files followed from one to the next, at most."""
_INCLUDED = re.compile(r"(?:-[rc]|--requirements?$|--constraints?$)(\S*)")
_IN_PLACE = re.compile(r"(?:-e|--editable)\b")
_File = TypeVar("_File")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*([\w./-]+)")


def edits_in_place(paths: Iterable[str], folder: Path) -> bool:
    """Whether these requirement files, or what they include, may ask for something to be installed in place ("-e").

    Doubt says yes: what is no plain text, and what includes more than can be followed.
    """
    waiting = [(folder / path).resolve() for path in paths]
    seen = set(waiting)
    while waiting:
        current = waiting.pop()
        try:
            words = current.read_text(encoding="utf-8-sig").replace("=", " ").split()
        except (OSError, ValueError):
            return True
        for word, following in zip(words, (*words[1:], ""), strict=True):
            if word.startswith(("-e", "--e")) or "\0" in word:
                return True
            match = _INCLUDED.match(word)
            if match is not None:
                other = (current.parent / (match[1] or following)).resolve()
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        if len(seen) > _INCLUDES:
            return True
    return False


def index_lines(paths: Iterable[str], folder: Path) -> tuple[str, ...] | None:
    """What these files and those they include want from the package index, without what is elsewhere or in place.

    None: not to be said, since an option (another index, constraints, hashes) changes what the lines mean.
    """
    found: dict[str, None] = {}
    files = [(folder / path).resolve() for path in paths]
    try:
        for line in _followed(files, lambda path: path.read_text("utf-8-sig"), lambda at, to: (at.parent / to).resolve()):
            if line.startswith("-"):
                continue
            if "--" in line:
                return None
            with contextlib.suppress(WorkspaceError):
                found[checked_requirement(line)] = None
    except (OSError, ValueError):
        return None
    return tuple(found)


def plain_lines(path: str, read: Callable[[str], str]) -> tuple[str, ...]:
    """What this requirement file and those it includes ask for, "-e" lines too. `read` gives a file by its path in the project.

    Raises ValueError for any other option (another index, constraints), for what lies elsewhere, and for too many files.
    """

    def included(at: str, to: str) -> str:
        other = "" if to.startswith("/") else beside(at, to)
        if not other:
            raise ValueError(f"{at} includes {to}")
        return other

    return tuple(dict.fromkeys(_followed([path], read, included)))


def _followed(files: list[_File], read: Callable[[_File], str], included: Callable[[_File, str], _File]) -> Iterator[str]:
    """The lines of these files and of those they include. Raises ValueError for an option but "-e", and for too many files."""
    waiting, seen = [*files], set(files)
    while waiting:
        current = waiting.pop(0)
        for line in _lines(read(current)):
            include = _INCLUDE.fullmatch(line)
            if include is not None:
                other = included(current, include[1])
                waiting += [] if other in seen else [other]
                seen.add(other)
            elif line.startswith("-") and not _IN_PLACE.match(line):
                raise ValueError(f"{current} sets {line}")
            else:
                yield line
        if len(seen) > _INCLUDES:
            raise ValueError(f"{current} includes too many others")


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        stripped = re.sub(r"(^|\s)#.*", "", line).strip()
        if stripped:
            yield stripped
