"""The sandbox's /etc: one user with no neighbours, and copies of what everybody may read of the system's.

One folder, since every further bind costs each command a millisecond. To copy and to remove its hundreds of files takes tenths
of a second, so it is kept as long as the system's own files are the same.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_ETC = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "fonts", "java-11-openjdk", "java-17-openjdk",
    "java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "magic", "mime.types", "pki", "protocols",
    "services", "ssl", "timezone", "os-release",
)  # fmt: skip
"""What programs need of /etc, and nothing that says who uses this machine or what for."""
_NETWORK_ETC = ("pip.conf", "npmrc", "uv")
"""What tells package managers of this machine's registries."""
_MADE_UP = 2
"""Counted up when what is made up here changes: a folder of before then is another."""
_UNUSED_S = 7 * 24 * 3600.0
"""After this a folder that is no longer the system's is removed: no run that still shows it lasts as long."""


def kept_etc(folder: Path, *, uid: int, gid: int, network: bool, system: Path = Path("/etc")) -> Path:
    """The sandbox's /etc for a user of that number, in `folder`, made where there is none of the system's present state.

    `network`: with what tells package managers of registries. Raises OSError where it cannot be written.
    """
    names = (*_ETC, *(_NETWORK_ETC if network else ()))
    stamps = "\n".join(stamp for name in names for stamp in _stamps(system / name))
    digest = hashlib.sha256(f"{_MADE_UP} {uid} {gid}\n{stamps}".encode("utf-8", "surrogateescape")).hexdigest()[:20]
    kept = folder / f"etc-{digest}"
    if kept.is_dir():
        with contextlib.suppress(OSError):
            os.utime(kept)
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    _remove_old(folder)
    part = Path(tempfile.mkdtemp(prefix="etc-part-", dir=folder))
    try:
        part.chmod(0o755)
        _fill(part, names, system, uid=uid, gid=gid)
        with contextlib.suppress(OSError):
            part.rename(kept)  # fails where another process was quicker: a folder with files is not replaced
    finally:
        shutil.rmtree(part, ignore_errors=True)
    if not kept.is_dir():
        raise OSError(f"{kept} could not be made")
    return kept


def _fill(folder: Path, names: tuple[str, ...], system: Path, *, uid: int, gid: int) -> None:
    """Write the folder. An engine mounts its own `hosts`, `hostname` and `resolv.conf`, on files that must be there."""
    for name in names:
        _copy_public(system / name, folder / name)
    user = "" if uid == 0 else f"forge:x:{uid}:{gid}:Forge:/tmp/home:/bin/sh\n"
    group = "" if gid == 0 else f"forge:x:{gid}:\n"
    (folder / "passwd").write_text(f"root:x:0:0:root:/:/bin/false\n{user}")
    (folder / "group").write_text(f"root:x:0:\n{group}")
    (folder / "hosts").write_text("127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost\n")
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (folder / "host.conf").write_text("multi on\n")
    (folder / "hostname").write_text("sandbox\n")
    (folder / "resolv.conf").write_text("")


def _copy_public(source: Path, target: Path) -> None:
    """Copy a file, a link or a folder, without what only its owner may read."""
    try:
        if source.is_symlink():
            target.symlink_to(source.readlink())
            return
        mode = source.stat().st_mode
        if not mode & stat.S_IROTH:
            return
        if stat.S_ISREG(mode):
            shutil.copyfile(source, target)
        elif stat.S_ISDIR(mode):
            target.mkdir()
            for entry in os.scandir(source):
                _copy_public(Path(entry.path), target / entry.name)
    except FileNotFoundError:
        return


def _stamps(path: Path) -> Iterator[str]:
    """What changes when a file does, or what lies in a folder."""
    try:
        seen = path.lstat()
    except OSError:
        return
    yield f"{path} {seen.st_mode} {seen.st_size} {seen.st_mtime_ns} {seen.st_ino}"
    if stat.S_ISDIR(seen.st_mode):
        for name in sorted(os.listdir(path)) if os.access(path, os.R_OK) else ():  # noqa: PTH208 - names are enough
            yield from _stamps(path / name)


def _remove_old(folder: Path) -> None:
    for old in folder.glob("etc-*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _UNUSED_S:
                shutil.rmtree(old, ignore_errors=True)
