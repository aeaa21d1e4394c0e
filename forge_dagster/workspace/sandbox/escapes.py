"""Tries to get out of the sandbox, so that `forge doctor` can say what holds on this machine instead of what should."""

import contextlib
import fcntl
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.processes import ProcessRun

_MEMORY_MIB, _PROCESSES = 192, 64
_DIES_WITHIN_S = 10.0
_LIMIT_S = 60.0
_HOLDER = "exec 9>held; flock 9; echo x > begun; exec sleep 600"
_DAEMON = f"env -i setsid sh -c '{_HOLDER}' >/dev/null 2>&1 & while [ ! -s begun ]; do sleep 0.05; done"
_CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); print('connected')"
_FORK = """
import os
made = 0
try:
    while made < int(__import__("sys").argv[1]):
        if os.fork() == 0:
            __import__("time").sleep(30)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made)
"""
_ALLOCATE = "import sys; held = bytearray(int(sys.argv[1]) * 2**20); print(len(held))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escape:
    """One attempt: what was tried, whether the sandbox held, and what was seen."""

    name: str
    tried: str
    held: bool
    seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A tree to break out of, and what lies outside of it."""

    run: ProcessRun
    tree: Path
    secret: Path
    word: str

    def sh(self, script: str) -> ProcessResult:
        return self.run.run(Command(argv=("/bin/sh", "-c", script), cwd=self.tree, timeout_s=_LIMIT_S))

    def python(self, script: str, *arguments: str) -> ProcessResult:
        return self.run.run(Command(argv=(sys.executable, "-c", script, *arguments), cwd=self.tree, timeout_s=_LIMIT_S))


def try_to_escape(settings: SandboxSettings, home: Path) -> Iterator[Escape]:
    """Each attempt in turn. A file beside Forge's secrets (in `home`, or in a temporary one) comes and goes.

    Raises WorkspaceError where the sandbox cannot be had at all.
    """
    limited = settings.model_copy(update={"memory_mib": _MEMORY_MIB, "processes": _PROCESSES})
    run = ProcessRun(home=None, run_id="escape", sandbox=limited)
    folder = Path(tempfile.mkdtemp(prefix="forge-escape-"))
    place = home if home.is_dir() else folder / "home"
    secret, word = place / "secrets" / f"doctor-{secrets.token_hex(4)}", secrets.token_hex()
    try:
        (folder / "tree").mkdir()
        secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret.write_text(word)
        cell = _Cell(run=run, tree=folder / "tree", secret=secret, word=word)
        begun = cell.sh("echo begun")
        if begun.stdout != b"begun\n":  # else nothing would get out of it, since nothing runs
            raise WorkspaceError(f"nothing can be run in the sandbox: {_last(begun)}", hint="see [sandbox] in settings.toml")
        for attempt in _ATTEMPTS:
            yield attempt(cell)
    finally:
        run.stop()
        secret.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _shadow(cell: _Cell) -> Escape:
    done = cell.sh("cat /etc/shadow")
    return Escape(name="shadow", tried="read /etc/shadow", held=not done.stdout, seen=_last(done))


def _secret(cell: _Cell) -> Escape:
    done = cell.sh(f"cat {cell.secret}; ls -A {cell.secret.parent.parent}")
    held = cell.word.encode() not in done.stdout and b"secrets" not in done.stdout
    return Escape(name="secrets", tried="read Forge's secrets", held=held, seen=_last(done))


def _write(cell: _Cell) -> Escape:
    places = [cell.tree.parent / "made", cell.secret.with_suffix(".made"), Path("/usr/forge-escape"), Path("/etc/forge-escape")]
    done = cell.sh("; ".join(f"echo x > {place}" for place in places))
    made = [place for place in places if place.exists()]
    for place in made:
        place.unlink()
    return Escape(name="write", tried="write outside of its tree", held=not made, seen=_last(done))


def _network(cell: _Cell) -> Escape:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = cell.python(_CONNECT, str(server.getsockname()[1]))
    routes = cell.sh("tail -n +2 /proc/net/route")
    held = b"connected" not in done.stdout and not routes.stdout.strip()
    return Escape(name="network", tried="reach the network", held=held, seen=_last(done))


def _processes(cell: _Cell) -> Escape:
    done = cell.sh("cd /proc && echo [0-9]*")
    count = len(done.stdout.split())
    return Escape(name="processes", tried="see other processes", held=0 < count < 8, seen=f"it sees {count}, all its own")


def _rights(cell: _Cell) -> Escape:
    tries = ("unshare --user --map-root-user true && echo root", "unshare --user true && echo namespace",
             "mount -t tmpfs none /tmp && echo mounted")  # fmt: skip
    done = cell.sh("; ".join((*tries, "exit 0")))
    return Escape(name="rights", tried="gain rights", held=not done.stdout, seen=_last(done))


def _fork(cell: _Cell) -> Escape:
    done = cell.python(_FORK, str(_PROCESSES * 2))
    made = done.stdout.strip()
    held = not made or (made.isdigit() and int(made) <= _PROCESSES)
    return Escape(name="forks", tried=f"start {_PROCESSES * 2} processes", held=held, seen=f"{made.decode() or 'no'} started")


def _memory(cell: _Cell) -> Escape:
    done = cell.python(_ALLOCATE, str(_MEMORY_MIB * 2))
    return Escape(name="memory", tried=f"take {_MEMORY_MIB * 2} MiB", held=not done.stdout, seen=f"it {_how(done)}")


def _outlive(cell: _Cell) -> Escape:
    cell.sh(_DAEMON)
    deadline = time.monotonic() + _DIES_WITHIN_S
    lock = cell.tree / "held"
    while not (held := lock.exists() and _free(lock)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return Escape(name="outlive", tried="leave a daemon behind", held=held, seen="it was gone" if held else "it lives on")


_ATTEMPTS: tuple[Callable[[_Cell], Escape], ...] = (
    _shadow, _secret, _write, _network, _processes, _rights, _fork, _memory, _outlive,
)  # fmt: skip


def _free(lock: Path) -> bool:
    with lock.open("w") as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _how(done: ProcessResult) -> str:
    if done.exit_code is not None and done.exit_code < 0:
        return f"was killed (signal {-done.exit_code})"
    return f"ended with {done.exit_code}" if done.ended == "exited" else done.ended


def _last(done: ProcessResult) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:120] if lines else _how(done)
