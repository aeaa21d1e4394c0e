"""The processes of supervised programs, by the record that `launch.py` keeps of each life."""

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.workspace.program_files import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What `launch.py` recorded: pid (also the process group), its start in clock ticks since boot, number of launches."""

    pid: int = 0
    ticks: int = 0
    launches: int = 0

    @property
    def is_leader_alive(self) -> bool:
        """Whether the pid is still that process, not a later one of the same number."""
        return self.pid > 1 and self.ticks > 0 and start_ticks(self.pid) == self.ticks

    @property
    def owns_group(self) -> bool:
        """Whether the process group is still the program's: a group's id is not given away while it has members."""
        return self.pid > 1 and start_ticks(self.pid) in (0, self.ticks)


def read_life(path: Path) -> Life:
    """The recorded life, or an empty one."""
    try:
        life = json.loads(read(path))
        return Life(pid=int(life["pid"]), ticks=int(life["ticks"]), launches=int(life["launches"]))
    except (ValueError, KeyError, TypeError):
        return Life()


def start_ticks(pid: int) -> int:
    """When the process was started, in clock ticks since boot (proc(5)); 0 when there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def alive(process: Any) -> bool:
    """Whether the psutil.Process (or None) is still that very process, and not a zombie."""
    import psutil

    try:
        return process is not None and bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def family_of(life: Life) -> list[Any]:
    """The processes (psutil.Process) that descend from the program now: those that leave its group can be found later."""
    import psutil

    if not life.is_leader_alive:
        return []
    try:
        leader = psutil.Process(life.pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []


def launching_in(folder: Path) -> list[Any]:
    """Programs under the supervisord of `folder` that were just being started and have recorded nothing yet."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if "./launch.py" in process.cmdline() and Path(process.cwd()) == folder.resolve():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def kill(life: Life, family: list[Any]) -> None:
    """SIGKILL to the recorded group, if its id is still the program's, and to every member of `family`."""
    import psutil

    if life.owns_group:
        with contextlib.suppress(OSError):
            os.killpg(life.pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()  # psutil compares the start time first, so a reused pid is safe
