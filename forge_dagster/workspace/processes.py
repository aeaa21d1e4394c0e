"""The only place that starts a process. Each command is a process group of its own that never outlives its reason to run.

A command runs in a sandbox (sandbox/) unless it is one of Forge's own. Five things end a group: its time limit, `stop()`, an
Ending, the end of this interpreter, and its own leader's exit (what the leader left behind is killed too). Against a `kill -9`
of this process there is the parent-death signal for the leader (util-linux `setpriv`), and for the rest a record per live group
under `home/processes/<run_id>/`, which `reap` works off. Every process also carries a mark in its environment, by which one
that left its group (a daemon) is found. Of what runs in a sandbox nothing outlives it, whatever it does: its processes have a
namespace of their own, which ends with them.
"""

import contextlib
import itertools
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.domain.redaction import Redaction, Redactor
from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import ForgeError, Interrupted, UsageError, WorkspaceError
from forge_dagster.ports import Command, Ended, ProcessResult
from forge_dagster.workspace.network import network_environment
from forge_dagster.workspace.reaping import DIRECTORY_PREFIX, MARK, kill_group, kill_marked, owner_name, start_time
from forge_dagster.workspace.sandbox import Enclosed, Sandbox
from forge_dagster.workspace.serving import Ending
from forge_dagster.workspace.starting import death_signal, find_program
from forge_dagster.workspace.streams import DRAIN_S, Streams

_POLL_S = 1.0
"""Longest time until a run notices that the main thread is gone."""
_NO_PIDFD_POLL_S = 0.01
_UNKILLABLE_S = 5.0
"""A process in uninterruptible sleep does not die when killed; after this it is left to the system."""
_LONG_S = 60.0
"""From this on a command may have seen pids wrap around, so its daemons are looked for among all processes."""
_NUMBERS = itertools.count()
"""Of all commands of this process, so that two objects of one run never give the same mark."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only ever rise."""
        return time.monotonic()


@dataclass(slots=True)
class _Group:
    """A live process group: its number is its leader's pid, reserved until the leader is waited for."""

    process: "subprocess.Popen[bytes]"
    mark: str
    started: float
    record: Path | None = None


@dataclass(slots=True)
class _State:
    """What outlives a ProcessRun long enough to be cleaned up. Lock-free, for signal handlers: single dict operations."""

    run_id: str
    records: Path | None
    owner: str
    stopped: bool = False
    stop_pipe: tuple[int, int] = field(default_factory=os.pipe)
    groups: dict[int, _Group] = field(default_factory=dict)
    directory: Path | None = None

    def kill_all(self) -> None:
        self.stopped = True
        with contextlib.suppress(OSError):
            os.write(self.stop_pipe[1], b"x")
        for group in list(self.groups.values()):
            kill_group(group.process.pid)

    def close(self) -> None:
        if not self.owner.startswith(f"{os.getpid()}@"):
            return  # a forked child
        self.kill_all()
        for descriptor in self.stop_pipe:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            if self.records is not None:
                (self.records / f"{self.directory.name}.json").unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    self.records.rmdir()

    def note(self, name: str, content: Mapping[str, object]) -> Path | None:
        """Write one record for `reap`. Another object of the same run may be removing the empty folder just now."""
        if self.records is None:
            return None
        path = self.records / f"{name}.json"
        for _ in range(10):
            self.records.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path.write_text(json.dumps({**content, "owner": self.owner}), encoding="utf-8")
                return path
        raise FileNotFoundError(str(path))


