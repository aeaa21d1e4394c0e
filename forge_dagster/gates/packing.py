"""Artifacts as files: a staged copy of the tree to build in, and a tar archive that is the same for the same content."""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from forge_dagster.domain.releases import MANIFEST_FILE, Manifest

if TYPE_CHECKING:
    import tarfile

_LEFT_OUT_FOLDERS = frozenset({".git", "__pycache__", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
_LEFT_OUT_ENDINGS = (".pyc", ".pyo")
_COMPRESSION = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """An artifact on disk. `digest` is "sha256:<64 hex digits>" of its bytes."""

    path: Path
    digest: str
    size: int
    files: int


def stage(root: Path, files: Iterable[str], target: Path) -> None:
    """Copy `files` of the tree at `root` into the new folder `target`, and git's own folder: builds ask it for their version.

    Symbolic links are copied as links, and only if they stay inside the tree. A file that is gone by now is left out.
    """
    top = os.path.realpath(root)
    target.mkdir(parents=True)
    if (root / ".git").is_dir():
        shutil.copytree(root / ".git", target / ".git", symlinks=True)
    for name in files:
        source, place = root / name, target / name
        if not os.path.realpath(source).startswith(top + os.sep) or not (source.is_symlink() or source.is_file()):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(source, place, follow_symlinks=False)


def staged_files(folder: Path) -> tuple[str, ...]:
    """Files and links below `folder` that belong into an artifact, sorted; links to folders count as one file."""
    return tuple(sorted(_walk(folder)))


def pack(folder: Path, manifest: Manifest, target: Path) -> Packed:
    """Write `folder` and its manifest as a gzipped tar to `target`, whole or not at all. Raises OSError.

    Equal content gives equal bytes: names sorted, no times, no owners, modes 0644 and 0755 only.
    """
    import gzip
    import tarfile

    names = [name for name in staged_files(folder) if name != MANIFEST_FILE]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            partial.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=_COMPRESSION) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            text = manifest.model_dump_json(by_alias=True, indent=1).encode() + b"\n"
            head = tarfile.TarInfo(MANIFEST_FILE)
            head.size, head.mode = len(text), 0o644
            tar.addfile(head, BytesIO(text))
            for name in names:
                _add(tar, folder / name, name)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return _packed(target, files=len(names))


def keep(file: Path, target: Path, *, files: int) -> Packed:
    """Copy a finished artifact, such as a wheel, to `target`, whole or not at all. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(file, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return _packed(target, files=files)


def _packed(path: Path, *, files: int) -> Packed:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Packed(path=path, digest=f"sha256:{digest}", size=path.stat().st_size, files=files)


def _walk(folder: Path) -> Iterator[str]:
    for directory, folders, names in os.walk(folder):
        here = Path(directory)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT_FOLDERS and name not in links)
        for name in [*names, *links]:
            path = here / name
            # uv leaves an empty lock file beside what it installs
            if name.endswith(_LEFT_OUT_ENDINGS) or (name == ".lock" and path.stat().st_size == 0):
                continue
            if stat.S_ISREG(path.lstat().st_mode) or (path.is_symlink() and _stays(folder, path)):
                yield path.relative_to(folder).as_posix()


def _stays(folder: Path, link: Path) -> bool:
    return not link.readlink().is_absolute() and os.path.realpath(link).startswith(os.path.realpath(folder) + os.sep)


def _add(tar: "tarfile.TarFile", path: Path, name: str) -> None:
    import tarfile

    info = tarfile.TarInfo(name)
    if path.is_symlink():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
        tar.addfile(info)
        return
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        tar.addfile(info, file)
