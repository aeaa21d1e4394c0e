"""Dagster's UI behind the login: what operators ask below `/dagster` is passed on to the web server's Unix socket.

Dagster has no accounts, and whoever reaches it can launch and end runs; so nobody but operators is let through, and nothing of
the caller's credentials is passed on.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Coroutine
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from urllib.parse import unquote

import httpx
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from forge_dagster.hosts.embedded.refusals import Refused, not_found
from forge_dagster.server.access import body_of, caller_of
from forge_dagster.server.headers import PAGE_POLICY

_LOG = logging.getLogger("forge.server.dagster")
PREFIX = "/dagster"
BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a question to Dagster; a large launch configuration has some thousand."""
MESSAGE_LIMIT = 32 * 1024 * 1024
"""Bytes of one message of a subscription: a page of a run's events."""
SUBSCRIPTION_S = 300.0
"""Seconds a subscription lasts. Dagster's page opens another one, for which the session must still be there."""
_TIMEOUT = httpx.Timeout(120.0, connect=30.0)
"""Seconds; a busy machine may take its time to connect. Dagster's own limit on a statement of its database is 15 s."""

_ASKED = ("accept", "accept-encoding", "accept-language", "content-type", "if-modified-since", "if-none-match", "range")
"""Headers of a request that are passed on; cookies and tokens are not among them."""
_ANSWERED = (
    "accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-length", "content-range",
    "content-security-policy", "content-type", "etag", "last-modified", "location", "vary",
)  # fmt: skip
"""Headers of an answer that are passed on; a cookie of Dagster's would be one for all of Forge."""
_SCRIPTS = ("text/javascript", "application/javascript")
_GRAPHQL = "graphql-ws"
GRAPHQL_METHODS = ("POST",)
"""Dagster takes a question, mutations too, from a link as well."""
NO_POLICY = f"{PAGE_POLICY}; sandbox"
"""For what Dagster serves without a policy, such as a log that a change's code wrote: it may do nothing at all."""


class DagsterProxy:
    """Passes requests on to a web server that was started with `--path-prefix /dagster` on `socket`."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._client: httpx.AsyncClient | None = None

    def routes(self) -> list[BaseRoute]:
        """Everything below `/dagster`."""
        return [
            WebSocketRoute(f"{PREFIX}/graphql", self._subscribe),
            *(Route(path, self._pass_on, methods=["GET", "POST"]) for path in (PREFIX, f"{PREFIX}/{{path:path}}")),
        ]

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keeps connections for as long as the server runs."""
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket), retries=2)
        none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # a client that keeps cookies would send them for others
        async with httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, cookies=none) as self._client:
            yield

    async def _pass_on(self, request: Request) -> Response:
        caller_of(request).only("operator")
        target = target_of(request)
        if request.method not in GRAPHQL_METHODS and request.scope["path"] == f"{PREFIX}/graphql":
            raise Refused("GraphQL is asked by POST: a link must not be able to change anything", status=405)
        body = await body_of(request, BODY_LIMIT) if request.method == "POST" else b""
        assert self._client is not None
        headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
        asked = self._client.build_request(request.method, target, headers=headers, content=body)
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError as problem:
            _LOG.warning("Dagster does not answer: %r", problem)
            raise Refused("Dagster's web server does not answer: see forge status", status=502) from problem
        return _Passing(answer)

    async def _subscribe(self, socket: WebSocket) -> None:
        """Both directions until one side ends. Who is no operator is turned away before it begins (403)."""
        try:
            caller_of(socket).only("operator")
            target = f"ws://dagster{target_of(socket).raw_path.decode('ascii')}"
            protocols = [Subprotocol(_GRAPHQL)] if _GRAPHQL in socket.scope.get("subprotocols", ()) else None
            connecting = unix_connect(
                str(self._socket), target, subprotocols=protocols, max_size=MESSAGE_LIMIT, user_agent_header=None, proxy=None
            )
            async with connecting as dagster:
                await socket.accept(subprotocol=dagster.subprotocol)
                await _first_of(_to_dagster(socket, dagster), _to_browser(dagster, socket))
        except (OSError, WebSocketException, Refused) as problem:
            _LOG.warning("a subscription to Dagster ended: %s", type(problem).__name__)
        except WebSocketDisconnect:
            return  # pages come and go faster than their subscriptions begin
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the browser has closed it already
            await socket.close()


async def _first_of(*directions: Coroutine[None, None, None]) -> None:
    """Run all until one ends, for SUBSCRIPTION_S at most."""
    tasks = [asyncio.create_task(one) for one in directions]
    try:
        await asyncio.wait(tasks, timeout=SUBSCRIPTION_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_dagster(socket: WebSocket, dagster: ClientConnection) -> None:
    async for text in socket.iter_text():
        await dagster.send(text)


async def _to_browser(dagster: ClientConnection, socket: WebSocket) -> None:
    async for message in dagster:
        await socket.send_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))


class _Passing(StreamingResponse):
    """Dagster's answer as it comes, in its own encoding."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.aiter_raw(), answer.status_code)
        self._answer = answer
        kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() in _ANSWERED]
        if answer.headers.get("content-type", "").partition(";")[0] not in _SCRIPTS:
            # Dagster's page has its own policy, and is not to be framed either. A script's policy would bind it as a worker.
            own = answer.headers.get("content-security-policy")
            kept.append(("content-security-policy", "frame-ancestors 'none'" if own else NO_POLICY))
        if "cache-control" not in answer.headers:
            kept.append(("cache-control", "private, no-cache"))  # its files are large and have an ETag
        self.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in kept]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._answer.aclose()


_SEGMENT = re.compile(r"(?!\.{1,2}$)[^\x00-\x1f\x7f\\]*")


def target_of(connection: HTTPConnection) -> httpx.URL:
    """The same path and query at Dagster's. Raises Refused (404) for a path that a server could read as another one.

    Decoded twice, since what is decoded once here may be decoded once more there.
    """
    raw: bytes = connection.scope.get("raw_path") or connection.scope["path"].encode()
    path = raw.decode("ascii", "replace")
    for text in (path, unquote(path), unquote(unquote(path))):
        if not (text == PREFIX or text.startswith(f"{PREFIX}/")) or not all(_SEGMENT.fullmatch(one) for one in text.split("/")):
            raise not_found()
    query: bytes = connection.scope["query_string"]
    return httpx.URL("http://dagster").copy_with(raw_path=raw + (b"?" + query if query else b""))
