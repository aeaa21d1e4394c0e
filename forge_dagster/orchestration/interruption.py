"""What to stop when a run is cancelled: steps in threads get no signal, so they leave word of how to end their tools."""

import contextlib
import threading
from collections.abc import Callable, Iterator

_lock = threading.Lock()
_stops: dict[str, list[Callable[[], None]]] = {}
_interrupted: set[str] = set()


@contextlib.contextmanager
def stopping_with(run_id: str, stop: Callable[[], None]) -> Iterator[None]:
    """While inside, `stop` is called when the run is interrupted; at once if it has been.

    An exception that leaves the block also calls it: on the stock executors the interrupt is raised in the step itself.
    """
    with _lock:
        _stops.setdefault(run_id, []).append(stop)
        interrupted = run_id in _interrupted
    try:
        if interrupted:
            stop()
        yield
    except BaseException:
        stop()
        raise
    finally:
        with _lock:
            _stops[run_id].remove(stop)
            if not _stops[run_id]:
                del _stops[run_id]


def interrupt(run_id: str) -> None:
    """Stop what every step of the run has under way in this process, and what any step starts from now on."""
    with _lock:
        _interrupted.add(run_id)
        stops = list(_stops.get(run_id, ()))
    for stop in stops:
        stop()


def forget(run_id: str) -> None:
    """The run is over in this process."""
    with _lock:
        _interrupted.discard(run_id)
