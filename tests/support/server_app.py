"""The composed application in this process, with a token of each scope and Dagster's socket where a test wants one."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from forge_dagster.hosts.embedded import EmbeddedHost
from forge_dagster.hosts.embedded.rules import Kind
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.server.app import build_app
from forge_dagster.workspace.processes import SystemClock
from tests.support.waiting import wait_until

ORIGIN = "http://127.0.0.1"
WEBHOOK_SECRET = "hush"
LOGINS: Mapping[str, Kind] = {"forge": "forge", "olga": "operator", "forge/builder-01": "agent", "reader": "read"}


@dataclass(frozen=True, kw_only=True)
class ServerApp:
    """The application, its state, and clients that behave as browsers and programs do."""

    app: Starlette
    host: EmbeddedHost
    ledger: SqlLedger
    tokens: Mapping[str, str]

    def client(self, login: str | None = None, **options: Any) -> TestClient:
        """A program with the token of `login`, or with none."""
        headers = {"Authorization": f"Bearer {self.tokens[login]}"} if login else {}
        return TestClient(self.app, base_url=ORIGIN, headers=headers, follow_redirects=False, **options)

    def browser(self, login: str | None = "olga", **options: Any) -> TestClient:
        """A browser: logged in, unless `login` is None."""
        made = TestClient(
            self.app, base_url=ORIGIN, headers={"Accept": "text/html", "Origin": ORIGIN}, follow_redirects=False, **options
        )
        if login:
            answer = made.post("/login", data={"token": self.tokens[login]})
            assert answer.status_code == 303, answer.text
        return made


@contextmanager
def server_app(folder: Path, *, dagster_socket: Path | None = None, **options: Any) -> Iterator[ServerApp]:
    """An application on an empty home. `options` go to build_app."""
    folder.mkdir(parents=True, exist_ok=True)
    host, ledger = EmbeddedHost(folder), SqlLedger(f"sqlite:///{folder}/ledger.db")
    host.create_repository("acme/shop")
    tokens = {login: host.accounts.create_token(login, kind) for login, kind in LOGINS.items()}
    app = build_app(
        host,
        ledger=ledger,
        secrets={"embedded": WEBHOOK_SECRET},
        clock=SystemClock(),
        dagster_socket=dagster_socket or folder / "none.sock",
        **options,
    )
    try:
        yield ServerApp(app=app, host=host, ledger=ledger, tokens=tokens)
    finally:
        ledger.close()
        host.close()


def csrf_of(browser: TestClient) -> str:
    """What the forms of the browser's pages carry."""
    return str(browser.get("/").text.partition('name="csrf" value="')[2].partition('"')[0])


# --- a stand-in for Dagster's web server: it says what reached it


async def _seen(request: Request) -> JSONResponse:
    body = (await request.body()).decode()
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": request.url.query,
            "headers": dict(request.headers),
            "body": body,
        },
        headers={"Set-Cookie": "forge-session=planted", "X-Inner": "1"},
    )


async def _log(_request: Request) -> Response:
    return HTMLResponse("<script>steal()</script>")


async def _page(_request: Request) -> Response:
    return HTMLResponse("<p>Dagster</p>", headers={"Content-Security-Policy": "script-src 'nonce-1'"})


async def _script(_request: Request) -> Response:
    return Response("1", media_type="text/javascript")


async def _outside(_request: Request) -> Response:
    return PlainTextResponse("not below the prefix")


async def _echo(socket: WebSocket) -> None:
    await socket.accept(subprotocol="graphql-ws")
    await socket.send_json(dict(socket.headers))
    async for text in socket.iter_text():
        await socket.send_text(f"echo {text}")


@contextmanager
def dagster_stand_in(socket: Path) -> Iterator[Path]:
    """Listens on `socket` until the end."""
    inner = [
        WebSocketRoute("/graphql", _echo),
        Route("/graphql", _seen, methods=["POST", "GET"]),
        Route("/logs/{path:path}", _log),
        Route("/app.js", _script),
        Route("/", _page),
        Route("/{path:path}", _seen, methods=["GET", "POST"]),
    ]
    app = Starlette(routes=[Mount("/dagster", routes=inner), Route("/{path:path}", _outside)])
    server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), timeout_s=60)
        yield socket
    finally:
        server.should_exit = True
        thread.join(timeout=30)
