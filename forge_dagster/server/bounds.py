"""Bounds of every request: the length of its address, how many headers it has, how slowly its body may come."""

import asyncio
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forge_dagster.hosts.embedded.refusals import Refused
from forge_dagster.server.rest import error_response

URL_LIMIT = 8_000
"""Bytes of path and query (RFC 9110, 4.1: support at least 8000)."""
HEADERS_LIMIT = 100
HEAD_LIMIT = 32 * 1024
"""Bytes of all headers together."""
PATIENCE_S = 30.0
"""Seconds that a client may keep the server waiting for a body in all, before its speed counts."""
SLOWEST = 1_024
"""Bytes a second that keep a body going on."""


class Bounds:
    """ASGI middleware: 414, 431 and 408 (RFC 9110, RFC 6585). How large a body may be is for each route to say."""

    def __init__(self, app: ASGIApp, *, patience_s: float = PATIENCE_S) -> None:
        self._app = app
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"]) > URL_LIMIT:
            await error_response(Refused(f"an address may have {URL_LIMIT} bytes", status=414))(scope, receive, send)
            return
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if len(scope["headers"]) > HEADERS_LIMIT or size > HEAD_LIMIT:
            said = f"a request may have {HEADERS_LIMIT} headers with {HEAD_LIMIT} bytes"
            await error_response(Refused(said, status=431))(scope, receive, send)
            return
        await self._timed(scope, receive, send)

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, begun = _Body(receive, self._patience_s), False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, body.receive, noted)
        except ClientDisconnect:
            if body.too_slow and not begun:
                await error_response(Refused("the body came too slowly", status=408))(scope, receive, send)
            # Otherwise the client has gone, and there is nobody to tell.


class _Body:
    """Reads on until the client has kept it waiting for too long; then it is as if the client had gone."""

    def __init__(self, receive: Receive, patience_s: float) -> None:
        self._receive = receive
        self._left_s = patience_s
        self._whole = False
        self.too_slow = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        begun = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._left_s, 0.001))
        except TimeoutError:
            self.too_slow = self._whole = True
            return {"type": "http.disconnect"}
        self._left_s += len(message.get("body", b"")) / SLOWEST - (time.monotonic() - begun)
        self._whole = not message.get("more_body", False)
        return message
