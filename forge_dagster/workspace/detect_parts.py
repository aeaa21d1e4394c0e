"""The further projects of a repository: members of its workspaces, and projects that stand beside or below the first."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.domain.project import NodeProject, Project, PythonProject, Sign
from forge_dagster.domain.yaml_text import read_yaml
from forge_dagster.workspace.detect_files import Folder, below
from forge_dagster.workspace.detect_node import NODE_SOURCES, is_package, node_project, read_package
from forge_dagster.workspace.detect_places import may_be_part, members, near
from forge_dagster.workspace.detect_python import declares_package, native_sources, python_project, read_pyproject
from forge_dagster.workspace.requirements import strings, table

MAX_PARTS = 50
"""Parts that are looked at: each may need an environment and a run of every tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The parts, and what is to be said about finding them."""

    parts: tuple[Project, ...] = ()
    signs: tuple[Sign, ...] = ()


@dataclass(slots=True)
class _Places:
    """Folder -> the workspace it is a member of; None: it stands alone."""

    python: dict[str, str | None] = field(default_factory=dict)
    node: dict[str, NodeProject | None] = field(default_factory=dict)
    signs: list[Sign] = field(default_factory=list)


def find_parts(root: Path, first: Project, folders: Mapping[str, set[str]]) -> Found:
    """The parts beside `first`, each with the files that belong to no deeper one. Raises WorkspaceError for a manifest that
    cannot be read.
    """
    places = _Places()
    _node_places(root, first.node, folders, places)
    _python_places(root, first.python, folders, places)
    if first.python is not None:
        places.python.pop(first.python.directory, None)
    if first.node is not None:
        places.node.pop(first.node.directory, None)
    wanted = sorted({*places.python, *places.node})
    if len(wanted) > MAX_PARTS:
        left = f"{len(wanted) - MAX_PARTS} further projects, which are not looked at (the first {MAX_PARTS} are)"
        places.signs.append(Sign(what=left, because=f"{wanted[MAX_PARTS]}/ and others"))
        wanted = wanted[:MAX_PARTS]
    natives = {where: native_sources(where, first.files) for where in places.python.values() if where is not None}
    parts = []
    for directory, files in _shared_out(first.files, wanted).items():
        python: PythonProject | None = None
        if directory in places.python:
            where = places.python[directory]
            native = None if where is None else natives[where]
            python = python_project(root, directory, files, folders, workspace=where, native_files=native)
        node: NodeProject | None = None
        if directory in places.node:
            node = node_project(root, directory, folders, workspace=places.node[directory])
        hooks = {"pre_commit_hooks": first.pre_commit_hooks, "hooks": first.hooks}
        parts.append(Project(files=files, python=python, node=node, **hooks))
    return Found(parts=tuple(parts), signs=tuple(places.signs))


# --- JavaScript


def _node_places(root: Path, first: NodeProject | None, folders: Mapping[str, set[str]], places: _Places) -> None:
    candidates = [folder for folder, there in folders.items() if "package.json" in there]
    alone = [folder for folder in candidates if near(folder) and folder and may_be_part(folder)]
    roots = ([first.directory] if first is not None else []) + [folder for folder in alone if folder not in places.node]
    claimed: set[str] = set()
    for directory in roots:
        if directory in claimed:
            continue
        patterns, because = workspace_patterns(Folder(root, directory))
        if not patterns:
            continue
        project = node_project(root, directory, folders)
        found = members(patterns, candidates, root=directory)
        claimed.update(found)
        places.node.update(dict.fromkeys(found, project))
        places.node.setdefault(directory, None)
        if found:
            place = f"{below(directory)}{because}"
            places.signs.append(Sign(what=f"{project.manager} workspace of {_counted(found)}", because=place))
    for folder in alone:
        if folder not in places.node and is_package(Folder(root, folder)) and _has_sources(folder, folders):
            places.node[folder] = None


def workspace_patterns(folder: Folder) -> tuple[tuple[str, ...], str]:
    """What package.json or pnpm-workspace.yaml says are the members, and which of them says so; nothing without a workspace."""
    text = folder.text("pnpm-workspace.yaml")
    if text is not None:
        packages = strings(table({"y": read_yaml(text, folder.where("pnpm-workspace.yaml"))}, "y").get("packages"))
        return packages[:100], "pnpm-workspace.yaml"
    declared = read_package(folder).get("workspaces")
    if isinstance(declared, dict):
        declared = declared.get("packages")
    return strings(declared)[:100], "package.json"


def _has_sources(folder: str, folders: Mapping[str, set[str]]) -> bool:
    prefix = below(folder)
    return any(
        name.endswith(NODE_SOURCES)
        for each, there in folders.items()
        if each == folder or each.startswith(prefix)
        for name in there
    )


# --- Python


def _python_places(root: Path, first: PythonProject | None, folders: Mapping[str, set[str]], places: _Places) -> None:
    candidates = [folder for folder, there in folders.items() if "pyproject.toml" in there]
    alone = [folder for folder in folders if folder and near(folder) and may_be_part(folder)]
    alone = [folder for folder in alone if _is_python(Folder(root, folder), folder, folders)]
    if first is not None:
        alone += [folder for folder in _path_dependencies(first, folders) if folder not in alone]
    for directory in dict.fromkeys([*([first.directory] if first is not None else []), *alone]):
        pyproject = first.pyproject if first is not None and first.directory == directory else None
        if pyproject is None and "pyproject.toml" in folders.get(directory, ()):
            pyproject = read_pyproject(Folder(root, directory))
        workspace = table(pyproject, "tool", "uv", "workspace")
        if not workspace:
            continue
        excluded = set(members(strings(workspace.get("exclude"))[:100], candidates, root=directory))
        found = members(strings(workspace.get("members"))[:100], candidates, root=directory)
        found = tuple(each for each in found if each not in excluded)
        shared = "uv.lock" in folders.get(directory, ())
        places.python.update(dict.fromkeys(found, directory if shared else None))
        places.signs.append(
            Sign(what=f"uv workspace of {_counted(found)}", because=f"{below(directory)}pyproject.toml [tool.uv.workspace]")
        )
    for folder in alone:
        places.python.setdefault(folder, None)


def _is_python(folder: Folder, directory: str, folders: Mapping[str, set[str]]) -> bool:
    there = folders[directory]
    if declares_package(folder, there):
        return True
    aside = re.search(r"doc|test|example|bench|demo", directory)
    return "requirements.txt" in there and aside is None and any(name.endswith(".py") for name in there)


def _path_dependencies(first: PythonProject, folders: Mapping[str, set[str]]) -> list[str]:
    """Projects of the tree that the first one depends on by path (Poetry, [tool.uv.sources])."""
    poetry = table(first.pyproject, "tool", "poetry")
    tables = [table(poetry, "dependencies"), table(first.pyproject, "tool", "uv", "sources")]
    tables += [table(poetry, "group", name, "dependencies") for name in table(poetry, "group")]
    found = []
    for entries in tables:
        for name in entries:
            path = table(entries, name).get("path")
            folder = _inside(first.directory, path) if isinstance(path, str) else None
            if folder and may_be_part(folder) and {"pyproject.toml", "setup.py"} & folders.get(folder, set()):
                found.append(folder)
    return found[:MAX_PARTS]


def _inside(directory: str, path: str) -> str | None:
    kept = directory.split("/") if directory else []
    for part in path.split("/"):
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part not in (".", ""):
            kept.append(part)
    return "/".join(kept) if not path.startswith("/") else None


# --- files


def _shared_out(files: Iterable[str], wanted: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Part -> the files that belong to it and to no deeper part."""
    shares: dict[str, list[str]] = {directory: [] for directory in wanted}
    owners: dict[str, str | None] = {}
    for path in files:
        folder = path.rpartition("/")[0]
        if folder not in owners:
            owner = folder
            while owner and owner not in shares:
                owner = owner.rpartition("/")[0]
            owners[folder] = owner if owner in shares else None
        found = owners[folder]
        if found is not None:
            shares[found].append(path)
    return {directory: tuple(share) for directory, share in shares.items()}


def _counted(found: Iterable[str]) -> str:
    names = list(found)
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return f"{len(names)} project{'' if len(names) == 1 else 's'}{f' ({shown})' if names else ''}"
