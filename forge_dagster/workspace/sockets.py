"""Unix sockets of a home's own processes: only this user can reach them, and no browser can, whatever page it shows."""

import hashlib
import os
import shutil
from pathlib import Path

from forge_dagster.errors import PlatformError

DAGSTER_SOCKET = "dagster.sock"
CODE_SOCKET = "code.sock"
PATH_LIMIT = 100
"""Bytes of a socket's path that are safe: the kernel takes 107 (unix(7))."""


def socket_path(home: Path, name: str) -> Path:
    """Where socket `name` of a home is; in a folder of /tmp where the home's own path is too long for a socket."""
    path = home.absolute() / "sockets" / name
    if len(os.fsencode(path)) <= PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:16]
    return Path("/tmp") / f"forge-{os.getuid()}-{digest}" / name  # noqa: S108 - make_socket_folder sees whose it is


def make_socket_folder(home: Path) -> None:
    """The folder of a home's sockets. Raises PlatformError where somebody else has it."""
    folder = socket_path(home, DAGSTER_SOCKET).parent
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise PlatformError(f"cannot make {folder}: {error.strerror or error}", hint="make Forge's home writable") from error
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PlatformError(f"{folder} is not this user's alone", hint="remove it")


def remove_socket_folder(home: Path) -> None:
    """Once the home's processes are gone."""
    shutil.rmtree(socket_path(home, DAGSTER_SOCKET).parent, ignore_errors=True)
