"""Root's sandboxes: which user they run as, and how that user gets at what root owns without a change of owner on disk."""

import functools
import os
import pwd
import re
import subprocess
import sys
import threading
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.sandbox.namespaces import how_to_allow

_PROGRAM = Path(__file__).parent / "programs" / "stage.py"
_HINT = "run Forge as an ordinary user: as root it needs Linux 5.12 and a file system with idmapped mounts (ext4, xfs, btrfs)"


class Stage:
    """A mount namespace that shows file systems with root's files as the files of `uid` and `gid` (programs/stage.py)."""

    def __init__(self, uid: int, gid: int) -> None:
        self.uid = uid
        self.gid = gid
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}
        self._process = subprocess.Popen(  # noqa: S603
            [plain_python(), "-I", "-S", str(_PROGRAM), str(uid), str(gid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
            text=True,
        )
        if self._answer() != "ready":
            said = self._last_words()
            hint = how_to_allow(said) if "user namespace" in said else None
            raise WorkspaceError(f"root's sandbox cannot be made: {said}", hint=hint or _HINT)

    @property
    def entering(self) -> tuple[str, ...]:
        """Prefix that runs a command in the namespace, with root's rights dropped for good before the command begins."""
        change = (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs")
        return (
            "nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "--",
            "setpriv", *change, "--inh-caps=-all", "--bounding-set=-all", "--pdeathsig=KILL", "--",
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether it still holds."""
        return self._process.poll() is None

    def source(self, path: Path, mount_points: frozenset[str]) -> Path:
        """Where `path` (resolved) lies in the namespace. Raises WorkspaceError where its file system cannot be shown so."""
        mount_point = next(folder for folder in (path, *path.parents) if str(folder) in mount_points or folder == Path("/"))
        with self._lock:
            name = str(mount_point)
            if name not in self._shown:
                self._shown[name] = self._show(name)
            return Path(self._shown[name]) / path.relative_to(mount_point)

    def _show(self, name: str) -> str:
        if "\n" in name:
            raise WorkspaceError(f"{name!r} cannot be shown to a sandbox", hint="rename that folder")
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{name}\n")
            self._process.stdin.flush()
            word, _, said = self._answer().partition(" ")
        except OSError as error:
            word, said = "no", str(error)
        if word != "ok":
            raise WorkspaceError(
                f"the file system of {name} cannot be shown to root's sandbox: {said or self._last_words()}", hint=_HINT
            )
        return said

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        lines = self._process.stderr.read().splitlines() if self._process.poll() is not None else []
        return lines[-1] if lines else "it ended without a word"


def mount_points() -> frozenset[str]:
    """Those of this moment, bind mounts included, which the number of a device would not tell (proc(5), mountinfo)."""
    text = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    points = (line.split(" ", 5)[4] for line in text.splitlines())
    return frozenset(
        re.sub(r"\\([0-7]{3})", lambda escaped: chr(int(escaped[1], 8)), point) if "\\" in point else point for point in points
    )


_stages: dict[tuple[int, int, int], Stage] = {}
_stages_lock = threading.Lock()


def stage_for(folder: Path) -> Stage | None:
    """The stage for work in `folder`, one per process and user: as its owner, or as nobody where that is root.

    None where Forge is an ordinary user, as whom its sandboxes run too. Raises WorkspaceError.
    """
    if os.geteuid() != 0:
        return None
    status = folder.stat()
    uid, gid = (status.st_uid, status.st_gid) if status.st_uid != 0 and folder != Path("/") else _nobody()
    key = (os.getpid(), uid, gid)
    with _stages_lock:
        found = _stages.get(key)
        if found is None or not found.alive:
            found = _stages[key] = Stage(uid, gid)
        return found


@functools.cache
def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def plain_python() -> str:
    """The interpreter itself: a virtual environment's needs the site module to find its way."""
    return str(getattr(sys, "_base_executable", sys.executable))
