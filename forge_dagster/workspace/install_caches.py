"""Caches of installers: the trust domain's for what only unpacks, one of its own for what runs code while it installs."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def install_cache(folder: Path, name: str, *, own: bool) -> Iterator[Path]:
    """The cache `name` in `folder`, or an empty one that is removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    if not own:
        (folder / name).mkdir(exist_ok=True)
        yield folder / name
        return
    made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
