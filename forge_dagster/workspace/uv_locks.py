"""What a uv.lock pins, where it pins everything so exactly that the same lock is the same content for anybody."""

import json
import os
import posixpath
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.domain.foreign import load_toml
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.requirements import checked_requirement, normalised, strings, table

_LIMIT = 8 * 1024 * 1024
"""Bytes of a file of the project that are looked at."""
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_FOLDER = re.compile(r"[\w.+-]+(?:/[\w.+-]+)*")
_OLD_BACKEND = ("setuptools>=40.8.0",)
"""What builds a project that does not say so (peps.python.org, PEP 518)."""
_ASKED_FOR = {"hatchling": ("editables~=0.3",)}
"""What a backend asks for by code (PEP 660, get_requires_for_build_editable), since that may run code of the project."""
_BUILD_SETTINGS = (
    "build-constraint-dependencies", "extra-build-dependencies", "extra-build-variables", "no-build-isolation",
    "no-build-isolation-package",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedProject:
    """A project with such a lock: what uv reads of it, and what of it is installed in place."""

    files: Mapping[str, bytes]
    """uv.lock and each pyproject.toml, as they were read once: what is installed comes from these and no later ones."""
    settings: str
    """What of each pyproject.toml has a say in what is installed."""
    in_place: tuple[str, ...]
    """Folders of the projects that are packages."""
    names: frozenset[str]
    """Of the project and of its workspace's members."""
    packages: frozenset[tuple[str, str]]
    """Name and version of all others."""
    build_requirements: tuple[str, ...] | None
    """What the projects are built with; None: more than names of packages, or settings of its own."""


def locked_project(project: Path) -> LockedProject | None:
    """The project in `project`, read without running anything; None where its lock leaves something open."""
    above = (folder / name for folder in project.parents for name in ("pyproject.toml", "uv.toml"))
    if (project / "uv.toml").exists() or any(path.exists() for path in above):
        return None  # settings from elsewhere
    try:
        lock = _read(project, "uv.lock")
        members, names, packages = _entries(load_toml(lock.decode("utf-8")))
        files = {posixpath.join(folder, "pyproject.toml"): b"" for folder in (".", *members)}
        files = {posixpath.normpath(name): _read(project, posixpath.normpath(name)) for name in files}
        parsed = {name: load_toml(content.decode("utf-8")) for name, content in files.items()}
    except (OSError, ValueError, tomllib.TOMLDecodeError, _Open):
        return None
    in_place = tuple(sorted(folder for folder, packaged in members.items() if packaged))
    built = [parsed[posixpath.normpath(posixpath.join(folder, "pyproject.toml"))] for folder in in_place]
    return LockedProject(
        files={"uv.lock": lock, **files},
        settings=json.dumps({name: _settings(content) for name, content in parsed.items()}, sort_keys=True, default=str),
        in_place=in_place,
        names=names,
        packages=packages,
        build_requirements=_build_requirements(parsed["pyproject.toml"], built),
    )


class _Open(Exception):
    """The lock leaves something open."""


def _entries(lock: Mapping[str, Any]) -> tuple[dict[str, bool], frozenset[str], frozenset[tuple[str, str]]]:
    """(Folder of each local project -> whether it is a package, their names, what else there is). Raises _Open."""
    members: dict[str, bool] = {}
    names: set[str] = set()
    packages: set[tuple[str, str]] = set()
    entries = lock.get("package")
    for entry in entries if isinstance(entries, list) else ():
        name, source = normalised(str(table({"e": entry}, "e").get("name"))), table(entry, "source")
        (kind, place), *more = list(source.items()) or [("", "")]
        if more or not isinstance(place, str):
            raise _Open
        if kind in ("editable", "virtual"):
            if not _FOLDER.fullmatch(place) or ".." in place.split("/"):
                raise _Open
            members[place] = kind == "editable"
            names.add(name)
        elif kind == "registry" and place.startswith(("https://", "http://")) and _from_wheels(entry):
            packages.add((name, str(entry.get("version"))))
        else:
            raise _Open
    if "." not in members:
        raise _Open
    return members, frozenset(names), frozenset(packages)


def _from_wheels(entry: Mapping[str, Any]) -> bool:
    wheels = entry.get("wheels")
    return isinstance(wheels, list) and bool(wheels) and all(_known(table({"w": wheel}, "w")) for wheel in wheels)


def _known(wheel: Mapping[str, Any]) -> bool:
    return bool(_HASH.fullmatch(str(wheel.get("hash")))) and str(wheel.get("url")).startswith(("https://", "http://"))


def _settings(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: pyproject.get(name) for name in ("project", "build-system", "dependency-groups")}
    return {**parts, "uv": table(pyproject, "tool", "uv")}


def _build_requirements(root: Mapping[str, Any], projects: list[dict[str, Any]]) -> tuple[str, ...] | None:
    found: dict[str, None] = {}
    if any(name in table(root, "tool", "uv") for name in _BUILD_SETTINGS):
        return None
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


def _read(project: Path, name: str) -> bytes:
    """A file of the project. Raises OSError, and _Open for one elsewhere, for what is no file and for a huge one."""
    path = project / name
    if not path.resolve().is_relative_to(project):
        raise _Open
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        content = file.read(_LIMIT + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    if content is None or len(content) > _LIMIT:
        raise _Open
    return content
