"""Exclusive locks between processes and threads, by file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run

_POLL_S = 0.05


@contextlib.contextmanager
def locked(path: Path, run: Run) -> Iterator[None]:
    """Hold the lock file at `path`; it is freed with this process, however it ends. Raises Interrupted while waiting."""
    from filelock import FileLock, Timeout  # 60 ms to import, and not needed where everything is made already

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                run.wait(_POLL_S)
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be locked: {error}", hint="check the disk and the permissions") from error
    try:
        yield
    finally:
        lock.release()