class ProcessRun:
    """Runs the processes of one run. Thread-safe; `stop` may be called from any thread and from a signal handler.

    `home` None: no records are kept, so what survives a `kill -9` of this process cannot be reaped. `run_id` is a file name.
    `redaction`: what is blanked in every line that is logged. `sandbox`: the operator's settings; None: the defaults, which
    confine.
    """

    def __init__(
        self, *, home: Path | None, run_id: str, redaction: Redactor = Redaction, sandbox: SandboxSettings | None = None
    ) -> None:
        if not _NAME.fullmatch(run_id):
            raise UsageError(f"{run_id!r} is no run id", hint="use letters, digits, '.', '_' and '-'")
        records = None if home is None else home / "processes" / run_id
        self._state = _State(run_id=run_id, records=records, owner=owner_name(os.getpid()))
        self._redaction = redaction
        self._directory_lock = threading.Lock()
        self._sandbox = Sandbox(sandbox or SandboxSettings(), kept=None if home is None else home / "sandbox")
        self._finalizer = weakref.finalize(self, self._state.close)

    @property
    def confines(self) -> bool:
        """Whether what is not trusted runs in a sandbox; False: the operator has switched that off."""
        return self._sandbox.confines

    def prepare(self, folder: Path) -> None:
        """In another thread, make what the first command in `folder` would wait for. What goes wrong that command will say."""

        def made() -> None:
            with contextlib.suppress(ForgeError, OSError):
                self._sandbox.prepare(folder, private=self._private())

        threading.Thread(target=made, name="sandbox", daemon=True).start()

    def run(self, command: Command, *, log: Callable[[str], None] | None = None, ending: Ending | None = None) -> ProcessResult:
        """Run to the end. Never raises for what the process does; what cannot be started at all ended "missing".

        `ending`: by which another thread may end it before its time, for what only ends when told to (serving.py).
        Raises WorkspaceError when the record or the private folder cannot be written (such as on a full disk), and when the
        sandbox cannot be had that the command needs.
        """
        state = self._state
        if state.stopped:
            return ProcessResult(ended="interrupted", exit_code=None)
        number = next(_NUMBERS)
        mark = f"{state.run_id}:{state.owner}:{number}"
        with _disk_errors():
            environment = self._environment(command, mark)
        with contextlib.ExitStack() as stack:
            try:
                program = find_program(command.argv[0] if command.argv else "", path=environment["PATH"], cwd=command.cwd)
                if program is None or not command.cwd.is_dir():
                    raise FileNotFoundError("no such program or folder, or it may not be executed")
                with _disk_errors():
                    enclosed = stack.enter_context(self._enclosed(command, program, environment, number))
                process = _start(enclosed, command, mark)
            except (OSError, ValueError) as error:
                said = f"{command.argv[:1]} did not start: {error}".encode()
                return ProcessResult(ended="missing", exit_code=None, stderr=said)
            return enclosed.judged(self._attended(process, command, mark, log, ending))

    def _attended(
        self,
        process: "subprocess.Popen[bytes]",
        command: Command,
        mark: str,
        log: Callable[[str], None] | None,
        ending: Ending | None,
    ) -> ProcessResult:
        state = self._state
        group = _Group(process=process, mark=mark, started=time.monotonic())
        state.groups[process.pid] = group
        try:
            with _disk_errors():
                group.record = state.note(
                    str(process.pid), {"pgid": process.pid, "started": start_time(process.pid), "mark": mark}
                )
            return _attend(group, Streams(process, command, log, self._redaction()), command, state, ending)
        except BaseException:  # from `log`, a full disk, or Ctrl-C
            _kill(group)
            raise
        finally:
            _end(group, state)

    def _enclosed(
        self, command: Command, program: Path, environment: Mapping[str, str], number: int
    ) -> contextlib.AbstractContextManager[Enclosed]:
        if command.trusted or not self._sandbox.confines:
            argv = (*death_signal(), str(program), *command.argv[1:])
            return contextlib.nullcontext(Enclosed(argv=argv, cwd=command.cwd, environment=environment))
        return self._sandbox.enclosed(command, program, environment, private=self._private(), number=number)

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted as soon as `stop` is called."""
        deadline = time.monotonic() + seconds
        while not self._state.stopped:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            poll = select.poll()
            poll.register(self._state.stop_pipe[0], select.POLLIN)
            poll.poll(min(left, 3600.0) * 1000)
        raise Interrupted("the run was stopped", hint="start it again when you are ready")

    def stop(self) -> None:
        """Kill every process group started here, and let none start any more."""
        self._state.kill_all()

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty private folder in /tmp for as long as the context; after a `kill -9` of this process `reap` removes it.

        Raises WorkspaceError when it cannot be made.
        """
        with _disk_errors():
            directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
            record = self._state.note(directory.name, {"directory": str(directory)})
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            if record is not None:
                record.unlink(missing_ok=True)

    def _environment(self, command: Command, mark: str) -> dict[str, str]:
        private = self._private()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(private / "home"),
            "TMPDIR": str(private / "tmp"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        if command.network:
            environment |= network_environment(os.environ)
        return environment | dict(command.environment) | {MARK: mark}

    def _private(self) -> Path:
        """This run's own HOME and TMPDIR, made on first use. In /tmp, since names of Unix sockets must stay short."""
        if self._state.directory is None:
            with self._directory_lock:
                if self._state.directory is None:
                    self._state.directory = self._make_private()
        return self._state.directory

    def _make_private(self) -> Path:
        directory = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
        (directory / "home").mkdir()
        (directory / "tmp").mkdir()
        self._state.note(directory.name, {"directory": str(directory)})
        return directory


def _start(enclosed: Enclosed, command: Command, mark: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        enclosed.argv,
        cwd=enclosed.cwd,
        env={**enclosed.environment, MARK: mark},
        stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=enclosed.given,
    )


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkspaceError(
            f"no process could be started: {error}", hint="free disk space, or correct the permissions"
        ) from error


def _attend(group: _Group, streams: Streams, command: Command, state: _State, ending: Ending | None) -> ProcessResult:
    """Feed and read the process until it exits, its time is over or the run is stopped; then end the group and drain."""
    started = group.started
    ended = _serve(group.process.pid, streams, state, deadline=started + command.timeout_s, ending=ending)
    streams.drain(0.0)
    _kill(group)
    streams.drain(DRAIN_S)
    exit_code = _end(group, state)
    stdout, stderr = streams.finish()
    if exit_code in (126, 127) and stderr.startswith(b"setpriv: failed to execute"):
        ended = "missing"
    return ProcessResult(
        ended=ended,
        exit_code=exit_code if ended == "exited" else None,
        stdout=stdout,
        stderr=stderr,
        truncated=streams.truncated,
        duration_s=time.monotonic() - started,
    )


def _serve(pid: int, streams: Streams, state: _State, *, deadline: float, ending: Ending | None) -> Ended:
    asked = None if ending is None else ending.asked
    with _exit_descriptor(pid) as exited:
        watched = [descriptor for descriptor in (state.stop_pipe[0], exited, asked) if descriptor is not None]
        for descriptor in watched:
            streams.poll.register(descriptor, select.POLLIN)
        try:
            while True:
                left = deadline - time.monotonic()
                if state.stopped or not threading.main_thread().is_alive():
                    return "interrupted"
                if left <= 0:
                    return "timeout"
                ready = streams.step(min(left, _POLL_S if exited is not None else _NO_PIDFD_POLL_S))
                if exited in ready or (exited is None and _has_exited(pid)):
                    return "interrupted" if state.stopped else "exited"
                if ending is not None and asked in watched and asked in ready:
                    watched.remove(asked)
                    streams.poll.unregister(asked)
                    _signal_group(pid, ending.signal)
                    deadline = min(deadline, time.monotonic() + ending.grace_s)
        finally:
            for descriptor in watched:
                streams.poll.unregister(descriptor)


@contextlib.contextmanager
def _exit_descriptor(pid: int) -> Iterator[int | None]:
    """A descriptor that becomes readable when the process exits (Linux 5.3), or None where there is none."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _signal_group(pgid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pgid, number)


def _has_exited(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(group: _Group) -> None:
    """Kill the group and the daemons that left it. The leader is not waited for yet, so its number cannot be another's."""
    kill_group(group.process.pid)
    recent = time.monotonic() - group.started < _LONG_S
    kill_marked(lambda mark: mark == group.mark, since=group.process.pid if recent else None)


def _end(group: _Group, state: _State) -> int | None:
    """Kill what is left, forget the group and give the leader's exit code. Idempotent."""
    process = group.process
    if state.groups.pop(process.pid, None) is None:
        return process.returncode
    kill_group(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_UNKILLABLE_S)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    if group.record is not None:
        group.record.unlink(missing_ok=True)
    return process.returncode
