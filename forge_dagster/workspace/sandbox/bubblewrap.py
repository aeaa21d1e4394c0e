"""A sandbox made by bubblewrap (github.com/containers/bubblewrap): every namespace of its own, a root of read-only binds, a
private /tmp with HOME in it, the environment cleared, no capabilities, no further user namespaces.

Forge as root drops its rights before that (stage.py); as an ordinary user it has none to drop. The program's environment is
handed to bubblewrap in a file without a name: the programs that stand around the sandbox never run with variables that a
change may have chosen, and `ps` does not show them.
"""

import contextlib
import os
import resource
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import ProcessResult
from forge_dagster.workspace.sandbox.enclosed import DOORS, FATAL, HOME, SCRATCH, Enclosed, Plan
from forge_dagster.workspace.sandbox.limits import Cage, cage, memory_limit
from forge_dagster.workspace.sandbox.namespaces import how_to_allow
from forge_dagster.workspace.sandbox.stage import Stage, mount_points
from forge_dagster.workspace.sandbox.view import Bind
from forge_dagster.workspace.starting import death_signal, needed_program

INSTALL = "apt-get install bubblewrap"
"""The line that helps where it is missing (Debian, Ubuntu)."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrapped(Enclosed):
    """What bubblewrap encloses."""

    cage: Cage | None = None
    memory: int = 0

    def judged(self, result: ProcessResult) -> ProcessResult:
        """bubblewrap speaks as "bwrap: ..." and ends with 1; a program killed by signal n ends with 128 + n (bwrap(1))."""
        code, said = result.exit_code, result.stderr[:2000].decode("utf-8", "replace")
        if result.ended != "exited" or code is None:
            return result
        if self.cage is not None and self.cage.ran_out_of_memory():
            note = f"\nit ran out of memory: its sandbox has {self.memory // 2**20} MiB ([sandbox] in settings.toml)\n"
            result = replace(result, stderr=result.stderr + note.encode())
        if code in (126, 127) and said.startswith(("prlimit: failed to execute", "setpriv: failed to execute")):
            return replace(result, ended="missing", exit_code=None)
        if code == 1 and said.startswith("bwrap: execvp"):
            return replace(result, ended="missing", exit_code=None)
        if code == 1 and said.startswith("bwrap: "):
            raise WorkspaceError(f"the sandbox could not be made: {said.splitlines()[0]}", hint=_hint(said))
        if code == 126 and said.startswith(("/bin/sh: ", "sh: ")) and ("cgroup.procs" in said or "ulimit" in said):
            raise WorkspaceError(f"the sandbox's limits could not be set: {said.splitlines()[0]}", hint="run `forge doctor`")
        if code - 128 in FATAL:
            return replace(result, ended="exited", exit_code=128 - code)
        return result


def bubblewrapped(plan: Plan, stage: Stage | None, stack: contextlib.ExitStack) -> Enclosed:
    """How to start the program; what is made for it goes with `stack`. Raises WorkspaceError."""
    bubblewrap = needed_program("bwrap", INSTALL)
    arguments = _arguments(plan, stage)
    given = [_nameless("arguments", b"")]
    stack.callback(_close, given)
    for target, text in plan.view.texts.items():
        given.append(_nameless("text", text))
        arguments += ["--ro-bind-data", str(given[-1]), str(target)]
    arguments += ["--remount-ro", "/", "--chdir", str(plan.command.cwd)]
    _write(given[0], "\0".join([*arguments, ""]).encode("utf-8", "surrogateescape"))
    limits = cage(plan.settings, share=plan.command.share)
    if limits is not None:
        stack.callback(limits.remove)
    return Bubblewrapped(
        argv=(
            *(death_signal() if stage is None else ()), *plan.opening, *_entering(plan.settings, limits),
            *(() if stage is None else stage.entering), bubblewrap, "--args", str(given[0]), "--",
            *_process_limits(plan.settings, limits), *plan.inner, str(plan.program), *plan.command.argv[1:],
        ),
        cwd=Path("/"),
        environment=plan.outside,
        given=tuple(given),
        cage=limits,
        memory=memory_limit(plan.settings),
    )  # fmt: skip


def _arguments(plan: Plan, stage: Stage | None) -> list[str]:
    """bubblewrap's, in the order in which it carries them out."""
    arguments = [*_FLAGS, "--proc", "/proc", "--dev", "/dev"]
    arguments += [
        "--size",
        str(plan.settings.scratch_mib * 2**20),
        "--perms",
        "0700",
        "--tmpfs",
        SCRATCH,
        "--perms",
        "0700",
        "--dir",
        HOME,
    ]
    for target, name in plan.view.links.items():
        arguments += ["--symlink", name, target]
    binds = plan.view.binds
    if plan.doors is not None:
        binds = (*binds, Bind(target=Path(DOORS), source=plan.doors, writable=True))
    points = frozenset() if stage is None else mount_points()
    for bind in binds:
        source = bind.source
        if stage is not None and not bind.system and _is_roots(source):
            source = stage.source(source, points)
        arguments += ["--bind" if bind.writable else "--ro-bind", str(source), str(bind.target)]
    for name, value in plan.environment.items():
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


def _hint(said: str) -> str:
    if "Unknown option" in said:
        return "Forge needs bubblewrap 0.8 or later"
    return how_to_allow(said) or "run `forge doctor`; [sandbox] in settings.toml can choose containers instead"
