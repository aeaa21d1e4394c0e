"""What a uv.lock pins, where it pins everything so exactly that the same lock is the same content for anybody."""

import hashlib
import json
import posixpath
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.domain.foreign import load_toml
from forge_dagster.workspace.pinned_projects import LeftOpen, PinnedProject, build_requirements, read_once, set_elsewhere
from forge_dagster.workspace.requirements import normalised, table

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_FOLDER = re.compile(r"[\w.+-]+(?:/[\w.+-]+)*")
_BUILD_SETTINGS = (
    "build-constraint-dependencies", "extra-build-dependencies", "extra-build-variables", "no-build-isolation",
    "no-build-isolation-package",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedProject(PinnedProject):
    """A project with such a lock."""

    files: Mapping[str, bytes]
    """uv.lock and each pyproject.toml, as they were read once: what is installed comes from these and no later ones."""
    settings: str
    """What of each pyproject.toml has a say in what is installed."""
    packages: frozenset[tuple[str, str]]
    """Name and version of all that are not the project's own."""

    def identity(self) -> tuple[str, ...]:
        return "locked", hashlib.sha256(self.files["uv.lock"]).hexdigest(), self.settings


def locked_project(project: Path) -> LockedProject | None:
    """The project in `project`, read without running anything; None where its lock leaves something open."""
    if set_elsewhere(project):
        return None
    try:
        lock = read_once(project, "uv.lock")
        members, names, packages = _entries(load_toml(lock.decode("utf-8")))
        files = {posixpath.join(folder, "pyproject.toml"): b"" for folder in (".", *members)}
        files = {posixpath.normpath(name): read_once(project, posixpath.normpath(name)) for name in files}
        parsed = {name: load_toml(content.decode("utf-8")) for name, content in files.items()}
    except (OSError, ValueError, tomllib.TOMLDecodeError, LeftOpen):
        return None
    in_place = tuple(sorted(folder for folder, packaged in members.items() if packaged))
    built = [parsed[posixpath.normpath(posixpath.join(folder, "pyproject.toml"))] for folder in in_place]
    return LockedProject(
        files={"uv.lock": lock, **files},
        settings=json.dumps({name: _settings(content) for name, content in parsed.items()}, sort_keys=True, default=str),
        in_place=in_place,
        names=names,
        packages=packages,
        build_requirements=_built_with(parsed["pyproject.toml"], built),
    )


def _entries(lock: Mapping[str, Any]) -> tuple[dict[str, bool], frozenset[str], frozenset[tuple[str, str]]]:
    """(Folder of each local project -> whether it is a package, their names, what else there is). Raises LeftOpen."""
    members: dict[str, bool] = {}
    names: set[str] = set()
    packages: set[tuple[str, str]] = set()
    entries = lock.get("package")
    for entry in entries if isinstance(entries, list) else ():
        name, source = normalised(str(table({"e": entry}, "e").get("name"))), table(entry, "source")
        (kind, place), *more = list(source.items()) or [("", "")]
        if more or not isinstance(place, str):
            raise LeftOpen
        if kind in ("editable", "virtual"):
            if not _FOLDER.fullmatch(place) or ".." in place.split("/"):
                raise LeftOpen
            members[place] = kind == "editable"
            names.add(name)
        elif kind == "registry" and place.startswith(("https://", "http://")) and _from_wheels(entry):
            packages.add((name, str(entry.get("version"))))
        else:
            raise LeftOpen
    if "." not in members:
        raise LeftOpen
    return members, frozenset(names), frozenset(packages)


def _from_wheels(entry: Mapping[str, Any]) -> bool:
    wheels = entry.get("wheels")
    return isinstance(wheels, list) and bool(wheels) and all(_known(table({"w": wheel}, "w")) for wheel in wheels)


def _known(wheel: Mapping[str, Any]) -> bool:
    return bool(_HASH.fullmatch(str(wheel.get("hash")))) and str(wheel.get("url")).startswith(("https://", "http://"))


def _settings(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: pyproject.get(name) for name in ("project", "build-system", "dependency-groups")}
    return {**parts, "uv": table(pyproject, "tool", "uv")}


def _built_with(root: Mapping[str, Any], projects: list[dict[str, Any]]) -> tuple[str, ...] | None:
    changed = any(name in table(root, "tool", "uv") for name in _BUILD_SETTINGS)
    return None if changed else build_requirements(projects)
