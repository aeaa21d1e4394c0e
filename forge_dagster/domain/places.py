"""Where a finding is: paths as tools print them, turned into paths of the repository."""

import posixpath
from pathlib import PurePath


def inside(root: PurePath, name: str, *, directory: str = "") -> str | None:
    """`name` as a path relative to the repository's `root`, or None when it lies outside or is no path.

    `name` is absolute, or relative to `directory` (itself relative to `root`). Purely textual: links are not followed.
    """
    if not name or "\0" in name:
        return None
    base = str(root)
    joined = posixpath.normpath(posixpath.join(base, directory, name.replace("\\", "/")))
    prefix = base.rstrip("/") + "/"
    if not joined.startswith(prefix):
        return None
    return joined[len(prefix) :] or None
