"""Hold something exclusively, across processes and machines, for as long as this process lives."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from forge_dagster.errors import ForgeError
from forge_dagster.ports import Ledger, Run, Services

TTL_S = 10.0
"""A lease that is not renewed ends after this time: so long a killed worker's successor waits at most."""

POLL_S = 0.5


@contextlib.contextmanager
def held(services: Services, name: str, *, owner: str, run: Run, log: Callable[[str], None]) -> Iterator[None]:
    """Wait for the lease `name`, keep renewing it from a thread, and give it back. Raises Interrupted while waiting."""
    told = False
    while not services.ledger.lock(name, owner=owner, ttl_s=TTL_S, at=services.clock.now()):
        if not told:
            log(f"waiting for {name}: another run holds it")
            told = True
        run.wait(POLL_S)
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(services, name, owner, ended), name=f"lease {name}", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join(TTL_S)
        _give_back(services.ledger, name, owner)


def _renew(services: Services, name: str, owner: str, ended: threading.Event) -> None:
    while not ended.wait(TTL_S / 3):
        with contextlib.suppress(ForgeError):  # the database may be busy for a moment; there are two more chances
            services.ledger.lock(name, owner=owner, ttl_s=TTL_S, at=services.clock.now())


def _give_back(ledger: Ledger, name: str, owner: str) -> None:
    with contextlib.suppress(ForgeError):  # it ends by itself
        ledger.unlock(name, owner=owner)
