"""What is in a node_modules folder: whether it is what the lock says, which versions it holds, and what identifies it."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.project import Language, NodeProject
from forge_dagster.ports import Environment
from forge_dagster.workspace.requirements import table

_STAMP = ".forge-install.json"
_READ_LIMIT = 64 * 1024 * 1024
"""Bytes of a lock that are read; one that is larger is cut, and so holds nothing."""
_HIDDEN_LOCK = ".package-lock.json"
"""What npm 7 and later leave in node_modules: the lock of what really is there (docs.npmjs.com, package-lock.json)."""
_RECORDS = (_HIDDEN_LOCK, ".pnpm/lock.yaml", ".yarn-integrity", ".yarn-state.yml")
"""What npm, pnpm, Yarn 1 and Yarn 2+ leave in node_modules about what they installed."""
BESIDE = (".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", "bunfig.toml")
"""Files beside package.json that say how to install."""
_IN_TREE = re.compile(r'"(?:file|link|workspace|portal):|"\.{1,2}/')
_SECTIONS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "resolutions", "pnpm")


def declares(node: NodeProject) -> bool:
    """Whether there is anything to install."""
    return bool(node.dependencies or node.package.get("workspaces")) or node.lock_file == "pnpm-lock.yaml"


def needs_tree(node: NodeProject, project: Path) -> bool:
    """Whether packages of the tree itself are installed (workspaces, file: dependencies), so that no copy would do."""
    declared = json.dumps([table(node.package, name) for name in ("dependencies", "devDependencies", "optionalDependencies")])
    return bool(node.package.get("workspaces")) or (project / "pnpm-workspace.yaml").exists() or bool(_IN_TREE.search(declared))


def project_digest(node: NodeProject, project: Path, *members: Path, scripts: bool) -> str:
    """Identifies what installing would give as far as files say it: manifests (of members too), lock, settings, policy."""
    sections = {name: node.package.get(name) for name in (*_SECTIONS, "packageManager", "workspaces")}
    parts = [json.dumps(sections, sort_keys=True), str(scripts)]
    for name in (node.lock_file, *BESIDE):
        path = project / name if name else None
        if path is not None and path.is_file():
            parts.append(f"{name}:{_file_digest(path)}")
    parts += [_file_digest(member / "package.json") for member in members]
    return digest(node.manager, *parts)


def state_digest(project: Path) -> str | None:
    """Identifies what the installer recorded in node_modules; None where there is none, "" where it left no record."""
    modules = project / "node_modules"
    if not modules.is_dir():
        return None
    return "".join(_file_digest(modules / name) for name in _RECORDS if (modules / name).is_file())


def mismatch(node: NodeProject, project: Path) -> str | None:
    """How an installed node_modules differs from the lock; None when it does not, or when that cannot be known."""
    modules = project / "node_modules"
    if node.lock_file not in ("package-lock.json", "npm-shrinkwrap.json"):
        return None
    there = _packages(modules / _HIDDEN_LOCK)
    if not there:
        return None
    for name, wanted in _packages(project / node.lock_file).items():
        if not name.startswith("node_modules/") or not isinstance(wanted, dict) or wanted.get("link"):
            continue
        found = there.get(name)
        if found is None:
            if not any(wanted.get(kind) for kind in ("optional", "devOptional", "peer")):
                return f"{name.removeprefix('node_modules/')} is missing"
        elif found.get("version") != wanted.get("version"):
            return f"{name.removeprefix('node_modules/')} is {found.get('version')}, not {wanted.get('version')}"
    return None


def installed_versions(node: NodeProject, project: Path) -> dict[str, str]:
    """Versions at the top of node_modules: from npm's own record, else of the packages that the project declares."""
    packages = _packages(project / "node_modules" / _HIDDEN_LOCK)
    if packages:
        prefix = "node_modules/"
        return {
            name[len(prefix) :]: str(entry.get("version"))
            for name, entry in packages.items()
            if name.startswith(prefix) and f"/{prefix}" not in name and isinstance(entry, dict) and entry.get("version")
        }
    found = {}
    for name in node.dependencies:
        version = read_json(project / "node_modules" / name / "package.json").get("version")
        if isinstance(version, str):
            found[name] = version
    return found


def environment_in(*projects: Path, versions: Mapping[str, str], identity: str = "") -> Environment:
    """The environment whose node_modules are in `projects`, the nearest first."""
    directories = tuple(project / "node_modules" / ".bin" for project in projects)
    path = os.pathsep.join([*map(str, directories), os.environ.get("PATH", os.defpath)])
    node_path = os.pathsep.join(str(project / "node_modules") for project in projects)
    return Environment(
        language=Language.TYPESCRIPT,
        bin_directories=directories,
        versions=versions,
        variables={"PATH": path, "NODE_PATH": node_path},
        digest=identity or digest(json.dumps(dict(versions), sort_keys=True)),
    )


def stamp(folder: Path, project: Path, *, node: NodeProject | None = None, key: str = "") -> None:
    """Record in `folder` that the installation in `project` is complete."""
    own = node or NodeProject(
        manager="npm", package=read_json(project / "package.json"), dependencies=_dependencies(project / "package.json")
    )
    content = {"key": key, "versions": installed_versions(own, project)}
    (folder / f"{_STAMP}.part").write_text(json.dumps(content), encoding="utf-8")
    (folder / f"{_STAMP}.part").replace(folder / _STAMP)


def stamp_of(folder: Path) -> str | None:
    """The key that was recorded; None where nothing was."""
    key = read_json(folder / _STAMP).get("key")
    return key if isinstance(key, str) else None


def stamped(folder: Path) -> dict[str, str]:
    """The versions that were recorded."""
    return {str(name): str(version) for name, version in table(read_json(folder / _STAMP), "versions").items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none."""
    try:
        with path.open("rb") as file:
            content = load_json(file.read(_READ_LIMIT))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def digest(*parts: str) -> str:
    """Identifies texts, 20 hex digits."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _dependencies(path: Path) -> frozenset[str]:
    return frozenset(table(read_json(path), "dependencies"))


def _packages(path: Path) -> Mapping[str, Any]:
    return table(read_json(path), "packages")


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
