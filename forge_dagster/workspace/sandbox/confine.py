"""Encloses a command: what is started in its place, so that it runs in a sandbox of its own or not at all.

bubblewrap makes the sandbox: every namespace of its own, a root of read-only binds, a private /tmp with HOME in it, the
environment cleared, no capabilities, no further user namespaces. Forge as root drops its rights before that (stage.py); as an
ordinary user it has none to drop. The program's environment is handed to bubblewrap in a file without a name: the programs
that stand around the sandbox never run with variables that a change may have chosen, and `ps` does not show them.
"""

import contextlib
import functools
import os
import resource
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.sandbox.limits import Cage, cage, memory_limit
from forge_dagster.workspace.sandbox.registries import registry_hosts
from forge_dagster.workspace.sandbox.stage import Stage, mount_points, plain_python, stage_for
from forge_dagster.workspace.sandbox.view import Bind, View, made_up, view_of
from forge_dagster.workspace.starting import death_signal

INSTALL = "apt-get install bubblewrap"
"""The line that helps where it is missing (Debian, Ubuntu)."""
HOME, SCRATCH, DOORS = "/tmp/home", "/tmp", "/run/forge"  # noqa: S108 - inside of the sandbox, where nothing else is
PROXY_PORT = 3128
_DOORS_PROGRAM = Path(__file__).parent / "programs" / "doors.py"
_FLAGS = (
    "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--new-session",
    "--clearenv", "--hostname", "sandbox",
)  # fmt: skip
_ENTER = (
    'ulimit -c 0; ulimit -f "$1" || exit 126; shift; '
    'while [ "$1" != -- ]; do echo 0 >"$1" || exit 126; shift; done; shift; exec "$@"'
)
"""Limits the size of files, enters the control groups and becomes the command. Constant: what varies are its arguments."""
_BLOCK = 512
"""Bytes; what `ulimit -f` counts (POSIX, "ulimit")."""
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "npm_config_proxy", "npm_config_https_proxy",
                    "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY")  # fmt: skip
