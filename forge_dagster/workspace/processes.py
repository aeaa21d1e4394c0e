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
from pathlib import Path

from forge_dagster.domain.redaction import Redaction, Redactor
from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import ForgeError, Interrupted, UsageError, WorkspaceError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.network import network_environment
from forge_dagster.workspace.process_groups import Group, State, attend, end, kill
from forge_dagster.workspace.reaping import DIRECTORY_PREFIX, MARK, owner_name, start_time
from forge_dagster.workspace.sandbox import Enclosed, Sandbox
from forge_dagster.workspace.serving import Ending
from forge_dagster.workspace.starting import death_signal, find_program
from forge_dagster.workspace.streams import Streams

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
        self._state = State(run_id=run_id, records=records, owner=owner_name(os.getpid()))
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
        group = Group(process=process, mark=mark, started=time.monotonic())
        state.groups[process.pid] = group
        try:
            with _disk_errors():
                group.record = state.note(
                    str(process.pid), {"pgid": process.pid, "started": start_time(process.pid), "mark": mark}
                )
            return attend(group, Streams(process, command, log, self._redaction()), command, state, ending)
        except BaseException:  # from `log`, a full disk, or Ctrl-C
            kill(group)
            raise
        finally:
            end(group, state)

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
