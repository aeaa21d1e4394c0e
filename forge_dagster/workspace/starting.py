"""How a process is started: which file its name means, and that it does not outlive whom it is started for."""

import functools
import os
import shutil
from pathlib import Path

from forge_dagster.errors import WorkspaceError


def find_program(name: str, *, path: str, cwd: Path) -> Path | None:
    """The executable file that `name` means: looked up in `path`, or relative to `cwd` when it holds a slash."""
    if not name or "\0" in name:
        return None
    if os.sep in name:
        candidate = cwd / name
        return candidate if candidate.is_file() and os.access(candidate, os.X_OK) else None
    found = shutil.which(name, path=path)
    return None if found is None else Path(found)


@functools.cache
def death_signal() -> tuple[str, ...]:
    """Prefix that kills the leader when the thread that started it dies (prctl PR_SET_PDEATHSIG); BusyBox's setpriv lacks it.

    The thread that starts a process here also waits for it, so the signal means that this process is gone.
    """
    found = shutil.which("setpriv")
    if found is None or "busybox" in os.path.realpath(found):
        return ()
    return (found, "--pdeathsig", "KILL", "--")


@functools.cache
def needed_program(name: str, line: str) -> str:
    """Where a program is that sandboxes are made with; `line` installs it. Raises WorkspaceError."""
    found = shutil.which(name)
    if found is None:
        raise WorkspaceError(
            f"the sandbox cannot be had: there is no {name} on this machine, and nothing of a change runs without a sandbox",
            hint=line,
        )
    return found
