"""Finds out what a repository is made of by reading it. Nothing is executed, and every file is read up to a limit only."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from forge_dagster.domain.project import NodeProject, Project, PythonProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run
from forge_dagster.workspace.diff import path_text
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.requirements import (
    declared_names,
    ini_sections,
    names,
    requirement_lines,
    setup_declarations,
    table,
)

READ_LIMIT = 4 * 1024 * 1024
"""Bytes of a configuration file that are read; a larger one is refused."""
WALK_LIMIT = 100_000
"""Files listed of a folder that is no git repository."""

_PYTHON_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
_PYTHON_LOCKS = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm", "Pipfile.lock": "pip"}
_NODE_LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
}
_NODE_SOURCES = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte")
_SECONDARY = frozenset(
    (
        "example", "examples", "demo", "demos", "sample", "samples", "docs", "doc", "website", "site", "test", "tests",
        "__tests__", "testdata", "fixtures", "__fixtures__", "benchmark", "benchmarks", "bench", "scripts", "tools",
        "template", "templates", "vendor", "third_party",
    )
)  # fmt: skip
"""Folders whose projects are looked at only where there is no other."""
_IGNORED_FOLDERS = frozenset(
    (
        "node_modules", ".git", ".hg", ".svn", ".venv", "venv", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache",
        ".pytest_cache",
    )
)  # fmt: skip
_HOOK = re.compile(r"^[ \t]*(?:-[ \t]+)?id:[ \t]*['\"]?([A-Za-z0-9_.-]+)", re.MULTILINE)
_CONFIGURATION_ENDINGS = (".toml", ".ini", ".cfg", ".yaml", ".yml", ".json", ".jsonc", ".json5")
_CONFIGURATION_PYTHON = ("conftest.py", "noxfile.py", "setup.py", "tasks.py", "dodo.py")


def list_files(root: Path, run: Run) -> tuple[str, ...]:
    """Files of the tree at `root`, sorted: tracked, and untracked but not ignored; outside of git, all of them.

    Left out are links that point out of the tree, submodules, and what is not there. Raises WorkspaceError.
    """
    repository = GitRepository(root, run, user_configuration=True)
    inside = repository.try_git("rev-parse", "--is-inside-work-tree")
    if inside.exit_code == 0 and inside.stdout.strip() == b"true":
        return existing(root, (name for name, _ in repository.listed_files()))
    return existing(root, walk(root))


def walk(root: Path) -> list[bytes]:
    """All files below `root`, installed packages and caches left out. Raises WorkspaceError over WALK_LIMIT."""
    found: list[bytes] = []
    top = os.fsencode(root)
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if os.fsdecode(name) not in _IGNORED_FOLDERS)
        found.extend(os.path.relpath(os.path.join(folder, name), top) for name in files)  # noqa: PTH118
        if len(found) > WALK_LIMIT:
            raise WorkspaceError(
                f"{root} holds more than {WALK_LIMIT} files and is no git repository", hint="give the folder of one project"
            )
    return found


def existing(root: Path, listed: Iterable[bytes]) -> tuple[str, ...]:
    """Those of the listed names that are files, or links to something within the tree; as text, sorted."""
    top = os.fsencode(root)
    real = os.path.realpath(top) + b"/"
    kept: set[str] = set()
    for name in listed:
        path = top + b"/" + name
        if os.path.islink(path):  # noqa: PTH114 - per file of a large repository, a Path object is what costs
            inside = os.path.realpath(path).startswith(real) and os.path.isfile(path)  # noqa: PTH113
        else:
            inside = os.path.isfile(path)  # noqa: PTH113
        if inside:
            kept.add(path_text(name))
    return tuple(sorted(kept))


def detect(root: Path, files: Iterable[str]) -> Project:
    """What the repository at `root` is. `files` are its paths as `list_files` gives them.

    A project at the root wins; else the one nearest to it, then the one with most sources, then by name; folders such as
    `examples` and `docs` count only where nothing else is. Raises WorkspaceError naming a pyproject.toml or package.json that
    cannot be read.
    """
    listed = tuple(sorted(files))
    folders: dict[str, set[str]] = {}
    for path in listed:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    python, node = _choose(folders, listed)
    return Project(
        files=listed,
        python=None if python is None else _python(root, python, listed, folders),
        node=None if node is None else _node(root, node, folders),
        pre_commit_hooks=_pre_commit_hooks(root),
    )


def _pre_commit_hooks(root: Path) -> frozenset[str]:
    """Ids of the hooks in .pre-commit-config.yaml, read line by line: a list item or key `id` in it is nothing else."""
    text = _Folder(root, "").text(".pre-commit-config.yaml") or ""
    return frozenset(match[1] for match in _HOOK.finditer(text))


def _choose(folders: Mapping[str, set[str]], files: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Folders of the Python and of the Node project."""
    python = [folder for folder, there in folders.items() if there.intersection(_PYTHON_FILES)]
    node = [folder for folder, there in folders.items() if "package.json" in there]
    for candidates in (_primary, _secondary):
        chosen = (_best(candidates(python), files, (".py",)), _best(candidates(node), files, _NODE_SOURCES))
        if chosen != (None, None):
            return chosen
    if any(path.endswith(".py") for path in files):
        return "", None
    return None, None


def _primary(folders: list[str]) -> list[str]:
    return [folder for folder in folders if not _SECONDARY.intersection(folder.split("/")) and _near(folder)]


