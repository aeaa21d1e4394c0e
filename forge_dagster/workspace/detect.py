"""Finds out what a repository is made of by reading it. Nothing is executed, and every file is read up to a limit only."""

from collections.abc import Iterable
from pathlib import Path

from forge_dagster.domain.project import Project, Sign
from forge_dagster.workspace.detect_files import READ_LIMIT, WALK_LIMIT, Folder, existing, list_files, walk
from forge_dagster.workspace.detect_hooks import read_hooks
from forge_dagster.workspace.detect_node import node_project
from forge_dagster.workspace.detect_parts import find_parts
from forge_dagster.workspace.detect_places import choose
from forge_dagster.workspace.detect_python import python_project
from forge_dagster.workspace.detect_signs import node_signs, python_signs

__all__ = ["READ_LIMIT", "WALK_LIMIT", "detect", "existing", "list_files", "walk"]


def detect(root: Path, files: Iterable[str]) -> Project:
    """What the repository at `root` is. `files` are its paths as `list_files` gives them.

    Its first project is the one at the root; else the one nearest to it, then the one with most sources, then by name; folders
    such as `examples` and `docs` count only where nothing else is. Its parts are the members of workspaces and what stands
    beside or below the first. Raises WorkspaceError naming a manifest (pyproject.toml, package.json, pnpm-workspace.yaml) that
    cannot be read.
    """
    listed = tuple(sorted(files))
    folders: dict[str, set[str]] = {}
    for path in listed:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    python, node = choose(folders, listed)
    hooks, hook_signs = read_hooks(Folder(root, ""))
    first = Project(
        files=listed,
        python=None if python is None else python_project(root, python, listed, folders),
        node=None if node is None else node_project(root, node, folders),
        pre_commit_hooks=frozenset(hook.id for hook in hooks),
        hooks=hooks,
    )
    found = find_parts(root, first, folders)
    signs = (*_signs(root, first), *found.signs, *hook_signs)
    parts = tuple(part.model_copy(update={"signs": _signs(root, part)}) for part in found.parts)
    return first.model_copy(update={"parts": parts, "signs": signs})


def _signs(root: Path, project: Project) -> tuple[Sign, ...]:
    python, node = project.python, project.node
    return (
        *(() if python is None else python_signs(python, Folder(root, python.directory))),
        *(() if node is None else node_signs(node, Folder(root, node.directory))),
    )
