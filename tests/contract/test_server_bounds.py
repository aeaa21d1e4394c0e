"""Bounds of a request on a real socket: its head, its address, and how long it may take."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from forge_dagster.server import listening
from forge_dagster.server.bounds import HEAD_LIMIT, HEADERS_LIMIT, URL_LIMIT, Bounds
from tests.support.serving import serving


async def _length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def _bounded(*, patience_s: float) -> Starlette:
    routes = [Route("/{path:path}", _length, methods=["GET", "POST"])]
    return Starlette(routes=routes, middleware=[Middleware(Bounds, patience_s=patience_s)])


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with serving(_bounded(patience_s=30)) as url:
        parts = urlsplit(url)
        yield parts.hostname or "", parts.port or 0


def ask(address: tuple[str, int], *lines: str) -> str:
    """The status line that raw lines are answered with."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall("\r\n".join((*lines, "Host: 127.0.0.1", "Connection: close", "", "")).encode())
        return connection.makefile("r", encoding="latin-1").readline().strip()


def test_a_plain_request_is_answered(address: tuple[str, int]) -> None:
    assert ask(address, "GET /x HTTP/1.1") == "HTTP/1.1 200 OK"


def test_a_long_address_is_refused(address: tuple[str, int]) -> None:
    assert ask(address, f"GET /{'x' * (URL_LIMIT - 1)} HTTP/1.1").split()[1] == "200"
    assert ask(address, f"GET /{'x' * URL_LIMIT} HTTP/1.1").split()[1] == "414"
    assert ask(address, f"GET /?{'x' * URL_LIMIT} HTTP/1.1").split()[1] == "414"


def test_many_headers_are_refused(address: tuple[str, int]) -> None:
    assert ask(address, "GET / HTTP/1.1", *(f"X-{n}: x" for n in range(HEADERS_LIMIT))).split()[1] == "431"


def test_a_large_head_is_refused(address: tuple[str, int]) -> None:
    for size in (HEAD_LIMIT, 10 * HEAD_LIMIT):
        assert ask(address, "GET / HTTP/1.1", f"X: {'x' * size}").split()[1] in ("400", "431"), "400: not even read to its end"


def test_who_does_not_finish_asking_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEAD_S", 0.2)
    with serving(Starlette(routes=[Route("/", _length)])) as url:
        parts = urlsplit(url)
        for begun in (b"", b"GET / HTTP/1.1\r\nHost: "):
            with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
                connection.sendall(begun)
                assert connection.recv(100) == b"", "closed by the server"


def test_a_body_that_comes_too_slowly_is_given_up() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            await asyncio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = _bounded(patience_s=0.05)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 20))
    assert sent[0]["status"] == 408


def test_a_body_that_keeps_coming_is_read_however_long_it_takes() -> None:
    """Each piece buys as many seconds as it is long, so that a large push over a slow line is not cut off."""
    pieces, sent = [b"x" * 1_000_000] * 3, []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        piece = pieces.pop()
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    app = _bounded(patience_s=10)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 20))
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b"3000000"
