"""Commands that run beside others, such as a database under the tests, until nobody needs them any more."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from forge_dagster.ports import Command, ProcessResult

if TYPE_CHECKING:
    from forge_dagster.workspace.processes import ProcessRun

GRACE_S = 3.0
"""Seconds between asking a command to end and killing it."""


class Ending:
    """Ends a command from another thread: its group gets `signal`, and is killed `grace_s` later."""

    def __init__(self, *, by: signal.Signals = signal.SIGTERM, grace_s: float = GRACE_S) -> None:
        self.signal = by
        self.grace_s = grace_s
        self.asked, self._ask = os.pipe()
        """`asked` is a descriptor that is readable as soon as the end is wanted."""

    def ask(self) -> None:
        """Want the end."""
        with contextlib.suppress(OSError):
            os.write(self._ask, b"x")

    def close(self) -> None:
        """Free the descriptors, once the command is over."""
        for descriptor in (self.asked, self._ask):
            with contextlib.suppress(OSError):
                os.close(descriptor)


class Serving:
    """A command under way. A thread of its own waits for it, since the parent-death signal means the thread that started it."""

    def __init__(self, serve: Callable[[], ProcessResult], ending: Ending) -> None:
        self._ending = ending
        self._result: ProcessResult | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, args=(serve,), name="serving", daemon=True)
        self._thread.start()

    def _serve(self, serve: Callable[[], ProcessResult]) -> None:
        try:
            self._result = serve()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody can see it
            self._error = error

    @property
    def over(self) -> ProcessResult | None:
        """How it ended, None while it runs. Raises WorkspaceError when it could not be started for want of disk space."""
        if self._error is not None:
            raise self._error
        return self._result

    def stop(self) -> ProcessResult | None:
        """End it, wait until its whole group is gone, and say how it ended. Idempotent."""
        self._ending.ask()
        self._thread.join()
        return self._result


@contextlib.contextmanager
def serving(
    run: "ProcessRun",
    command: Command,
    *,
    log: Callable[[str], None],
    by: signal.Signals = signal.SIGTERM,
    grace_s: float = GRACE_S,
) -> Iterator[Serving]:
    """Run `command` for as long as the context; then nothing of its process tree is left. `run.stop()` ends it at once."""
    with contextlib.closing(Ending(by=by, grace_s=grace_s)) as ending:
        served = Serving(lambda: run.run(command, log=log, ending=ending), ending)
        try:
            yield served
        finally:
            served.stop()
