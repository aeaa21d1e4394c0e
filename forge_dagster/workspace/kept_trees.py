"""Trees of commits that `forge check --head` looked at, kept with the packages that were installed in them.

So to ask about a commit once more costs what it costs in a work tree. All else is written anew each time: what ran in a tree
may have changed any file of it, git's own among them.
"""

import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from forge_dagster.ports import Run
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.trees import remove_tree

KEPT = 4
"""Trees kept in one of Forge's homes; each may hold some hundred MB of packages."""
_MODULES = "node_modules"
_TREE, _OLD = "tree", "old"


def kept_tree(folder: Path, name: str, make: Callable[[Path], GitRepository], run: Run) -> GitRepository | None:
    """The tree that `make` writes, at `folder`/tree/`name`, with the node_modules that an earlier check left there.

    It is this check's alone until `run` is gone. None where another check has it just now. The trees beside `folder` that were
    longest unused are removed.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock(folder), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    weakref.finalize(run, lock.release)
    tree, old = folder / _TREE, folder / _OLD
    if old.exists():  # a killed check left it, and `tree` half made
        remove_tree(tree)
        remove_tree(old)
    if tree.exists():
        tree.rename(old)
    made = make(tree / name)
    _take_over(old / name, tree / name)
    remove_tree(old)
    os.utime(folder)
    _forget(folder)
    return made


def _take_over(old: Path, new: Path) -> None:
    """Move what was installed; no link of the new tree leads any of it elsewhere, and no file of the commit is replaced."""
    for place in _installed(old):
        parent = new / place.parent
        if parent.is_dir() and parent.resolve() == new.resolve() / place.parent and not (new / place).exists():
            (old / place).rename(new / place)


def _installed(old: Path) -> Iterator[Path]:
    for folder, folders, _ in os.walk(old):
        if _MODULES in folders and not (Path(folder) / _MODULES).is_symlink():
            yield (Path(folder) / _MODULES).relative_to(old)
        folders[:] = [name for name in folders if name not in (_MODULES, ".git")]


def _forget(folder: Path) -> None:
    from filelock import FileLock, Timeout

    others = sorted((path for path in folder.parent.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in others[:-KEPT]:
        lock = FileLock(_lock(path), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        remove_tree(path)
        lock.release()


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
