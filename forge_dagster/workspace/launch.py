"""Starts one supervised program: run as a script by supervisord, with nothing but the standard library on its path.

Everything that came from outside (argument list, folder, environment) is read from a JSON file, so that none of it ever
passes through supervisord's configuration language (`%` expansion, `;` comments, shell-like quoting).
"""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _kill_previous_life(record: Path) -> int:
    """Kill what an earlier life of the program left in its process group; how often it was launched so far.

    A process group id is not given to a new process while the group has members, so a group whose recorded leader is gone can
    only be the old one.
    """
    try:
        before = json.loads(record.read_text())
        group, launches = int(before["pid"]), int(before["launches"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    if group > 1 and _start_ticks(os.getpid()) and not _start_ticks(group):
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    return launches


def _start_ticks(pid: int) -> int:
    """When the process was started, in clock ticks since boot (proc(5), field 22 of stat); 0 where that is not known."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def main(specification: str) -> None:
    """Become the program that the JSON file `specification` describes; exits with 127 where that is impossible."""
    os.umask(0o022)
    path = Path(specification)
    wanted = json.loads(path.read_text())
    record = path.with_suffix(".life")
    launches = _kill_previous_life(record) + 1
    life = {"pid": os.getpid(), "ticks": _start_ticks(os.getpid()), "launches": launches}
    fresh = record.with_suffix(".new")
    fresh.write_text(json.dumps(life))
    fresh.replace(record)
    environment = {"PATH": BASE_PATH, "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")} | wanted["environment"]
    try:
        os.chdir(wanted["cwd"])
        os.execvpe(wanted["argv"][0], wanted["argv"], environment)  # noqa: S606 - it becomes the program, no shell anywhere
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot start {wanted['argv'][0]!r} in {wanted['cwd']!r}: {error}\n")
        raise SystemExit(127) from error


if __name__ == "__main__":
    main(sys.argv[1])
