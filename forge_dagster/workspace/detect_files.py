"""The files of a tree, and reading them: up to a limit, and never through a link that leaves the tree."""

import os
from collections.abc import Iterable
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run
from forge_dagster.workspace.diff import path_text
from forge_dagster.workspace.git import GitRepository

READ_LIMIT = 4 * 1024 * 1024
"""Bytes of a configuration file that are read; a larger one is refused."""
WALK_LIMIT = 100_000
"""Files listed of a folder that is no git repository."""
IGNORED_FOLDERS = frozenset(
    (
        "node_modules", ".git", ".hg", ".svn", ".venv", "venv", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache",
        ".pytest_cache",
    )
)  # fmt: skip


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
        folders[:] = sorted(name for name in folders if os.fsdecode(name) not in IGNORED_FOLDERS)
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


def below(directory: str) -> str:
    """What the paths of everything in `directory` start with; "" for the root."""
    return f"{directory}/" if directory else ""


class Folder:
    """A project's folder, through which its files are read."""

    def __init__(self, root: Path, directory: str) -> None:
        self._root = root
        self._path = root / directory
        self._directory = directory

    def where(self, name: str) -> str:
        """The path of a file of the folder, from the root."""
        return f"{below(self._directory)}{name}"

    def text(self, name: str) -> str | None:
        """The file's text; None when it is absent or lies outside of the tree. Raises WorkspaceError for a huge one."""
        path = self._path / name
        try:
            if not path.is_file() or not path.resolve().is_relative_to(self._root.resolve()):
                return None
            with path.open("rb") as stream:
                content = stream.read(READ_LIMIT + 1)
        except (OSError, ValueError):
            return None
        if len(content) > READ_LIMIT:
            raise WorkspaceError(f"{self.where(name)} is larger than {READ_LIMIT // 2**20} MiB", hint="make it smaller")
        return content.decode("utf-8-sig", "replace")
