"""A copy of the checkout to plant faults in: what its tests need is there, and nothing that they or a tool write gets back."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.gates.build import Installed
from forge_dagster.ports import Environment

_LEFT_OUT = frozenset(
    {
        *(
            ".git",
            ".hg",
            "node_modules",
            ".venv",
            "venv",
            ".tox",
            ".nox",
            "__pycache__",
            ".mypy_cache",
            ".ruff_cache",
            "mutants",
        ),
        *(
            ".pytest_cache",
            ".hypothesis",
            ".stryker-tmp",
            ".cache",
            ".eggs",
            ".next",
            ".turbo",
            ".nx",
            ".parcel-cache",
            "htmlcov",
        ),
    }
)
"""Folders that are no part of a tree's sources: history, installed packages and what tools keep."""
_LENT = frozenset({".bin", ".pnpm", ".store", ".modules.yaml", ".package-lock.json", ".yarn-state.yml"})
"""What package managers put into node_modules under a name with a dot."""
_UNTRACKED_FILE, _UNTRACKED_ALL = 32 * 1024 * 1024, 512 * 1024 * 1024
"""Bytes of a file, and of all of them, that are copied though the repository does not track them: generated version files and
compiled modules are needed, data sets are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent(Installed):
    """Environments of the checkout at `root` for the copy of it in `staged`: packages are lent to it, link by link.

    A package of the tree itself (a member of a workspace, which node_modules links to) is the copy's own.
    """

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:  # noqa: ARG002
        """As Environments.of, whatever `root`."""
        found = self.inner.of(language, root=self.root, project=project, log=log)
        if language is Language.TYPESCRIPT and project.node is not None:
            for directory in dict.fromkeys(("", project.node.workspace or "", project.node.directory)):
                self._lend(directory)
        return found

    def _lend(self, directory: str) -> None:
        modules, target = self.root / directory / "node_modules", self.staged / directory / "node_modules"
        if not modules.is_dir() or target.exists() or not target.parent.is_dir():
            return
        target.mkdir()
        for name in _packages(modules):
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).symlink_to(self._own(modules / name))

    def _own(self, package: Path) -> Path:
        top, place = self.root.resolve(), package.resolve()
        if place.is_relative_to(top) and "node_modules" not in place.relative_to(top).parts:
            return self.staged / place.relative_to(top)
        return place


def _packages(modules: Path) -> Iterator[str]:
    """What lies in a node_modules folder, scopes opened, but for what tools keep there (.cache, .vite-temp): they write it."""
    for entry in sorted(modules.iterdir()):
        if entry.name.startswith("@") and entry.is_dir() and not entry.is_symlink():
            yield from (f"{entry.name}/{inner.name}" for inner in sorted(entry.iterdir()))
        elif not entry.name.startswith(".") or entry.name in _LENT:
            yield entry.name


def copied(root: Path, project: Project, target: Path) -> None:
    """Copy the tree at `root` into the new folder `target`. Links are copied as links, and only where they stay inside.

    Raises WorkspaceError where there is more that git does not track than a copy could hold.
    """
    top = os.path.realpath(root)
    tracked = {*project.files, *(path for part in project.parts for path in part.files)}
    target.mkdir(parents=True)
    untracked = 0
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in links and not _left_out(here, name))
        (target / here.relative_to(top)).mkdir(parents=True, exist_ok=True)
        for name in [*names, *links]:
            source = here / name
            path = source.relative_to(top).as_posix()
            if path not in tracked:
                size = _size(source)
                if size > _UNTRACKED_FILE or name in _LEFT_OUT:
                    continue
                untracked += size
                if untracked > _UNTRACKED_ALL:
                    hint = "remove what is not needed, or judge a clean checkout"
                    raise WorkspaceError("the tree holds too much that git does not track to copy it", hint=hint)
            _copy(source, target / path, top)


def _left_out(here: Path, name: str) -> bool:
    return name in _LEFT_OUT or (here / name / "pyvenv.cfg").exists()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _copy(source: Path, target: Path, top: str) -> None:
    if source.is_symlink():
        inside = os.path.realpath(source).startswith(top + os.sep)
        if inside and not source.readlink().is_absolute():
            target.symlink_to(source.readlink())
        return
    if source.is_file():
        try:
            shutil.copy2(source, target, follow_symlinks=False)
        except FileNotFoundError:
            return