def _secondary(folders: list[str]) -> list[str]:
    return [folder for folder in folders if _near(folder)]


def _near(folder: str) -> bool:
    parts = folder.split("/") if folder else []
    return len(parts) <= 2 and not _IGNORED_FOLDERS.intersection(parts)


def _best(candidates: list[str], files: tuple[str, ...], endings: tuple[str, ...]) -> str | None:
    def rank(folder: str) -> tuple[int, int, str]:
        prefix = f"{folder}/" if folder else ""
        return (len(PurePosixPath(folder).parts), -sum(f.startswith(prefix) and f.endswith(endings) for f in files), folder)

    return min(candidates, key=rank, default=None)


class _Folder:
    """The project's folder, through which its files are read."""

    def __init__(self, root: Path, directory: str) -> None:
        self._root = root
        self._path = root / directory
        self._directory = directory

    def where(self, name: str) -> str:
        return f"{self._directory}/{name}" if self._directory else name

    def text(self, name: str) -> str | None:
        """The file's text; None when it is absent or lies outside of the tree."""
        path = self._path / name
        try:
            if not path.resolve().is_relative_to(self._root.resolve()) or not path.is_file():
                return None
            with path.open("rb") as stream:
                content = stream.read(READ_LIMIT + 1)
        except OSError:
            return None
        if len(content) > READ_LIMIT:
            raise WorkspaceError(f"{self.where(name)} is larger than {READ_LIMIT // 2**20} MiB", hint="make it smaller")
        return content.decode("utf-8-sig", "replace")


def _python(root: Path, directory: str, files: tuple[str, ...], folders: Mapping[str, set[str]]) -> PythonProject:
    folder = _Folder(root, directory)
    there = folders.get(directory, set())
    pyproject = _pyproject(folder) if "pyproject.toml" in there else {}
    lock = next((name for name in _PYTHON_LOCKS if name in there), None)
    setup_cfg, tox_ini = folder.text("setup.cfg"), folder.text("tox.ini")
    requires, extras = setup_declarations(folder.text("setup.py"), setup_cfg)
    requirement_files = _requirement_files(directory, files)
    declared = [line for path in requirement_files for line in requirement_lines(path, folder.text)]
    declared += [*requires, *(item for items in extras.values() for item in items)]
    return PythonProject(
        directory=directory,
        manager=_python_manager(lock, pyproject),
        pyproject=pyproject,
        configuration_files=_configuration_files(directory, folders),
        ini_sections=ini_sections(setup_cfg or "") | ini_sections(tox_ini or ""),
        requirement_files=requirement_files,
        lock_file=lock,
        dependencies=declared_names(pyproject) | names(declared),
    )


def _pyproject(folder: _Folder) -> dict[str, Any]:
    try:
        return tomllib.loads(folder.text("pyproject.toml") or "")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise WorkspaceError(
            f"{folder.where('pyproject.toml')} is not valid TOML: {error}", hint="correct the file; every Python tool reads it"
        ) from error


def _python_manager(lock: str | None, pyproject: Mapping[str, Any]) -> str:
    if lock is not None:
        return _PYTHON_LOCKS[lock]
    tools = table(pyproject, "tool")
    return next((name for name in ("poetry", "pdm", "uv") if name in tools), "pip")


def _requirement_files(directory: str, files: tuple[str, ...]) -> tuple[str, ...]:
    """requirements*.txt, *-requirements.txt and requirements/*.txt, relative to the project, the plain one first."""
    prefix = f"{directory}/" if directory else ""
    found = []
    for path in files:
        if not path.startswith(prefix) or not path.endswith(".txt"):
            continue
        relative = path[len(prefix) :]
        folder, _, name = relative.rpartition("/")
        if (folder == "" and "requirements" in name) or folder == "requirements":
            found.append(relative)
    return tuple(sorted(found, key=lambda name: (name != "requirements.txt", name)))


def _configuration_files(directory: str, folders: Mapping[str, set[str]]) -> frozenset[str]:
    """What may configure a tool, by its name: in the project's folder and at the repository's root."""
    there = folders.get(directory, set()) | folders.get("", set())
    return frozenset(
        name
        for name in there
        if name.startswith(".") or name.endswith(_CONFIGURATION_ENDINGS) or ".config." in name or name in _CONFIGURATION_PYTHON
    )


def _node(root: Path, directory: str, folders: Mapping[str, set[str]]) -> NodeProject:
    folder = _Folder(root, directory)
    try:
        package = json.loads(folder.text("package.json") or "{}")
    except (ValueError, RecursionError) as error:
        raise WorkspaceError(
            f"{folder.where('package.json')} is not valid JSON: {error}", hint="correct the file; every tool reads it"
        ) from error
    if not isinstance(package, dict):
        raise WorkspaceError(f"{folder.where('package.json')} is not an object", hint="correct the file")
    there = folders.get(directory, set())
    lock = next((name for name in _NODE_LOCKS if name in there), None)
    manager = str(package.get("packageManager", "")).partition("@")[0]
    sections = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
    return NodeProject(
        directory=directory,
        manager=_NODE_LOCKS[lock] if lock else manager if manager in ("npm", "pnpm", "yarn") else "npm",
        package=package,
        configuration_files=_configuration_files(directory, folders),
        lock_file=lock,
        dependencies=frozenset(name for section in sections for name in table(package, section)),
    )
