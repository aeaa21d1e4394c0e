"""The HTTP application: health, the embedded host (git, REST, pages) and the webhook receiver behind one address."""

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
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
from forge_dagster.server import pages, rest_checks, rest_pulls, rest_repository, webhooks
from forge_dagster.server.git import GitBackend
from forge_dagster.server.hooks import HookSocket
from forge_dagster.server.rest import BODY_LIMIT, RestApi, error_response

_LOG = logging.getLogger("forge.server")


def build_app(
    *,
    embedded: EmbeddedHost | None = None,
    ledger: Ledger | None = None,
    secrets: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    webhook_body_limit: int = 25 * 1024 * 1024,
    rest_body_limit: int = BODY_LIMIT,
    push_limit: int = PUSH_LIMIT,
    public_url: str = "",
    more_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Compose the application.

    `embedded`: the git host to serve, if any (opened with a `run`). `ledger`, `clock` and `secrets` (host name -> webhook
    secret): for `/webhooks/<host>`, which is left out without a ledger. Limits are bytes. `public_url`: how others reach this
    server; empty: the address of the socket that takes a request, which suits loopback and port 0.
    """
    routes: list[BaseRoute] = [Route("/healthz", _health, methods=["GET"]), *more_routes]
    if ledger is not None and clock is not None:
        routes += webhooks.routes(ledger=ledger, secrets=secrets or {}, body_limit=webhook_body_limit, clock=clock)
    workers: list[HookSocket | Deliverer] = []
    if embedded is not None:
        receiver = Receiver(embedded)
        sockets = HookSocket(receiver)
        workers = [sockets, Deliverer(embedded)]
        rest = RestApi(host=embedded, public_url=public_url, body_limit=rest_body_limit)
        for part in (rest_pulls, rest_checks, rest_repository):
            routes += part.routes(rest)
        backend = GitBackend(host=embedded, receiver=receiver, sockets=sockets, public_url=public_url, body_limit=push_limit)
        routes += [*backend.routes(), *pages.routes(embedded)]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if embedded is not None:
            embedded.prepare()
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            for worker in workers:
                worker.stop()

    return Starlette(
        routes=routes,
        middleware=[Middleware(RequestLog)],
        exception_handlers={404: _not_found, 405: _not_allowed},
        lifespan=lifespan,
    )


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def _not_found(_request: Request, _error: Exception) -> JSONResponse:
    return error_response(Refused("Not Found", status=404))


async def _not_allowed(_request: Request, _error: Exception) -> JSONResponse:
    return error_response(Refused("Method Not Allowed", status=405))


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
