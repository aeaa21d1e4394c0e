"""The files of supervised programs: supervisord's configuration, and the record that `launch.py` keeps of each life."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOG_LIMIT = 5 * 1024 * 1024
"""Bytes of a program's log before it is rotated; one older log is kept."""

# Every path is relative to supervisord's own folder and every name is checked, so nothing in these files needs quoting.
SUPERVISORD = """\
[supervisord]
logfile=supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
loglevel=info
pidfile=supervisord.pid
childlogdir=logs
umask=077
identifier=forge

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=programs/*.conf
"""
PROGRAM = """\
[program:{name}]
command=./python -I -S ./launch.py programs/{name}.json
autostart=true
autorestart={restart}
startsecs=1
startretries={retries}
stopsignal=TERM
stopwaitsecs={stop_wait}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes={log_limit}
stdout_logfile_backups=1
"""


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


def read(path: Path) -> str:
    """The text, or "" where there is none."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def write(path: Path, text: str) -> None:
    """Replace the file in one step; only its owner may read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


def link(at: Path, target: Path) -> None:
    """Make `at` point to `target`, whatever was there."""
    if at == target or (at.is_symlink() and at.readlink() == target):
        return
    at.parent.mkdir(parents=True, exist_ok=True)
    at.unlink(missing_ok=True)
    at.symlink_to(target)
