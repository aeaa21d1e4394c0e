"""Keeps programs running beyond the process that asked for them, on supervisor (supervisord.org) over its XML-RPC interface."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import PlatformError
from forge_dagster.ports import Program, ProgramState
from forge_dagster.workspace.program_files import LOG_LIMIT, PROGRAM, SUPERVISORD, link, read, write
from forge_dagster.workspace.program_lives import Life, alive, family_of, kill, launching_in, read_life
from forge_dagster.workspace.sandbox.serve import confined
from forge_dagster.workspace.supervisor_rpc import call_supervisor

SOCKET_PATH_LIMIT = 90
"""Bytes of a Unix socket's path that are safe: the kernel takes 107 (unix(7)), supervisord adds its pid to bind."""

START_LIMIT_S = 20.0
RPC_LIMIT_S = 5.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")
_RUNNING = frozenset({"STARTING", "RUNNING", "STOPPING"})
_FALLEN = frozenset({"EXITED", "FATAL", "BACKOFF", "STOPPED", "UNKNOWN"})


class SupervisordSupervision:
    """Supervision by one supervisord per home; safe to use from several processes at once.

    Definitions stay on disk until `stop`, so a machine that comes up again finds its programs running after `ensure_running`.
    """

    def __init__(self, home: Path, *, sandbox: SandboxSettings | None = None) -> None:
        self._folder = home.absolute() / "supervisor"
        self._sandbox = sandbox or SandboxSettings()

    # --- what the port asks for ------------------------------------------------------------------------------------------

    def start(self, program: Program) -> None:
        """Define and start; the same again is a no-op, a different one of that name replaces it. Raises PlatformError."""
        _checked(program.name)
        if not program.argv or any("\0" in part for part in program.argv):
            raise PlatformError(f"program {program.name} has no usable command line", hint="give its argument list")
        self.ensure_running()
        with self._locked():
            changed = self._define(program)
            state = self._info(program.name)
            if state is not None and not changed and state["statename"] not in _FALLEN:
                return
            if state is not None:
                self._remove(program.name)
            self._path(program.name, ".life").unlink(missing_ok=True)
            self._call("reloadConfig")
            self._call("addProcessGroup", program.name)

    def state(self, name: str) -> ProgramState | None:
        """None when there is no such program. Starts nothing."""
        if not self._path(_checked(name), ".conf").exists():
            return None
        info = self._info(name) if self.is_running() else None
        if info is None:
            return ProgramState(running=False, exits=self._life(name).launches, detail="supervisord does not run it")
        life = self._life(name)
        # Until launch.py has recorded its pid it is not the program yet.
        running = info["statename"] in _RUNNING and bool(info["pid"]) and life.pid == info["pid"]
        return ProgramState(
            running=running,
            pid=int(info["pid"]) or None,
            exits=life.launches - 1 if running else life.launches,
            detail=f"{info['statename'].lower()}: {info['spawnerr'] or info['description']}",
        )

    def stop(self, name: str) -> None:
        """Stop the whole process group and forget the program; no-op when there is none."""
        _checked(name)
        with self._locked():
            if not self._path(name, ".conf").exists():
                return
            family = self._family(name)
            self._path(name, ".conf").unlink(missing_ok=True)
            if self.is_running() and self._info(name) is not None:
                self._remove(name)
                self._call("reloadConfig")
            self._end(name, family)
            for suffix in (".json", ".life", ".inner"):
                self._path(name, suffix).unlink(missing_ok=True)

    def programs(self) -> tuple[str, ...]:
        """Names of all defined programs, sorted, whether they run or not."""
        return tuple(sorted(path.stem for path in (self._folder / "programs").glob("*.conf")))

    # --- supervisord itself ----------------------------------------------------------------------------------------------

    def is_running(self) -> bool:
        """Whether supervisord answers."""
        try:
            return bool(self._call("getState")["statename"] in ("RUNNING", "RESTARTING"))
        except PlatformError:
            return False

    def ensure_running(self) -> None:
        """Start supervisord, and every defined program with it, unless it runs. Clears away what a crash left.

        Raises PlatformError: folder cannot be written, supervisord does not start or does not answer.
        """
        if self.is_running():
            return
        with self._locked():
            if self.is_running():
                return
            daemon = self._daemon()
            if daemon is not None and self._waited(lambda: self.is_running() or not alive(daemon), 10.0) and alive(daemon):
                return
            if alive(daemon):
                raise PlatformError(
                    f"supervisord (pid {daemon.pid}) runs but does not answer on {self._socket()}",
                    hint=f"look into {self._folder / 'supervisord.log'}; end process {daemon.pid} and try again",
                )
            self._bury()
            self._prepare()
            self._launch()

    def shutdown(self) -> None:
        """Stop every program and supervisord itself, and wait until nothing of them is left. Definitions stay."""
        if not self._folder.is_dir():
            return
        with self._locked():
            families = {name: self._family(name) for name in self.programs()}
            daemon = self._daemon()
            if self.is_running():
                patience = max((self._stop_wait(name) for name in families), default=10.0) + 10.0
                with contextlib.suppress(PlatformError):
                    self._call("shutdown")
                self._waited(lambda: not alive(daemon), patience)
            if alive(daemon):
                os.kill(daemon.pid, signal.SIGKILL)
                self._waited(lambda: not alive(daemon), 5.0)
            for name, family in families.items():
                self._end(name, family)
            self._bury()

    def log(self, name: str) -> Path:
        """Where the program's output goes (Program.log is a link to it)."""
        return self._folder / "logs" / f"{_checked(name)}.log"

    # --- how ---------------------------------------------------------------------------------------------------------------

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / "programs" / f"{name}{suffix}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            for part in ("programs", "logs"):
                (self._folder / part).mkdir(mode=0o700, exist_ok=True)
            lock = FileLock(self._folder / "lock", timeout=120)
            lock.acquire()
        except Timeout as error:
            raise PlatformError(
                f"another process has held {self._folder / 'lock'} for two minutes", hint="see `forge status`; try again"
            ) from error
        except OSError as error:
            raise PlatformError(
                f"cannot use {self._folder}: {error.strerror or error}", hint="make Forge's home writable, or set FORGE_HOME"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _define(self, program: Program) -> bool:
        """Write the definition; whether it differs from the one there."""
        name = program.name
        argv, cwd, environment, inner = program.argv, program.cwd, dict(program.environment), ""
        if not program.trusted and self._sandbox.kind != "none":
            argv = (sys.executable, "-m", "forge_dagster.workspace.sandbox.serve", str(self._path(name, ".inner")))
            cwd, environment, inner = self._folder, {}, confined(program, self._sandbox)
        wanted = json.dumps(
            {"argv": argv, "cwd": str(cwd), "environment": environment, "wait": program.stop_wait_s}, sort_keys=True
        )
        conf = PROGRAM.format(
            name=name,
            restart="true" if program.restart else "false",
            # Backoff grows by a second each time, so a program that cannot start is tried for hours, not for ever.
            retries=100 if program.restart else 0,
            stop_wait=max(1, round(program.stop_wait_s)),
            log_limit=LOG_LIMIT,
        )
        old = [read(self._path(name, suffix)) for suffix in (".json", ".conf", ".inner")]
        try:
            link(program.log, self.log(name))
            if old == [wanted, conf, inner]:
                return False
            write(self._path(name, ".inner"), inner)
            write(self._path(name, ".json"), wanted)
            write(self._path(name, ".conf"), conf)
        except OSError as error:
            raise PlatformError(f"cannot define program {name}: {error}", hint="check the disk and Forge's home") from error
        return True

    def _remove(self, name: str) -> None:
        family = self._family(name)
        patience = self._stop_wait(name) + 10.0
        with contextlib.suppress(PlatformError):
            # Not waiting there: supervisord notices an exit within a second by itself, at once when it is asked something.
            self._call("stopProcessGroup", name, False)
        if not self._waited(lambda: self._tried("removeProcessGroup", name), patience):
            raise PlatformError(f"supervisord would not let go of program {name}", hint=f"see {self._folder}/supervisord.log")
        self._end(name, family)

    def _tried(self, method: str, *arguments: object) -> bool:
        try:
            self._call(method, *arguments)
        except PlatformError as error:
            return "BAD_NAME" in error.message
        return True

    def _info(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self._call("getProcessInfo", f"{name}:{name}"))
        except PlatformError as error:
            if "BAD_NAME" in error.message:
                return None
            raise

    def _call(self, method: str, *arguments: Any, timeout_s: float = RPC_LIMIT_S) -> Any:
        return call_supervisor(self._socket(), method, *arguments, timeout_s=timeout_s)

    def _socket(self) -> str:
        return read(self._folder / "socket") or str(self._folder / "supervisor.sock")

    def _daemon(self) -> Any:
        """The live supervisord of this home (a psutil.Process), or None: a pid with another owner by now does not count."""
        import psutil

        try:
            process = psutil.Process(int(read(self._folder / "supervisord.pid")))
            return process if alive(process) and Path(process.cwd()) == self._folder.resolve() else None
        except (ValueError, psutil.Error, OSError):
            return None

    def _prepare(self) -> None:
        try:
            path = "supervisor.sock"
            if len(os.fsencode(str(self._folder / path))) > SOCKET_PATH_LIMIT:
                path = str(Path(tempfile.mkdtemp(prefix="forge-", dir="/tmp")) / path)  # 0700 by mkdtemp
            write(self._folder / "socket", str(self._folder / path))
            write(self._folder / "supervisord.conf", SUPERVISORD.format(socket=path))
            write(self._folder / "launch.py", (Path(__file__).parent / "launch.py").read_text())
            link(self._folder / "python", Path(getattr(sys, "_base_executable", sys.executable)))
        except OSError as error:
            raise PlatformError(f"cannot write to {self._folder}: {error}", hint="make Forge's home writable") from error

    def _launch(self) -> None:
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(Path.home())}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "supervisor.supervisord", "-c", "supervisord.conf"],
                cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=START_LIMIT_S,
                start_new_session=True, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PlatformError(f"supervisord did not start: {error}", hint="see `forge doctor`") from error
        if done.returncode != 0 or not self._waited(self.is_running, START_LIMIT_S):
            said = (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]
            said = said or read(self._folder / "supervisord.log")[-2000:]
            raise PlatformError(f"supervisord did not start: {said}", hint=f"see {self._folder / 'supervisord.log'}")

    def _bury(self) -> None:
        """Remove the files of a supervisord that is gone, and kill the programs that outlived it."""
        for name in self.programs():
            self._end(name, [*self._family(name), *launching_in(self._folder)])
            self._path(name, ".life").unlink(missing_ok=True)
        socket_path = Path(self._socket())
        for path in (socket_path, self._folder / "supervisord.pid", self._folder / "socket"):
            path.unlink(missing_ok=True)
        if socket_path.parent != self._folder and socket_path.parent.name.startswith("forge-"):
            with contextlib.suppress(OSError):
                socket_path.parent.rmdir()

    def _life(self, name: str) -> Life:
        return read_life(self._path(name, ".life"))

    def _stop_wait(self, name: str) -> float:
        try:
            return float(json.loads(read(self._path(name, ".json")))["wait"])
        except (ValueError, KeyError, TypeError):
            return 10.0

    def _family(self, name: str) -> list[Any]:
        return family_of(self._life(name))

    def _end(self, name: str, family: list[Any]) -> None:
        """Kill whatever is left: the recorded group (if its id is still the program's) and every known descendant."""
        kill(self._life(name), family)
        if not self._waited(lambda: not any(alive(process) for process in family), 5.0):
            raise PlatformError(f"processes of {name} do not die", hint="they hang in the kernel; see `ps -eo pid,stat,cmd`")

    @staticmethod
    def _waited(condition: Callable[[], bool], limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise PlatformError(f"{name!r} cannot name a program", hint="use up to 120 letters, digits, '_', '.', '-'")
    return name
