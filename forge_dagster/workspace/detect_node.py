"""What a JavaScript or TypeScript project is, read from the files of its folder."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.project import NodeProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.detect_files import Folder
from forge_dagster.workspace.detect_python import configuration_files
from forge_dagster.workspace.requirements import table

NODE_LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
"""Lock -> who writes it; of several, the first counts."""
MANAGERS = ("npm", "pnpm", "yarn", "bun")
NODE_SOURCES = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte")
_WORKFLOWS, _MOST_WORKFLOWS = ".github/workflows", 20
_FORCE_COLOR = re.compile(r"^[ \t]*FORCE_COLOR:[ \t]*[\"']?(?:true|[123])\b", re.MULTILINE)
"""nodejs.org, "getColorDepth": 0 and false forbid colours."""
_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def node_project(
    root: Path, directory: str, folders: Mapping[str, set[str]], *, workspace: NodeProject | None = None
) -> NodeProject:
    """The project in `directory`, member of `workspace` if given. Raises WorkspaceError for an unreadable package.json."""
    package = read_package(Folder(root, directory))
    there = folders.get(directory, set())
    pinned = str(package.get("packageManager", "")).partition("@")[0]
    lock = _lock(there, pinned) if workspace is None else None
    manager = NODE_LOCKS[lock] if lock else pinned if pinned in MANAGERS else "npm"
    return NodeProject(
        directory=directory,
        workspace=None if workspace is None else workspace.directory,
        manager=manager if workspace is None else workspace.manager,
        package=package,
        configuration_files=configuration_files(directory, folders),
        lock_file=lock,
        dependencies=frozenset(name for section in _DEPENDENCIES for name in table(package, section)),
        forces_colours=_forces_colours(Folder(root, _WORKFLOWS), folders.get(_WORKFLOWS, ())),
    )


def _forces_colours(workflows: Folder, names: Iterable[str]) -> bool:
    texts = (workflows.text(name) for name in sorted(names)[:_MOST_WORKFLOWS] if name.endswith((".yml", ".yaml")))
    return any(_FORCE_COLOR.search(text) for text in texts if text is not None)


def read_package(folder: Folder) -> dict[str, object]:
    """package.json. Raises WorkspaceError where it is no JSON object."""
    try:
        package = load_json(folder.text("package.json") or "{}")
    except (ValueError, RecursionError) as error:
        raise WorkspaceError(
            f"{folder.where('package.json')} is not valid JSON: {error}", hint="correct the file; every tool reads it"
        ) from error
    if not isinstance(package, dict):
        raise WorkspaceError(f"{folder.where('package.json')} is not an object", hint="correct the file")
    return package


def is_package(folder: Folder) -> bool:
    """Whether package.json describes a project, and not only how a folder's files are to be loaded."""
    package = read_package(folder)
    return any(table(package, name) for name in ("scripts", "dependencies", "devDependencies"))


def _lock(there: set[str], manager: str) -> str | None:
    """The lock in the folder: that of the manager that package.json names, where there are several."""
    found = [name for name in NODE_LOCKS if name in there]
    return next((name for name in found if NODE_LOCKS[name] == manager), found[0] if found else None)
