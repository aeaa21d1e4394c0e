"""Whether a process lives that cannot be named by its id, since it is in a namespace of its own: it holds a lock on a file."""

import fcntl
from pathlib import Path


def is_free(lock: Path) -> bool:
    """Whether nobody holds `lock` any more, and so the process that did is gone."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
