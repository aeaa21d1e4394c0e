"""A dependency with a known flaw, as the repository's own lock would pin it. Nothing installs it: gate `sca` reads locks."""

import json
import posixpath
import re
from collections.abc import Mapping

from forge_dagster.domain.advisories import Advisory
from forge_dagster.domain.flaws import flaw_finding, flaws_of
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.planted.faults import Fault, Piece
from forge_dagster.domain.planted.sites import Read, owner
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sbom import Ecosystem, component
from forge_dagster.domain.sbom_locks import NODE_LOCKS, PYTHON_LOCKS

Flawed = Mapping[Ecosystem, tuple[str, str]]
"""(Package, version) with a flaw that the operator's advisories know, of each ecosystem that they know one of."""

ECOSYSTEMS = {Language.PYTHON: Ecosystem.PYPI, Language.TYPESCRIPT: Ecosystem.NPM}


_NAME = re.compile(r"@?[A-Za-z0-9][\w./-]{0,200}", re.ASCII)
_VERSION = re.compile(r"\d[\w.+-]{0,60}", re.ASCII)
_TRIED = ("1.0.0", "0.0.1")
"""Versions for a flaw that has always been there."""


def flawed_version(advisory: Advisory, section: ScaSection) -> tuple[str, str] | None:
    """(Package, version) that the advisory is about, if the gate would fail a change for bringing it in."""
    for affected in advisory.affected:
        said = [
            version
            for one in affected.ranges
            for kind, version in one.events
            if kind in ("introduced", "last_affected") and version != "0"
        ]
        for version in (*sorted(affected.versions)[:1], *said, *_TRIED):
            if _NAME.fullmatch(affected.name) is None or _VERSION.fullmatch(version) is None:
                continue
            one = component(affected.ecosystem, affected.name, version)
            flaws = flaws_of((one,), {one.key[:2]: (advisory,)})
            if any(flaw_finding("planted", flaw, section).severity is Severity.ERROR for flaw in flaws):
                return affected.name, version
    return None


def flawed_dependency(project: Project, language: Language, flawed: tuple[str, str], read: Read, mark: str) -> Fault | None:
    """The fault; None where the lock is of a shape that nothing can be added to."""
    part = owner(project, language)
    if part is None:
        return None
    piece = _python(part, *flawed, read) if language is Language.PYTHON else _node(part, *flawed, read)
    if piece is None:
        return None
    what = f"a dependency with a known flaw ({flawed[0]} {flawed[1]})"
    return Fault(gate="sca", what=what, mark=mark, pieces=(piece,), language=language)


def _python(part: Project, name: str, version: str, read: Read) -> Piece | None:
    python = part.python
    assert python is not None
    folders = [folder for folder in (python.directory, python.workspace) if folder is not None]
    names = (*PYTHON_LOCKS, *(one for one in python.requirement_files if one.endswith(".txt")))
    for path in (posixpath.join(folder, one) for folder in folders for one in names):
        text = read(path)
        if text is None:
            continue
        if path.endswith("Pipfile.lock"):
            return _json(path, text, ("default",), name, {"version": f"=={version}"})
        if path.endswith(".lock"):
            return Piece(path=path, text=_TOML.format(name=name, version=version))
        return Piece(path=path, text=f"{name}=={version}\n")
    return Piece(path=posixpath.join(python.directory, "poetry.lock"), text=_TOML.lstrip().format(name=name, version=version))


_TOML = '\n[[package]]\nname = "{name}"\nversion = "{version}"\n'


def _node(part: Project, name: str, version: str, read: Read) -> Piece | None:
    node = part.node
    assert node is not None
    folder = node.directory if node.workspace is None else node.workspace
    for path in (posixpath.join(folder, one) for one in ((node.lock_file,) if node.lock_file is not None else NODE_LOCKS)):
        text = read(path)
        if text is None:
            continue
        if path.endswith(".json"):
            data = load_json(text)
            modern = isinstance(data, dict) and "packages" in data
            keys, key = (("packages",), f"node_modules/{name}") if modern else (("dependencies",), name)
            return _json(path, text, keys, key, {"version": version})
        if path.endswith("yarn.lock"):
            berry = "__metadata:" in text
            entry = (
                f'\n"{name}@npm:{version}":\n  version: {version}\n'
                if berry
                else f'\n"{name}@{version}":\n  version "{version}"\n'
            )
            return Piece(path=path, text=entry)
        return _before(path, text, _BUN, name, version) if path.endswith("bun.lock") else _pnpm(path, text, name, version)
    lock = {"name": "planted", "lockfileVersion": 3, "packages": {"": {}, f"node_modules/{name}": {"version": version}}}
    return Piece(path=posixpath.join(folder, "package-lock.json"), text=json.dumps(lock, indent=2), whole=True)


def _json(path: str, text: str, keys: tuple[str, ...], name: str, entry: Mapping[str, str]) -> Piece | None:
    data = load_json(text)
    table = data
    for key in keys:
        table = table.setdefault(key, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return None
    table[name] = dict(entry)
    return Piece(path=path, text=json.dumps(data, indent=2), whole=True)


_BUN = r"^ {2}\"packages\": \{\s*$", '    "{name}": ["{name}@{version}", "", {{}}, "sha512-planted"],\n'
_PNPM = r"^packages:\s*$", "\n  '{name}@{version}':\n    resolution: {{integrity: sha512-planted}}\n"
_PNPM_OLD = _PNPM[0], _PNPM[1].replace("'{name}@{version}'", "/{name}@{version}")
"""The line after which a lock lists packages, and an entry of it."""


def _pnpm(path: str, text: str, name: str, version: str) -> Piece | None:
    old = re.search(r"^packages:\s*$(?s:.*?)^ {2}/", text, re.MULTILINE) is not None
    return _before(path, text, _PNPM_OLD if old else _PNPM, name, version)


def _before(path: str, text: str, shape: tuple[str, str], name: str, version: str) -> Piece | None:
    found = re.search(shape[0], text, re.MULTILINE)
    if found is None:
        return None
    return Piece(path=path, text=shape[1].format(name=name, version=version), before=text.count("\n", 0, found.start()) + 2)
