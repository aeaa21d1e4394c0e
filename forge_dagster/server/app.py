"""The HTTP application: health, login, the embedded host (git, REST, pages), webhooks and Dagster's UI behind one address."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forge_dagster.hosts.embedded import EmbeddedHost
from forge_dagster.hosts.embedded.delivery import Deliverer
from forge_dagster.hosts.embedded.host import PUSH_LIMIT
from forge_dagster.hosts.embedded.receive import Receiver
from forge_dagster.hosts.embedded.refusals import Refused
from forge_dagster.ports import Clock, Ledger
from forge_dagster.server import rest_checks, rest_pulls, rest_repository, webhooks
from forge_dagster.server.bounds import Bounds
from forge_dagster.server.dagster import DagsterProxy
from forge_dagster.server.git import GitBackend
from forge_dagster.server.guard import Guard
from forge_dagster.server.headers import SecurityHeaders
from forge_dagster.server.hooks import HookSocket
from forge_dagster.server.login import LoginPages
from forge_dagster.server.pages import Pages
from forge_dagster.server.rates import Limiter, Rates
from forge_dagster.server.rest import BODY_LIMIT, RestApi, error_response

_LOG = logging.getLogger("forge.server")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Hosts that requests from this machine name."""


def build_app(
    host: EmbeddedHost,
    *,
    serves_repositories: bool = True,
    ledger: Ledger | None = None,
    secrets: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    dagster_socket: Path | None = None,
    webhook_body_limit: int = 25 * 1024 * 1024,
    rest_body_limit: int = BODY_LIMIT,
    push_limit: int = PUSH_LIMIT,
    public_url: str = "",
    rates: Rates | None = None,
) -> Starlette:
    """Compose the application.

    `host`: accounts, and the git host to serve (opened with a `run`) unless `serves_repositories` is off. `ledger`, `clock`
    and `secrets` (host name -> webhook secret): for `/webhooks/<host>`, which is left out without a ledger. `dagster_socket`:
    where Dagster's web server listens, for `/dagster`. Limits are bytes. `public_url`: how others reach this server; empty:
    the address of the socket that takes a request, which suits loopback and port 0.
    """
    limiter = Limiter(rates or Rates())
    routes: list[BaseRoute] = [Route("/healthz", _health, methods=["GET"])]
    routes += LoginPages(sessions=host.sessions, limiter=limiter, public_url=public_url).routes()
    if ledger is not None and clock is not None:
        routes += webhooks.routes(ledger=ledger, secrets=secrets or {}, body_limit=webhook_body_limit, clock=clock)
    dagster = None if dagster_socket is None else DagsterProxy(dagster_socket)
    routes += dagster.routes() if dagster else []
    workers: list[HookSocket | Deliverer] = []
    if serves_repositories:
        receiver = Receiver(host)
        sockets = HookSocket(receiver)
        workers = [sockets, Deliverer(host)]
        rest = RestApi(host=host, public_url=public_url, body_limit=rest_body_limit)
        for part in (rest_pulls, rest_checks, rest_repository):
            routes += part.routes(rest)
        backend = GitBackend(host=host, receiver=receiver, sockets=sockets, public_url=public_url, body_limit=push_limit)
        routes += backend.routes()
    routes += Pages(host, public_url=public_url).routes()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if serves_repositories:
            host.prepare()
        async with AsyncExitStack() as stack:
            if dagster is not None:
                await stack.enter_async_context(dagster.connected())
            for worker in workers:
                worker.start()
                stack.callback(worker.stop)
            yield

    return Starlette(
        routes=routes,
        middleware=_middleware(host, limiter, public_url),
        exception_handlers={404: _not_found, 405: _not_allowed, Refused: _refused},
        lifespan=lifespan,
    )


def _middleware(host: EmbeddedHost, limiter: Limiter, public_url: str) -> list[Middleware]:
    """From the outside to the inside. The Host header must be ours: else a site whose name an attacker lets point to this
    machine would be, to the browser, the same origin as this server (DNS rebinding)."""
    named = urlsplit(public_url).hostname if public_url else None
    return [
        Middleware(RequestLog),
        Middleware(SecurityHeaders, https=public_url.startswith("https://")),
        Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *([named] if named else [])], www_redirect=False),
        Middleware(Bounds),
        Middleware(Guard, accounts=host.accounts, sessions=host.sessions, limiter=limiter, public_url=public_url),
    ]


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def _not_found(_request: Request, _error: Exception) -> JSONResponse:
    return error_response(Refused("Not Found", status=404))


async def _not_allowed(_request: Request, _error: Exception) -> JSONResponse:
    return error_response(Refused("Method Not Allowed", status=405))


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return error_response(error)


class RequestLog:
    """One line per request: who, what, how long. Never headers or query strings, where tokens might be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            took = (time.perf_counter() - started) * 1000
            login = scope.get("state", {}).get("login", "-")
            path = scope["path"].encode("unicode_escape").decode("ascii")[:300]
            _LOG.info("%s %s %s %d %.0f ms", login, scope["method"], path, status, took)
