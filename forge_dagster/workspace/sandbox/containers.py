"""A sandbox made by a container engine (Docker, Podman): an empty image that sees the same files and folders, and no more.

The container runs as the owner of the tree. Where that is root it is root inside, without any capability, unable to gain one,
on a read-only root: weaker than bubblewrap's sandbox, in which it is nobody.
"""

import contextlib
import functools
import itertools
import os
import resource
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import ProcessResult
from forge_dagster.workspace.sandbox.enclosed import DOORS, FATAL, SCRATCH, Enclosed, Plan
from forge_dagster.workspace.sandbox.limits import memory_limit
from forge_dagster.workspace.sandbox.seccomp import podman_profile
from forge_dagster.workspace.sandbox.view import Bind
from forge_dagster.workspace.starting import death_signal, needed_program

_IMAGE = "forge-sandbox:empty"
_EMPTY_TAR = bytes(10_240)
"""An archive with nothing in it: two blocks of zeros, filled up to a record (POSIX, "ustar Interchange Format")."""
_ENGINE_S = 60.0
_SHARES = 1024
"""A container's part of the processors. Always given: in version 2, an engine makes less of it than it gives for none."""
_INSTALL = {"docker": "apt-get install docker.io", "podman": "apt-get install podman"}
_NOT_STARTED = 125
"""The engine could not do what it was asked for (docs.docker.com, "docker run", exit status; podman-run(1) has the same)."""


_ENGINE_VARIABLES = (
    "PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINERS_CONF",
)  # fmt: skip
"""What an engine's client reads to find the engine; Forge's own, never a change's."""
_OTHER_RUNTIME = 'crun wants one version of cgroups: install runc, and set runtime = "runc" in [engine] of containers.conf'
_NO_SESSION = "Podman needs this user's session also while nobody is logged in: loginctl enable-linger"
_PID_MAX = Path("/proc/sys/kernel/pid_max")
_ENGINE_SPEAKS = ("docker: ", "Error: ", "Error response", "permission denied", "Cannot connect")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contained(Enclosed):
    engine: str
    name: str
    over: list[bool] = field(default_factory=list)
    """Filled when the container has ended by itself, so that nobody need end it."""

    def judged(self, result: ProcessResult) -> ProcessResult:
        """The engine ends with 125 when it fails, 126 and 127 when there is no such program, 128 + n for signal n."""
        if result.ended != "exited" or result.exit_code is None:
            return result
        self.over.append(True)
        said = engines_words(result.stderr)
        if result.exit_code in (_NOT_STARTED, 126, 127) and said.startswith(_ENGINE_SPEAKS):
            if "no such file or directory" in said.lower() or "executable file not found" in said.lower():
                return replace(result, ended="missing", exit_code=None)
            raise WorkspaceError(f"the sandbox could not be made: {said.splitlines()[0]}", hint=_hint(said, self.engine))
        if result.exit_code - 128 in FATAL:
            return replace(result, exit_code=128 - result.exit_code)
        return result


def engines_words(stderr: bytes) -> str:
    """The beginning of what was said, without the warnings that Podman logs before it says why it failed."""
    lines = stderr[:4000].decode("utf-8", "replace").splitlines(keepends=True)
    return "".join(itertools.dropwhile(lambda line: line.startswith('time="'), lines))


def _hint(said: str, engine: str) -> str:
    if "hybrid mode" in said:
        return _OTHER_RUNTIME
    return _NO_SESSION if "/run/user/" in said else f"is {Path(engine).name} running, and may it be used?"


def contained(plan: Plan, stack: contextlib.ExitStack, *, folder: Path, number: int) -> Enclosed:
    """How to start the program; what is made for it goes with `stack`. Raises WorkspaceError."""
    engine = needed_program(plan.settings.engine, _INSTALL[plan.settings.engine])
    _have_image(engine)
    own = folder / f"container-{number}"
    own.mkdir()
    stack.callback(shutil.rmtree, own, ignore_errors=True)
    name = f"forge-{uuid.uuid4().hex[:16]}"
    options = [*_limits(plan), *_filter(plan, own), "--name", name, "--workdir", str(plan.command.cwd)]
    for option in _binds(plan, own):
        options += ["--mount", option]
    plain = {key: value for key, value in plan.environment.items() if "\n" not in value}
    (own / "environment").write_text("".join(f"{key}={value}\n" for key, value in plain.items()), encoding="utf-8")
    options += ["--env-file", str(own / "environment")]
    if plan.command.stdin:
        options.append("--interactive")
    for key in plan.environment.keys() - plain.keys():
        options += ["--env", f"{key}={plan.environment[key]}"]
    enclosed = _Contained(
        argv=(
            *death_signal(), *plan.opening, engine, "run", *options, _IMAGE,
            *plan.inner, str(plan.program), *plan.command.argv[1:],
        ),
        cwd=Path("/"),
        environment={**plan.outside, **{name: os.environ[name] for name in _ENGINE_VARIABLES if name in os.environ}},
        engine=engine,
        name=name,
    )  # fmt: skip
    stack.callback(_remove, enclosed)
    return enclosed


