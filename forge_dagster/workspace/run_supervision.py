"""Keeps programs running for as long as a run, as its own commands: a preview that nobody needs when the run is over."""

import contextlib
import math
import threading
from dataclasses import dataclass
from typing import TextIO

from forge_dagster.errors import PlatformError
from forge_dagster.ports import Command, ProcessResult, Program, ProgramState
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.serving import Ending, Serving

LAUNCHES = 2
"""A program that ended by itself is started once more; what ends twice is left alone."""
_KEPT = 256 * 1024
"""Bytes kept of what a program prints; all of it goes to its log."""


@dataclass(slots=True)
class _Held:
    """A program under way, with how often it ended by itself."""

    program: Program
    ending: Ending
    exits: int = 0
    unwanted: bool = False
    last: ProcessResult | None = None
    serving: Serving | None = None


class RunSupervision:
    """Supervision by a ProcessRun of this process: nothing that it keeps outlives the run. Thread-safe."""

    def __init__(self, run: ProcessRun) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def start(self, program: Program) -> None:
        """Start; the same program again is a no-op, a different one of that name replaces it. Raises PlatformError."""
        with self._lock:
            known = self._held.get(program.name)
            if known is not None and known.program == program and known.serving is not None and known.serving.over is None:
                return
            self._end(program.name)
            try:
                program.log.parent.mkdir(parents=True, exist_ok=True)
                program.log.write_bytes(b"")
            except OSError as error:
                raise PlatformError(f"cannot write to {program.log}: {error}", hint="free disk space") from error
            held = _Held(program=program, ending=Ending(grace_s=program.stop_wait_s))
            held.serving = Serving(lambda: self._kept(held), held.ending)
            self._held[program.name] = held

    def state(self, name: str) -> ProgramState | None:
        """None when there is no such program. Raises WorkspaceError where it could not be started at all."""
        held = self._held.get(name)
        if held is None or held.serving is None:
            return None
        return ProgramState(running=held.serving.over is None, exits=held.exits, detail=_said(held.last))

    def stop(self, name: str) -> None:
        """Stop the whole process group and forget the program; no-op when there is none."""
        with self._lock:
            self._end(name)

    def programs(self) -> tuple[str, ...]:
        """Names of all programs, sorted."""
        return tuple(sorted(self._held))

    def _end(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None and held.serving is not None:
            held.unwanted = True
            with contextlib.closing(held.ending):
                held.serving.stop()

    def _kept(self, held: _Held) -> ProcessResult:
        """Run the program until it is not wanted any more, or has ended by itself too often."""
        program = held.program
        command = Command(
            argv=program.argv,
            cwd=program.cwd,
            environment=program.environment,
            timeout_s=math.inf,
            output_limit=_KEPT,
            trusted=program.trusted,
            reads=program.reads,
            writes=program.writes,
            listens=program.listens,
        )
        with program.log.open("a", encoding="utf-8", errors="replace", buffering=1) as file:
            while True:
                done = self._run.run(command, log=lambda line: _write(file, line), ending=held.ending)
                held.last = done
                held.exits = LAUNCHES if done.ended == "missing" else held.exits + 1
                if held.unwanted or done.ended != "exited" or not program.restart or held.exits >= LAUNCHES:
                    return done


def _write(file: TextIO, line: str) -> None:
    file.write(f"{line}\n")


def _said(last: ProcessResult | None) -> str:
    if last is None:
        return ""
    if last.ended == "exited":
        return f"ended with {last.exit_code}"
    return f"{last.ended}: {last.stderr.decode('utf-8', 'replace').strip()[-500:]}"
