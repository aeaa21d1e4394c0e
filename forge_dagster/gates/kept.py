"""Files that later runs of the same repository and job find again: written whole or not at all, and only so many of them."""

import contextlib
import os
import threading
from pathlib import Path

LIMIT = 16 * 1024 * 1024
"""Bytes read of a kept file; a larger one is taken for damaged."""


def keep(path: Path, content: bytes, *, count: int) -> None:
    """Write `path`; of its folder the newest `count` files stay. A full disk only means that nothing is kept."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        files = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[count - 1 :]:
            old.unlink(missing_ok=True)
        partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        partial.write_bytes(content)
        partial.replace(path)


def kept(path: Path) -> bytes | None:
    """What was kept there; None when there is nothing readable."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError:
        return None
    return content if len(content) <= LIMIT else None
