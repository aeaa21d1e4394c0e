"""The files of supervised programs: supervisord's configuration, and how files are read and replaced."""

from pathlib import Path

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
