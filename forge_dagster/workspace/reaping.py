"""Killing what a run left behind: groups by number, daemons by the mark in their environment, and both after a `kill -9`."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

MARK = "FORGE_PROCESS"
"""Variable in every process's environment: "<run id>:<owner>:<number>"."""
DIRECTORY_PREFIX = "forge-run-"
"""Start of the name of a run's private folder in the system's temporary folder."""

_PASSES = 5
"""A killed daemon may have forked in between; each pass kills what the one before let slip."""


def _has_proc() -> bool:
    return os.path.exists("/proc/self/environ")  # noqa: PTH110


def start_time(pid: int) -> float | None:
    """When the process with this pid started, in a unit of its own; None when there is none. Tells a reused pid apart.

    Linux: clock ticks since boot (proc(5), field 22), which no change of the clock moves. Elsewhere psutil's create time.
    """
    if _has_proc():
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            return None if fields[0] in (b"Z", b"X") else float(fields[19])
        return None
    import psutil  # 36 ms to import, and not needed on Linux

    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(pid).create_time())
    return None


def kill_group(pgid: int) -> None:
    """Kill every process of the group at once; none left is fine."""
    with contextlib.suppress(OSError):
        os.killpg(pgid, signal.SIGKILL)


def kill_marked(wanted: Callable[[str], bool], *, since: int | None = None) -> int:
    """Kill every process whose mark is `wanted`, and count them. `since`: only pids given out after this one."""
    killed = 0
    for _ in range(_PASSES):
        found = [pid for pid, mark in _marked(since) if wanted(mark)]
        if not found:
            break
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def _marked(since: int | None) -> Iterator[tuple[int, str]]:
    """Processes with a mark. A process that may not be looked into is not ours."""
    if not _has_proc():
        yield from _marked_by_psutil()
        return
    if since is not None and int(Path("/proc/loadavg").read_bytes().split()[-1]) < since:
        since = None  # pids have wrapped around
    needle = f"{MARK}=".encode()
    for name in os.listdir("/proc"):  # noqa: PTH208 - an object per process would double the cost of every command
        if not name.isdigit() or (since is not None and int(name) <= since):
            continue
        with contextlib.suppress(OSError):
            content = Path(f"/proc/{name}/environ").read_bytes()
            if needle not in content or start_time(int(name)) is None:
                continue
            for variable in content.split(b"\0"):
                if variable.startswith(needle):
                    yield int(name), variable[len(needle) :].decode("utf-8", "replace")


def _marked_by_psutil() -> Iterator[tuple[int, str]]:
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mark = process.environ().get(MARK)
            if mark is not None:
                yield process.pid, mark


def reap(home: Path, run_id: str | None = None) -> int:
    """Kill what outlived its run and remove its private folders. Returns how many processes and groups were killed.

    With `run_id`: everything of that run, whoever owns it. Without: everything whose owning process is gone.
    A pid that was given to another process since is left alone (its start time differs).
    """
    processes = home / "processes"
    folders = [processes / run_id] if run_id is not None else sorted(processes.glob("*"))
    return sum(_reap_run(folder, owned=run_id is None) for folder in folders if folder.is_dir())


def owner_name(pid: int) -> str:
    """Names the process with this pid so that a later one with the same pid is another: "<pid>@<start time>"."""
    return f"{pid}@{start_time(pid)}"


def _lives(owner: str) -> bool:
    pid = owner.partition("@")[0]
    return pid.isdigit() and owner_name(int(pid)) == owner


def _reap_run(folder: Path, *, owned: bool) -> int:
    killed = 0
    owners: set[str] = set()
    for record in sorted(folder.glob("*.json")):
        content = _read(record)
        owner = str(content.get("owner", ""))
        if owned and _lives(owner):
            continue
        owners.add(owner)
        pgid = content.get("pgid")
        if isinstance(pgid, int) and pgid > 1 and start_time(pgid) == content.get("started") is not None:
            kill_group(pgid)
            killed += 1
        _remove_directory(content.get("directory"))
        record.unlink(missing_ok=True)
    if owners:
        prefixes = tuple(f"{folder.name}:{owner}:" for owner in owners)
        killed += kill_marked(lambda mark: mark.startswith(prefixes))
    with contextlib.suppress(OSError):
        folder.rmdir()
    return killed


def _read(record: Path) -> dict[str, object]:
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(record.read_text())
        if isinstance(content, dict):
            return content
    return {}


def _remove_directory(name: object) -> None:
    if isinstance(name, str) and Path(name).name.startswith(DIRECTORY_PREFIX):
        shutil.rmtree(name, ignore_errors=True)
