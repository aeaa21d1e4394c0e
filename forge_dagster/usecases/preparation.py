"""The time that a gate waits for environments, which is none of its own: it has a limit of its own, and is paid once."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Clock, Environment, Environments


class Preparation:
    """Environments (ports) that know how long they were waited for; several threads at once count once."""

    def __init__(self, inner: Environments, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds waited until now."""
        with self._lock:
            return self._seconds + (self._clock.monotonic() - self._since if self._waiting else 0.0)

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        """As Environments.of."""
        with self._counted():
            return self._inner.of(language, root=root, project=project, log=log)

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        """As Environments.toolbox."""
        with self._counted():
            return self._inner.toolbox(language, package, log=log, root=root)

    def pinned(
        self, language: Language, requirements: tuple[str, ...], *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        """As Environments.pinned."""
        with self._counted():
            return self._inner.pinned(language, requirements, log=log, root=root)

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        """As Environments.digest."""
        return self._inner.digest(language, root=root, project=project)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            if not self._waiting:
                self._since = self._clock.monotonic()
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting:
                    self._seconds += self._clock.monotonic() - self._since