_NO_PROXY_VARIABLES = (
    "NO_PROXY", "no_proxy", "npm_config_noproxy", "NPM_CONFIG_NOPROXY", "ALL_PROXY", "all_proxy", "PIP_PROXY",
    "NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """What to start: `argv` in `cwd` with `environment`, the descriptors `given` to it left open."""

    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    given: tuple[int, ...] = ()
    cage: Cage | None = None

    def judged(self, result: ProcessResult) -> ProcessResult:
        """The result as the program's own. Raises WorkspaceError when it is the sandbox that could not be made."""
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bubblewrapped(Enclosed):
    def judged(self, result: ProcessResult) -> ProcessResult:
        """bubblewrap speaks as "bwrap: ..." and ends with 1; a program killed by signal n ends with 128 + n (bwrap(1))."""
        if result.ended != "exited" or result.exit_code is None:
            return result
        said = result.stderr[:2000].decode("utf-8", "replace")
        if result.exit_code in (126, 127) and said.startswith(("prlimit: failed to execute", "setpriv: failed to execute")):
            return replace(result, ended="missing", exit_code=None)
        if result.exit_code == 1 and said.startswith("bwrap: execvp"):
            return replace(result, ended="missing", exit_code=None)
        if result.exit_code == 1 and said.startswith("bwrap: "):
            raise WorkspaceError(f"the sandbox could not be made: {said.splitlines()[0]}", hint=_hint(said))
        if result.exit_code == 126 and said.startswith(("/bin/sh: ", "sh: ")) and ("cgroup.procs" in said or "ulimit" in said):
            raise WorkspaceError(f"the sandbox's limits could not be set: {said.splitlines()[0]}", hint="run `forge doctor`")
        if result.exit_code - 128 in _FATAL:
            return replace(result, ended="exited", exit_code=128 - result.exit_code)
        return result


_FATAL = frozenset((4, 5, 6, 7, 8, 9, 11, 15, 24, 25, 31))
"""Signals that end a process: ILL, TRAP, ABRT, BUS, FPE, KILL, SEGV, TERM, XCPU, XFSZ, SYS."""


class Sandbox:
    """Encloses commands. Thread-safe."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    @property
    def confines(self) -> bool:
        """False: the operator has switched the sandbox off."""
        return self._settings.kind != "none"

    @contextlib.contextmanager
    def enclosed(
        self, command: Command, program: Path, environment: Mapping[str, str], *, private: Path, number: int
    ) -> Iterator[Enclosed]:
        """How to start `program` in place of `command.argv[0]`. Raises WorkspaceError where the sandbox cannot be had."""
        bubblewrap = _needed("bwrap", INSTALL)
        stage = stage_for(command.cwd)
        etc = self._etc(private, stage)
        inside = dict(environment) | {"HOME": HOME, "TMPDIR": SCRATCH} | dict(command.environment)
        with contextlib.ExitStack() as stack:
            outer, inner, shown = self._doors(command, inside, private / f"doors-{number}", stack)
            view = view_of(command, program, inside, more=self._settings.reads, etc=etc)
            arguments = _arguments(view, shown, inside, stage, self._settings)
            given = [_nameless("arguments", b"")]
            stack.callback(_close, given)
            for target, text in view.texts.items():
                given.append(_nameless("text", text))
                arguments += ["--ro-bind-data", str(given[-1]), str(target)]
            arguments += ["--remount-ro", "/", "--chdir", str(command.cwd)]
            _write(given[0], "\0".join([*arguments, ""]).encode("utf-8", "surrogateescape"))
            limits = cage(self._settings)
            if limits is not None:
                stack.callback(limits.remove)
            yield _Bubblewrapped(
                argv=(
                    *(death_signal() if stage is None else ()), *outer, *_entering(self._settings, limits),
                    *(() if stage is None else stage.entering), bubblewrap, "--args", str(given[0]), "--",
                    *_process_limits(self._settings, limits), *inner, str(program), *command.argv[1:],
                ),
                cwd=Path("/"),
                environment={"PATH": os.defpath, "LANG": "C.UTF-8"} | _upstream_proxy(command),
                given=tuple(given),
                cage=limits,
            )  # fmt: skip

    def _etc(self, private: Path, stage: Stage | None) -> Path:
        """The folder with the made-up files of /etc."""
        uid, gid = (os.geteuid(), os.getegid()) if stage is None else (stage.uid, stage.gid)
        folder = private / f"etc-{uid}"
        with self._lock:
            if not folder.exists():
                made_up(folder, uid=uid, gid=gid)
        return folder

    def _doors(
        self, command: Command, inside: dict[str, str], folder: Path, stack: contextlib.ExitStack
    ) -> tuple[tuple[str, ...], tuple[str, ...], Path | None]:
        """What opens the doors outside and inside, and the folder with their sockets."""
        if not (command.network or command.listens or command.reaches):
            return (), (), None
        folder.mkdir()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        outer: list[str] = []
        inner: list[str] = []
        for port in command.reaches:
            outer.append(f"out:{folder}/{port}.out={port}")
            inner.append(f"in:{port}={DOORS}/{port}.out")
        for port in command.listens:
            outer.append(f"served:{port}={folder}/{port}.in")
            inner.append(f"serving:{DOORS}/{port}.in={port}")
        if command.network:
            outer.append(f"registry:{folder}/registry={','.join(registry_hosts(os.environ, self._settings.hosts))}")
            inner.append(f"in:{PROXY_PORT}={DOORS}/registry")
            inside.update(dict.fromkeys(_PROXY_VARIABLES, f"http://127.0.0.1:{PROXY_PORT}"))
            for name in _NO_PROXY_VARIABLES:
                inside.pop(name, None)
        opening = (plain_python(), "-I", "-S", str(_DOORS_PROGRAM))
        return (*opening, *outer, "--"), (*opening, *inner, "--"), folder


def _arguments(
    view: View, doors: Path | None, inside: Mapping[str, str], stage: Stage | None, settings: SandboxSettings
) -> list[str]:
    """bubblewrap's, in the order in which it carries them out."""
    arguments = [*_FLAGS, "--proc", "/proc", "--dev", "/dev"]
    arguments += [
        "--size",
        str(settings.scratch_mib * 2**20),
        "--perms",
        "0700",
        "--tmpfs",
        SCRATCH,
        "--perms",
        "0700",
        "--dir",
        HOME,
    ]
    for target, name in view.links.items():
        arguments += ["--symlink", name, target]
    binds = view.binds if doors is None else (*view.binds, Bind(target=Path(DOORS), source=doors, writable=True))
    points = frozenset() if stage is None else mount_points()
    for bind in binds:
        source = bind.source
        if stage is not None and not bind.system and _is_roots(source):
            source = stage.source(source, points)
        arguments += ["--bind" if bind.writable else "--ro-bind", str(source), str(bind.target)]
    for name, value in inside.items():
        arguments += ["--setenv", name, value]
    return arguments


def _is_roots(path: Path) -> bool:
    try:
        return path.lstat().st_uid == 0
    except OSError:
        return False


def _entering(settings: SandboxSettings, limits: Cage | None) -> tuple[str, ...]:
    size = settings.file_mib * 2**20
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    return ("/bin/sh", "-c", _ENTER, "sh", str(size // _BLOCK), *(() if limits is None else limits.doors), "--")


def _process_limits(settings: SandboxSettings, limits: Cage | None) -> tuple[str, ...]:
    """Where there is no control group: processes of the sandbox's own user namespace, and data of each process."""
    if limits is not None:
        return ()
    data = memory_limit(settings)
    return ("prlimit", f"--nproc={settings.processes}:{settings.processes}", f"--data={data}:{data}", "--")


def _upstream_proxy(command: Command) -> dict[str, str]:
    """How this machine reaches the registries, for the proxy outside."""
    if not command.network:
        return {}
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _nameless(name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name)
    _write(descriptor, content)
    return descriptor


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)


@functools.cache
def _needed(program: str, line: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise WorkspaceError(
            f"the sandbox cannot be had: there is no {program} on this machine, and nothing of a change runs without a sandbox",
            hint=line,
        )
    return found


def _hint(said: str) -> str:
    if "Unknown option" in said:
        return "Forge needs bubblewrap 0.8 or later"
    if "No permissions to creat" in said or "uid map" in said or "user namespace" in said:
        return (
            "let users make namespaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=9999"
        )
    return "run `forge doctor`; [sandbox] in settings.toml can choose containers instead"
