"""How an artifact becomes a process on this machine: its command line, clean environment, port, health and use of resources."""

import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from forge_dagster.domain.policy import Policy
from forge_dagster.domain.releases import Manifest
from forge_dagster.errors import PlatformError

PORTS = range(20_000, 30_000)
"""Below what the kernel hands out for outgoing connections (32768 and up, ip(7)): none can sit on a release's port."""

_RESERVED = frozenset({"PATH", "HOME", "PORT", "LANG"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


def launch_of(manifest: Manifest, *, tree: Path, home: Path, port: int | None, python: str, policy: Policy) -> Launch:
    """Command line and the whole environment: PATH, HOME, LANG, PORT and the artifact's own variables, nothing of Forge's.

    "python" stands for `python`, "{port}" for the port. Raises PlatformError when the artifact names no command.
    """
    command = manifest.command or policy.deploy.command
    if manifest.kind == "static":
        served = tree / manifest.directory
        if not served.resolve().is_relative_to(tree.resolve()) or not served.is_dir():
            raise PlatformError(f"the artifact has no folder {manifest.directory!r} to serve", hint="see forge-artifact.json")
        listen = ("{port}", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1")
        command = ("python", "-m", "http.server", *listen, "--directory", str(served))
    if not command:
        hint = 'write command = ["python", "-m", ...] under [deploy] in forge.toml'
        raise PlatformError("nobody says how to start it", hint=hint)
    argv = tuple(part.replace("{port}", str(port or "")) for part in command)
    if argv[0] in ("python", "python3"):
        argv = (python, *argv[1:])
    node = shutil.which("node")
    folders = [str(Path(python).parent), *([str(Path(node).parent)] if node else []), "/usr/local/bin", "/usr/bin", "/bin"]
    environment = {
        name: value if isinstance(value, str) else os.pathsep.join(str(tree / part) for part in value)
        for name, value in manifest.environment.items()
        if name not in _RESERVED and name.isidentifier() and name.isascii() and "\0" not in str(value)
    }
    environment |= {"PATH": os.pathsep.join(dict.fromkeys(folders)), "HOME": str(home), "LANG": "C.UTF-8"}
    if port is not None:
        environment["PORT"] = str(port)
    return Launch(argv=argv, environment=environment)


def health_path(manifest: Manifest, folder: Path) -> str:
    """Where to ask for health: a static site that has no such file answers at "/"."""
    if manifest.kind == "static" and not (folder / "tree" / manifest.directory / manifest.health.lstrip("/")).exists():
        return "/"
    return manifest.health


def free_port() -> int:
    """A loopback port that nobody uses now. Raises PlatformError when there is none."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise PlatformError(f"no free port between {PORTS.start} and {PORTS.stop}", hint="stop releases or previews")


def answers(port: int, path: str, *, timeout_s: float = 2.0, any_status: bool = False) -> bool:
    """Whether GET `path` on loopback answers, with 2xx or 3xx unless any status will do."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"User-Agent": "forge-health", "Connection": "close"})
        status = connection.getresponse().status
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return any_status or 200 <= status < 400


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, at most 4000 characters."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "(nothing)"
    return "\n".join(text.splitlines()[-lines:])[-4000:] or "(nothing)"


class ProcessUse:
    """Shares of this machine (all cores, all memory) that process groups use; cpu: of the time since the last look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[int, tuple[float, float]] = {}

    def shares(self, pid: int) -> tuple[float | None, float | None]:
        """(cpu, memory) of the process and all it started, 0 to 1; None where it is not known (cpu: at the first look)."""
        import psutil

        try:
            leader = psutil.Process(pid)
            family = [leader, *leader.children(recursive=True)]
        except psutil.Error:
            return None, None
        busy, resident = 0.0, 0
        for process in family:
            try:
                times = process.cpu_times()
                busy += times.user + times.system
                resident += process.memory_info().rss
            except psutil.Error:
                continue
        now = time.monotonic()
        with self._lock:
            before = self._before.get(pid)
            self._before[pid] = (now, busy)
        passed = 0.0 if before is None else now - before[0]
        cores = os.cpu_count() or 1
        cpu = None if before is None or passed <= 0 else min(1.0, max(0.0, (busy - before[1]) / passed / cores))
        return cpu, min(1.0, resident / psutil.virtual_memory().total)
