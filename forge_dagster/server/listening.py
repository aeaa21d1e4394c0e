"""How the application is put on a socket: uvicorn with h11, whose requests have a bounded head, and a deadline for it."""

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from forge_dagster.server.bounds import HEAD_LIMIT, URL_LIMIT

HEAD_S = 15.0
"""Seconds for them to be there, from the connection's start or the last answer's end. uvicorn itself waits for ever."""
CONNECTIONS = 500
"""At a time; beyond it a request is answered 503."""
FRAME_LIMIT = 4 * 1024 * 1024
"""Bytes of one WebSocket message."""


class PromptProtocol(H11Protocol):
    """Closes a connection whose next request takes too long to be asked."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Something has come."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """From here on it is another protocol's connection."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """An answer is through."""
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def server_of(app: ASGIApp, *, port: int) -> uvicorn.Server:
    """A server of `app` on this port of loopback (0: any). Nobody's X-Forwarded-For is believed."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            http=PromptProtocol,
            ws="websockets-sansio",
            ws_max_size=FRAME_LIMIT,
            h11_max_incomplete_event_size=HEAD_LIMIT + URL_LIMIT,
            limit_concurrency=CONNECTIONS,
            proxy_headers=False,
            server_header=False,
            log_level="warning",
            log_config=None,  # its own would add handlers that know of no secrets
            access_log=False,
            timeout_graceful_shutdown=10,
        )
    )
