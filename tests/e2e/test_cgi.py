"""CGI programs: streamed both ways, ended with their client, their time or their body's source."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.cgi import CgiHead, CgiProcess
from tests.support.waiting import wait_until

ECHO = """
import sys
sys.stdout.write("Status: 201 Created\\r\\nContent-Type: text/plain\\r\\n\\r\\n"); sys.stdout.flush()
while chunk := sys.stdin.buffer.read1(65536):
    sys.stdout.buffer.write(chunk); sys.stdout.buffer.flush()
"""
STUBBORN = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("pid").write_text(str(os.getpid()))
print("Content-Type: text/plain\\n", flush=True)
time.sleep(600)
"""
POLITE = STUBBORN.replace("signal.SIG_IGN", "lambda *_: (pathlib.Path('asked').touch(), sys.exit(0))")


def cgi(script: str, folder: Path, *, time_limit_s: float = 60.0) -> CgiProcess:
    return CgiProcess([sys.executable, "-S", "-c", script], cwd=folder, environment={}, time_limit_s=time_limit_s)


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def refused_body(started: Path) -> AsyncIterator[bytes]:
    yield b"x"
    while not started.exists():
        await asyncio.sleep(0.01)
    raise ValueError("too large")


def alive(folder: Path) -> bool:
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_bodies_stream_both_ways(tmp_path: Path) -> None:
    async def talk() -> tuple[CgiHead, bytes]:
        async with cgi(ECHO, tmp_path) as process:
            head = await process.start(body(*[bytes([n]) * 100_000 for n in range(100)]))
            return head, b"".join([chunk async for chunk in process.chunks()])

    head, answer = asyncio.run(talk())
    assert (head.status, head.headers) == (201, (("Content-Type", "text/plain"),))
    assert answer == b"".join(bytes([n]) * 100_000 for n in range(100))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys; sys.stderr.write('no such repository'); sys.exit(1)", "no such repository"),
        ("import os; os.close(1); import asyncio, http.server; os.write(2, b'no such repository')", "no such repository"),
        ("print('x' * 1_000_000)", "endless header"),
    ],
)
def test_no_headers_no_answer(tmp_path: Path, script: str, told: str) -> None:
    async def talk() -> None:
        async with cgi(script, tmp_path) as process:
            await process.start(body())

    with pytest.raises(WorkspaceError, match=told):
        asyncio.run(talk())


def test_a_missing_program(tmp_path: Path) -> None:
    async def talk() -> None:
        async with CgiProcess(["no-such-program"], cwd=tmp_path, environment={}, time_limit_s=5) as process:
            await process.start(body())

    with pytest.raises(WorkspaceError, match="did not start"):
        asyncio.run(talk())


async def _left(process: CgiProcess, _folder: Path) -> None:
    """The client goes away."""
    async with process:
        await process.start(body())


async def _refused(process: CgiProcess, folder: Path) -> None:
    """The body is refused half-way."""
    async with process:
        await process.start(refused_body(folder / "pid"))
        async for _ in process.chunks():
            pass
    assert isinstance(process.failure, ValueError)


async def _late(process: CgiProcess, _folder: Path) -> None:
    """Its time is over."""
    async with process:
        await process.start(body())
        async for _ in process.chunks():
            pass
    assert isinstance(process.failure, TimeoutError)


@pytest.mark.parametrize("end", [_left, _refused, _late])
@pytest.mark.parametrize("script", [POLITE, STUBBORN])
def test_it_ends_with_its_reason_to_run(
    tmp_path: Path, script: str, end: Callable[[CgiProcess, Path], Coroutine[Any, Any, None]]
) -> None:
    asyncio.run(end(cgi(script, tmp_path, time_limit_s=2.0 if end is _late else 60.0), tmp_path))
    wait_until(lambda: not alive(tmp_path))
    assert (tmp_path / "asked").exists() == (script is POLITE)
