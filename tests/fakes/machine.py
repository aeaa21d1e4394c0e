"""A clock that stands still, a Run that starts nothing, and environments that hold nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, Environment, ProcessResult


class StillClock:
    """Time as told."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class IdleRun:
    """Starts no process; can be stopped, and waits accordingly."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        return ProcessResult(ended="interrupted" if self.stopped.is_set() else "missing", exit_code=None)

    def wait(self, seconds: float) -> None:
        if self.stopped.wait(seconds):
            raise Interrupted("stopped")

    def stop(self) -> None:
        self.stopped.set()


class NoEnvironments:
    """Nothing is installed."""

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        raise WorkspaceError("nothing is installed here")

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        raise WorkspaceError("nothing is installed here")

    def pinned(
        self, language: Language, requirements: tuple[str, ...], *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        raise WorkspaceError("nothing is installed here")

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        return None
