"""What a tree holds, as a digest per file: git's own for what is unchanged, so that a large tree costs two calls of git."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run
from forge_dagster.workspace.detect import existing, walk
from forge_dagster.workspace.diff import path_text
from forge_dagster.workspace.git import GitRepository

PLAIN_LIMIT = 5_000
"""Files of a folder outside of git that are read to know it again; of a larger one nothing is remembered."""


def tree_contents(root: Path, run: Run) -> Mapping[str, str] | None:
    """Path -> mode and digest of every file below `root` that git does not ignore; outside of git, of every file.

    None where that cannot be known cheaply. Raises Interrupted.
    """
    repository = GitRepository(root, run, user_configuration=True)
    try:
        listed = repository.try_git("ls-files", "-z", "-v", "--stage", "--cached")
        if listed.exit_code != 0:
            return _plain(root)
        changed = repository.git("ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
    except WorkspaceError:
        return None
    found: dict[str, str] = {}
    unseen: set[bytes] = set()
    for entry in listed.stdout.split(b"\0"):
        head, _, name = entry.partition(b"\t")
        if not name:
            continue
        found[path_text(name)] = head[2:].decode("ascii", "replace")
        # git looks away from files it was told to assume unchanged or to skip: they are read like changed ones
        if head[:1].islower() or head[:1] == b"S":
            unseen.add(name)
    for name in {*(name for name in changed.split(b"\0") if name), *unseen}:
        path = path_text(name)
        digest = _digest(os.path.join(os.fsencode(root), name))  # noqa: PTH118 - names are bytes
        if digest is None:
            found.pop(path, None)
        else:
            found[path] = digest
    return found


def _plain(root: Path) -> Mapping[str, str] | None:
    names = existing(root, walk(root))
    if len(names) > PLAIN_LIMIT:
        return None
    digests = ((name, _digest(os.fsencode(root / name))) for name in names)
    return {name: digest for name, digest in digests if digest is not None}


def _digest(path: bytes) -> str | None:
    """Mode and digest of what is at `path`; None when there is nothing."""
    try:
        mode = os.lstat(path).st_mode
        if os.path.islink(path):  # noqa: PTH114
            return f"{mode:o} -> {hashlib.sha256(os.readlink(path)).hexdigest()}"  # noqa: PTH115
        if not os.path.isfile(path):  # noqa: PTH113
            return f"{mode:o}"
        with open(path, "rb") as stream:  # noqa: PTH123
            return f"{mode:o} {hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"unreadable {error.errno}"
