"""Where a step's lines go so that the Dagster UI shows them under that step."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import IO, cast

from forge_dagster.orchestration.dagster_internals import ComputeIOType, ComputeLogManager

LIMIT = 8 * 1024 * 1024
"""Characters kept of one step's log: what a runaway tool prints beyond it is cut, and the log says so."""

_current: ContextVar[Callable[[str], None] | None] = ContextVar("step_log", default=None)


def writer() -> Callable[[str], None]:
    """How the step running here writes a line of its log.

    In the thread executor each step has a stream of its own; the stock executors capture the process's own stderr.
    The callable may be handed to other threads.
    """
    return _current.get() or _to_stderr


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def captured(logs: ComputeLogManager, key: Sequence[str]) -> Iterator[None]:
    """Inside, `writer` writes to the log called `key`; afterwards the UI shows it as complete.

    The lines go to the stderr stream, since that is the one the UI opens from a step's events.
    """
    with logs.open_log_stream(key, ComputeIOType.STDERR) as stream:
        token = _current.set(_to_stderr if stream is None else _bounded(cast(IO[str], stream)))
        try:
            yield
        finally:
            _current.reset(token)
    _mark_complete(logs, key)


def _bounded(stream: IO[str]) -> Callable[[str], None]:
    lock = threading.Lock()
    left = LIMIT

    def write(line: str) -> None:
        nonlocal left
        with lock:
            if left <= 0 or stream.closed:
                return
            left -= len(line) + 1
            stream.write(f"{line}\n" if left > 0 else "[output goes on; the log is cut here]\n")
            stream.flush()

    return write


def _mark_complete(logs: ComputeLogManager, key: Sequence[str]) -> None:
    """Local logs are complete once a marker file is there; stores in the cloud know it by the upload that closing made."""
    marker = getattr(logs, "complete_artifact_path", None)
    if marker is not None:
        path = Path(os.fspath(marker(key)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