def _limits(plan: Plan) -> list[str]:
    settings, owner = plan.settings, plan.command.cwd.stat()
    memory, files = str(memory_limit(settings)), settings.file_mib * 2**20
    handles, own = resource.getrlimit(resource.RLIMIT_NOFILE)[1], _most_processes()
    options = [
        "--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--ipc=private", "--hostname=sandbox", f"--user={owner.st_uid}:{owner.st_gid}", f"--memory={memory}",
        f"--memory-swap={memory}", f"--pids-limit={settings.processes}", f"--ulimit=fsize={files}:{files}", "--ulimit=core=0:0",
        f"--ulimit=nofile={handles}:{handles}", f"--ulimit=nproc={own}:{own}", "--entrypoint=",
        f"--tmpfs={SCRATCH}:rw,exec,nosuid,nodev,mode=1777,size={settings.scratch_mib}m",
    ]  # fmt: skip
    if settings.cpus:
        options.append(f"--cpus={settings.cpus}")
    rootless = settings.engine == "podman" and os.geteuid() != 0
    if not rootless:  # to a user, processors may not be delegated, and Podman would start nothing
        options.append(f"--cpu-shares={_SHARES * plan.command.share}")
    if rootless:
        options.append("--userns=keep-id")
    return options


def _filter(plan: Plan, own: Path) -> tuple[str, ...]:
    """Docker's own filter of system calls is strict enough."""
    if plan.settings.engine != "podman":
        return ()
    try:
        (own / "seccomp.json").write_text(podman_profile(), encoding="utf-8")
    except (OSError, ValueError, LookupError) as error:
        raise WorkspaceError(f"podman's seccomp.json cannot be read: {error}", hint="install podman anew") from error
    return (f"--security-opt=seccomp={own / 'seccomp.json'}",)


def _most_processes() -> int:
    """What Forge may have itself, and no more than the kernel counts to: Podman allows itself no more to give."""
    own, counted = resource.getrlimit(resource.RLIMIT_NPROC)[1], int(_PID_MAX.read_text(encoding="ascii"))
    return counted if own == resource.RLIM_INFINITY else min(own, counted)


def _binds(plan: Plan, own: Path) -> list[str]:
    binds = list(plan.view.binds)
    binds += [Bind(target=Path(target), source=Path(target).resolve()) for target in plan.view.links]
    (own / "home").mkdir(mode=0o700)
    os.chown(own / "home", (status := plan.command.cwd.stat()).st_uid, status.st_gid)
    binds.append(Bind(target=Path(plan.environment["HOME"]), source=own / "home", writable=True))
    if plan.doors is not None:
        os.chown(plan.doors, status.st_uid, status.st_gid)
        binds.append(Bind(target=Path(DOORS), source=plan.doors, writable=True))
    for number, (target, text) in enumerate(plan.view.texts.items()):
        (own / f"text-{number}").write_bytes(text)
        binds.append(Bind(target=target, source=own / f"text-{number}"))
    made = []
    for bind in sorted(binds, key=lambda bind: len(bind.target.parts)):
        if any(mark in str(path) for path in (bind.source, bind.target) for mark in (",", '"', "\n")):
            raise WorkspaceError(f"{bind.target} cannot be shown to a container", hint="rename it: no comma, no quotation mark")
        made.append(f"type=bind,source={bind.source},target={bind.target}" + ("" if bind.writable else ",readonly"))
    return made


@functools.cache
def _have_image(engine: str) -> None:
    """Make the empty image, once. Raises WorkspaceError."""
    if _engine(engine, "image", "inspect", _IMAGE).returncode == 0:
        return
    made = _engine(engine, "import", "-", _IMAGE, given=_EMPTY_TAR)
    if made.returncode != 0:
        said = made.stderr.decode("utf-8", "replace").strip().splitlines()
        raise WorkspaceError(
            f"{Path(engine).name} cannot make an image: {said[-1] if said else 'it said nothing'}",
            hint=_hint("\n".join(said), engine),
        )


def _remove(enclosed: _Contained) -> None:
    """End the container: its engine's client is not its parent, and dies without it."""
    if not enclosed.over:
        with contextlib.suppress(WorkspaceError):
            _engine(enclosed.engine, "rm", "--force", enclosed.name)


def _engine(engine: str, *arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(  # noqa: S603
            [engine, *arguments], cwd="/", input=given, capture_output=True, timeout=_ENGINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkspaceError(f"{Path(engine).name} does not answer: {error}", hint="see its own log") from error
