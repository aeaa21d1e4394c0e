"""Generates a steady load and counts what becomes of every request: for tests and for the demonstration."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ANSWER_LIMIT_S = 40.0


@dataclass(slots=True, kw_only=True)
class LoadCount:
    """What became of the requests. `lost`: no whole answer came (refused, reset, cut off, too late)."""

    sent: int = 0
    ok: int = 0
    client_errors: int = 0
    server_errors: int = 0
    lost: int = 0
    losses: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    """First 80 characters of the answers, up to 50 different ones: which release answered."""

    @property
    def resolved(self) -> int:
        """Requests of which the end is known."""
        return self.ok + self.client_errors + self.server_errors + self.lost


class Load:
    """An open load of `rate` GET requests a second on `url` over kept-alive connections, from a thread of its own."""

    def __init__(self, url: str, rate: float) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: forge-load\r\n\r\n".encode()
        self._interval = 1.0 / rate
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="load", daemon=True)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.count = LoadCount()

    def start(self) -> "Load":
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> LoadCount:
        """Send no more, wait for every answer that is due, and give the count."""
        self._stopping.set()
        self._thread.join(ANSWER_LIMIT_S + 10)
        return self.count

    def __enter__(self) -> "Load":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    async def _main(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._stopping.is_set():
            due += self._interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() - due > 1.0:
                due = time.monotonic()  # this machine was too slow: skip, rather than send in a burst
            self.count.sent += 1
            task = asyncio.create_task(self._one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=ANSWER_LIMIT_S)
        for _, writer in self._idle:
            writer.close()

    async def _one(self) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                if self._idle:
                    reader, writer = self._idle.pop()
                else:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(self._request)
                status, body, keep = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError) as error:
            self.count.lost += 1
            self.count.losses[type(error).__name__] += 1
            if writer is not None:
                writer.close()
            return
        if keep:
            self._idle.append((reader, writer))
        else:
            writer.close()
        self._counted(status, body)

    def _counted(self, status: int, body: bytes) -> None:
        text = body[:80].decode("utf-8", "replace")
        if text in self.count.bodies or len(self.count.bodies) < 50:
            self.count.bodies[text] += 1
        if status >= 500:
            self.count.server_errors += 1
        elif status >= 400:
            self.count.client_errors += 1
        else:
            self.count.ok += 1


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """One whole HTTP/1.1 answer: status, body, whether the connection may be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")
    status = int(lines[0].split(" ", 2)[1])
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    keep = headers.get("connection", "").lower() != "close"
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return status, body, keep
    if "content-length" in headers:
        return status, await reader.readexactly(int(headers["content-length"])), keep
    if status in (204, 304):
        return status, b"", keep
    with contextlib.suppress(asyncio.IncompleteReadError):
        return status, await reader.read(), False
    return status, b"", False
