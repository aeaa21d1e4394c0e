"""Runs one CGI program (RFC 3875) with its body streamed both ways: what git's smart HTTP needs, and nothing else uses.

The program is a process group of its own. It is asked to end (SIGTERM, so that git removes its lock files) when the client
goes away, when the body is refused half-way or when its time is over, and killed if it does not.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.errors import WorkspaceError

_CHUNK = 64 * 1024
_HEADER_LIMIT = 64 * 1024
_STDERR_KEPT = 8 * 1024
_TERMINATE_S = 5.0


@dataclass(frozen=True, slots=True)
class CgiHead:
    """Status and headers, as the program gave them before its body."""

    status: int
    headers: tuple[tuple[str, str], ...]


class CgiProcess:
    """One running CGI program. Use as `async with`: leaving it ends the program, whatever happened."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], time_limit_s: float) -> None:
        self._argv = tuple(argv)
        self._cwd = cwd
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), **environment}
        self._time_limit_s = time_limit_s
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stderr = bytearray()
        self._first: asyncio.Task[bytes] | None = None
        self.failure: Exception | None = None
        """What the body's source raised, or that its time was over: why the program was ended."""
        self.fed = asyncio.Event()
        """Set once the whole body has been handed over (or nobody wants the rest)."""

    async def __aenter__(self) -> "CgiProcess":
        return self

    async def start(self, body: AsyncIterator[bytes]) -> CgiHead:
        """Start, feed `body` in the background and wait for the headers. Raises WorkspaceError when there are none."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                cwd=self._cwd,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=_HEADER_LIMIT,
            )
        except OSError as error:
            raise WorkspaceError(f"{self._argv[0]} did not start: {error}", hint="install git") from error
        self._tasks = [
            asyncio.create_task(self._feed(self._process, body)),
            asyncio.create_task(self._listen(self._process)),
            asyncio.create_task(self._expire(self._process)),
        ]
        return await self._head(self._process)

    async def settle(self) -> None:
        """Wait until the body is through (or refused: see `failure`), or the answer's body begins."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._first = asyncio.create_task(self._process.stdout.read(_CHUNK))
        fed = asyncio.create_task(self.fed.wait())
        await asyncio.wait((self._first, fed), return_when=asyncio.FIRST_COMPLETED)
        fed.cancel()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer's body, as it comes."""
        first, self._first = self._first, None
        if first is not None and (chunk := await first):
            yield chunk
        stdout = self._process.stdout if self._process else None
        while stdout is not None and (chunk := await stdout.read(_CHUNK)):
            yield chunk

    def terminate(self) -> None:
        """Ask it to end: nobody waits for the rest."""
        if self._process is not None and self._process.returncode is None:
            _signal(self._process, signal.SIGTERM)

    @property
    def complaint(self) -> str:
        """The beginning of what the program wrote to stderr."""
        return self._stderr.decode("utf-8", "replace").strip()

    async def _head(self, process: asyncio.subprocess.Process) -> CgiHead:
        assert process.stdout is not None
        status = 200
        headers: list[tuple[str, str]] = []
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError as error:
                raise WorkspaceError(f"{self._argv[0]} sent an endless header") from error
            if not line:
                await asyncio.wait(
                    (self._tasks[1],), timeout=_TERMINATE_S
                )  # its words come by another pipe, and may be on the way
                raise WorkspaceError(f"{' '.join(self._argv[:2])} ended without an answer: {self.complaint or 'no message'}")
            text = line.decode("latin-1").strip()
            if not text:
                return CgiHead(status, tuple(headers))
            name, _, value = text.partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name.strip(), value.strip()))

    async def _feed(self, process: asyncio.subprocess.Process, body: AsyncIterator[bytes]) -> None:
        """Only what the source of the body raises is a failure; a program that stops reading has read all it wants."""
        assert process.stdin is not None
        try:
            async for chunk in body:
                if chunk and not await _hand_over(process.stdin, chunk):
                    break
        except Exception as problem:  # noqa: BLE001 - whatever it is (limit exceeded, client gone), it ends the program
            await self._give_up(process, problem)
        finally:
            self.fed.set()
            with contextlib.suppress(OSError, RuntimeError):
                process.stdin.close()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while chunk := await process.stderr.read(_CHUNK):
            self._stderr += chunk[: max(0, _STDERR_KEPT - len(self._stderr))]

    async def _expire(self, process: asyncio.subprocess.Process) -> None:
        await asyncio.sleep(self._time_limit_s)
        await self._give_up(process, TimeoutError(f"{self._argv[0]} took longer than {self._time_limit_s:.0f} s"))

    async def _give_up(self, process: asyncio.subprocess.Process, reason: Exception) -> None:
        self.failure = self.failure or reason
        self.fed.set()
        self.terminate()
        await asyncio.sleep(_TERMINATE_S)
        if process.returncode is None:
            _signal(process, signal.SIGKILL)

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        try:
            if process.stdout is not None and not process.stdout.at_eof():
                self.terminate()  # one whose output was read to the end exits by itself
            if not await self._ended(process):
                _signal(process, signal.SIGKILL)
                await self._ended(process)
        finally:
            if process.returncode is None:
                _signal(process, signal.SIGKILL)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ended(self, process: asyncio.subprocess.Process) -> bool:
        """Whether it ends within a few seconds; what it still writes is thrown away (an unread pipe would hold it up)."""
        rest = self.chunks()
        try:
            async with asyncio.timeout(_TERMINATE_S):
                async for _ in rest:
                    pass
                await asyncio.gather(process.wait(), self._tasks[1])
        except TimeoutError:
            return False
        return True


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)


async def _hand_over(stdin: asyncio.StreamWriter, chunk: bytes) -> bool:
    """Whether the program still reads. uvloop raises RuntimeError for a pipe that is closed already, asyncio an OSError."""
    try:
        stdin.write(chunk)
        await stdin.drain()
    except (OSError, RuntimeError):
        return False
    return True
