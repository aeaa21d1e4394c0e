"""What a project asks for, where the same words are the same content for anybody. Read once, and without running anything."""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.requirements import checked_requirement, strings, table

_LIMIT = 8 * 1024 * 1024
"""Bytes of a file of the project that are looked at."""
_OLD_BACKEND = ("setuptools>=40.8.0",)
"""What builds a project that does not say so (peps.python.org, PEP 518)."""
_ASKED_FOR = {"hatchling": ("editables~=0.3",)}
"""What a backend asks for by code (PEP 660, get_requires_for_build_editable), since that may run code of the project."""


class LeftOpen(Exception):
    """What the project says leaves something open: another time, or elsewhere, it could mean other content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedProject(ABC):
    """A project of which all but itself can be installed once for every checkout."""

    in_place: tuple[str, ...]
    """Folders of the projects that are packages."""
    names: frozenset[str]
    """Of the project and of its workspace's members."""
    build_requirements: tuple[str, ...] | None
    """What the projects are built with; None: more than names of packages, or settings of its own."""

    @abstractmethod
    def identity(self) -> tuple[str, ...]:
        """Everything in the project that has a say in what is installed beside it."""


def set_elsewhere(project: Path) -> bool:
    """Whether uv would read settings from a file beside, or above, the project's own pyproject.toml."""
    above = (folder / name for folder in project.parents for name in ("pyproject.toml", "uv.toml"))
    return (project / "uv.toml").exists() or any(path.exists() for path in above)


def build_requirements(projects: Iterable[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """What these projects, given by their pyproject.toml, are built with; None where that is more than names of packages."""
    found: dict[str, None] = {}
    for pyproject in projects:
        system = table(pyproject, "build-system")
        requires = system.get("requires", list(_OLD_BACKEND))
        if not isinstance(requires, list) or len(strings(requires)) != len(requires):
            return None
        try:
            found |= dict.fromkeys(checked_requirement(line) for line in strings(requires))
        except WorkspaceError:
            return None
        found |= dict.fromkeys(_ASKED_FOR.get(str(system.get("build-backend")).partition(".")[0], ()))
    return tuple(sorted(found))


def read_once(project: Path, name: str) -> bytes:
    """A file of the project. Raises OSError, and LeftOpen for one elsewhere, for what is no file and for a huge one."""
    path = project / name
    if not path.resolve().is_relative_to(project):
        raise LeftOpen
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        content = file.read(_LIMIT + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    if content is None or len(content) > _LIMIT:
        raise LeftOpen
    return content
