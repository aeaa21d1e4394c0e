"""Opens built artifacts, which are made from hostile trees: nothing lands outside the folder, nothing without bounds."""

import hashlib
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from forge_dagster.domain.releases import MANIFEST_FILE, Manifest, parse_manifest
from forge_dagster.errors import PlatformError

MAX_FILES = 200_000
MAX_BYTES = 4 * 1024**3
MAX_MANIFEST_BYTES = 256 * 1024


def digest(artifact: Path) -> str:
    """SHA-256 of the artifact's file, 64 hex digits. Raises PlatformError when it cannot be read."""
    try:
        with artifact.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(artifact, error) from error


def read_manifest(artifact: Path) -> Manifest:
    """What the artifact says of itself; a wheel is a library. Raises PlatformError: unreadable, no usable manifest."""
    if artifact.suffix == ".whl":
        if not artifact.is_file():
            raise _unreadable(artifact, FileNotFoundError("no such file"))
        return Manifest(kind="library")
    try:
        with tarfile.open(artifact, "r:gz") as tar:
            for count, member in enumerate(tar):
                if count > MAX_FILES:
                    break
                if PurePosixPath(member.name) == PurePosixPath(MANIFEST_FILE) and member.isfile():
                    file = tar.extractfile(member)
                    if member.size > MAX_MANIFEST_BYTES or file is None:
                        break
                    return parse_manifest(file.read().decode("utf-8", "replace"), where=artifact.name)
    except (OSError, tarfile.TarError, EOFError, ValueError, LookupError, zlib.error) as error:
        raise _unreadable(artifact, error) from error
    raise PlatformError(f"{artifact.name} holds no usable {MANIFEST_FILE}", hint="build it with the gate `build`")


def unpack(artifact: Path, into: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> None:
    """Unpack into the folder `into`, replacing it. Raises PlatformError, leaving nothing, for any member that is not harmless.

    Harmless: a folder, a plain file, or a symbolic or hard link that stays inside; on relative paths without "..".
    """
    shutil.rmtree(into, ignore_errors=True)
    fresh = into.with_name(f"{into.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        with tarfile.open(artifact, "r:gz") as tar:
            _extract(tar, fresh, max_files=max_files, max_bytes=max_bytes)
        fresh.rename(into)
    except tarfile.FilterError as error:
        raise PlatformError(f"{artifact.name}: refused: {error}", hint="build the artifact again") from error
    except (OSError, tarfile.TarError, EOFError, ValueError, LookupError, zlib.error) as error:
        raise _unreadable(artifact, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _extract(tar: tarfile.TarFile, into: Path, *, max_files: int, max_bytes: int) -> None:
    total = 0
    for count, member in enumerate(tar, start=1):
        total += max(0, member.size)
        if count > max_files or total > max_bytes:
            raise PlatformError(
                f"the artifact has more than {max_files} files or {max_bytes} bytes", hint="leave out what is not needed to run"
            )
        _check(member, into)
        # The standard "data" filter (PEP 706) once more refuses what leaves the folder, and drops owners and special modes.
        tar.extract(member, into, filter="data")


def _check(member: tarfile.TarInfo, into: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise PlatformError(f"artifact member {member.name!r} points outside", hint="build the artifact again")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise PlatformError(f"artifact member {member.name!r} is a device or pipe", hint="build the artifact again")
    place = into
    for part in name.parts[:-1]:
        place = place / part
        if place.is_symlink():
            raise PlatformError(f"artifact member {member.name!r} goes through a link", hint="build the artifact again")
    if member.issym() or member.islnk():
        start = len(name.parts) - 1 if member.issym() else 0
        target = PurePosixPath(member.linkname)
        if target.is_absolute() or not _stays_inside(start, target):
            raise PlatformError(f"artifact member {member.name!r} links outside", hint="build the artifact again")


def _stays_inside(depth: int, target: PurePosixPath) -> bool:
    for part in target.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _unreadable(artifact: Path, error: Exception) -> PlatformError:
    return PlatformError(
        f"artifact {artifact} cannot be used: {error}", hint="run the release again, so that it is built again"
    )
