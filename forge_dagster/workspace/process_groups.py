"""Process groups: what is known of each while it lives, and how it is attended to until it has ended."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.ports import Command, Ended, ProcessResult
from forge_dagster.workspace.reaping import kill_group, kill_marked
from forge_dagster.workspace.serving import Ending
from forge_dagster.workspace.streams import DRAIN_S, Streams

_POLL_S = 1.0
"""Longest time until a run notices that the main thread is gone."""
_NO_PIDFD_POLL_S = 0.01
_UNKILLABLE_S = 5.0
"""A process in uninterruptible sleep does not die when killed; after this it is left to the system."""
_LONG_S = 60.0
"""From this on a command may have seen pids wrap around, so its daemons are looked for among all processes."""


@dataclass(slots=True)
class Group:
    """A live process group: its number is its leader's pid, reserved until the leader is waited for."""

    process: "subprocess.Popen[bytes]"
    mark: str
    started: float
    record: Path | None = None


@dataclass(slots=True)
class State:
    """What outlives a ProcessRun long enough to be cleaned up. Lock-free, for signal handlers: single dict operations."""

    run_id: str
    records: Path | None
    owner: str
    stopped: bool = False
    stop_pipe: tuple[int, int] = field(default_factory=os.pipe)
    groups: dict[int, Group] = field(default_factory=dict)
    directory: Path | None = None

    def kill_all(self) -> None:
        """Kill every group, and let what waits for one know. May be called from a signal handler."""
        self.stopped = True
        with contextlib.suppress(OSError):
            os.write(self.stop_pipe[1], b"x")
        for group in list(self.groups.values()):
            kill_group(group.process.pid)

    def close(self) -> None:
        """Kill what is left, and remove the private folder with its record."""
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


def attend(group: Group, streams: Streams, command: Command, state: State, ending: Ending | None) -> ProcessResult:
    """Feed and read the process until it exits, its time is over or the run is stopped; then end the group and drain."""
    started = group.started
    ended = _serve(group.process.pid, streams, state, deadline=started + command.timeout_s, ending=ending)
    streams.drain(0.0)
    kill(group)
    streams.drain(DRAIN_S)
    exit_code = end(group, state)
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


def _serve(pid: int, streams: Streams, state: State, *, deadline: float, ending: Ending | None) -> Ended:
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


def kill(group: Group) -> None:
    """Kill the group and the daemons that left it. The leader is not waited for yet, so its number cannot be another's."""
    kill_group(group.process.pid)
    recent = time.monotonic() - group.started < _LONG_S
    kill_marked(lambda mark: mark == group.mark, since=group.process.pid if recent else None)


def end(group: Group, state: State) -> int | None:
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
