"""How often somebody may ask, counted in memory with the library `limits` (moving windows)."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.refusals import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Each as `limits` writes it: "<number>/<minute|hour|...>".

    An agent at work asks a few times a second at most; one page of Dagster's UI asks for about a hundred files.
    """

    token: str = "3000/minute"  # noqa: S105 - a rate
    """Requests of one token, whatever sessions it opened. Forge's own is not counted: it must not wait for itself."""
    anonymous: str = "3000/minute"
    """Requests without a token, of one address: webhooks, pages of the login, and git, which always asks once without."""
    wrong: str = "30/minute"
    """Requests with a token that is not valid, of one address."""
    login: str = "10/minute"
    """Attempts to log in with a browser, of one address; none is looked at above it."""


class TooMany(Refused):
    """More requests than a rate allows (429)."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many requests: wait {math.ceil(retry_after_s)} s", status=429)
        self.retry_after_s = retry_after_s


class Limiter:
    """Counts requests. One per server: what is counted is not shared between servers and not kept over a restart."""

    def __init__(self, rates: Rates) -> None:
        self._counts = MovingWindowRateLimiter(MemoryStorage())
        self._token, self._anonymous = parse(rates.token), parse(rates.anonymous)
        self._wrong, self._login = parse(rates.wrong), parse(rates.login)

    def known(self, login: Login) -> None:
        """A request with a valid token. Raises TooMany, as the others do."""
        if login.kind != "forge":
            self._count(self._token, "token", str(login.token))

    def anonymous(self, address: str) -> None:
        """A request without one."""
        self._count(self._anonymous, "anonymous", address)

    def wrong(self, address: str) -> None:
        """A request with a token that is not valid."""
        self._count(self._wrong, "wrong", address)

    def login(self, address: str) -> None:
        """An attempt to log in."""
        self._count(self._login, "login", address)

    def _count(self, rate: RateLimitItem, *key: str) -> None:
        if not self._counts.hit(rate, *key):
            raise TooMany(max(1.0, self._counts.get_window_stats(rate, *key).reset_time - time.time()))
