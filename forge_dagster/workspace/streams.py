"""The pipes of a process, read without blocking, with bounded memory."""

import contextlib
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable

from forge_dagster.domain.redaction import NOTHING_KNOWN, Redaction, open_key
from forge_dagster.ports import Command

DRAIN_S = 1.0
"""How long pipes may stay open after the group was killed (a process that left the group may hold them)."""
_READ = 1 << 16
_LINE_LIMIT = 8192


class Collected:
    """Output of one stream: the first and the last half of the limit are kept, what is between them is counted.

    No secret that `redaction` knows is in what is logged, however the writes fall. What is kept is as it was written, since
    git's answers say how long they are; only where it is cut, secrets are blanked and no part of one is left.
    """

    def __init__(self, limit: int, log: Callable[[str], None] | None, redaction: Redaction = NOTHING_KNOWN) -> None:
        self._half = max(limit // 2, 1)
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_size = self._tail_size = self.cut = 0
        self._log = log
        self._line = b""
        self._logged = 0
        self._limit = limit
        self._redaction = redaction

    def add(self, data: bytes) -> None:
        if self._log is not None:
            self._write_log(data)
        room = self._half - self._head_size
        if room > 0:
            self._head.append(data[:room])
            self._head_size += min(room, len(data))
            data = data[room:]
        if data:
            self._tail.append(data)
            self._tail_size += len(data)
            while self._tail_size - len(self._tail[0]) >= self._half:
                dropped = len(self._tail.popleft())
                self._tail_size -= dropped
                self.cut += dropped

    def _write_log(self, data: bytes) -> None:
        if self._logged > self._limit:
            return
        self._logged += len(data)
        ready, self._line = self._whole(self._line + data)
        self._say(ready)
        if self._logged > self._limit:
            self._say(b"[output goes on; the log is cut here]\n")
            self._line = b""

    def _whole(self, data: bytes) -> tuple[bytes, bytes]:
        """What can be logged now, and what has to wait: the rest of the line, of a known secret, or of a key."""
        end = data.rfind(b"\n") + 1
        known = self._redaction.longest
        if len(data) - end > _LINE_LIMIT + known:  # the line goes on for ever
            data = self._redaction.data(data)
            end = len(data) - known
        key = open_key(data[:end])
        if key is not None:
            end = key
        return data[:end], data[end:]

    def _say(self, lines: bytes) -> None:
        assert self._log is not None
        if not lines:
            return
        clean = self._redaction.text(lines.removesuffix(b"\n").decode("utf-8", "replace"))
        for line in clean.split("\n"):
            self._log(line[:_LINE_LIMIT].rstrip("\r"))

    def finish(self) -> bytes:
        if self._log is not None and self._line:
            self._say(self._line)
            self._line = b""
        tail = b"".join(self._tail)
        if self._tail_size > self._half:
            self.cut += len(tail) - self._half
            tail = tail[-self._half :]
        head = b"".join(self._head)
        if not self.cut:
            return head + tail
        head, tail = self._redaction.data(head), self._redaction.data(tail)
        part = max(self._redaction.longest - 1, 0)  # of a secret that the cut goes through
        return b"".join((head[: len(head) - part], b"\n[... %d bytes cut ...]\n" % self.cut, tail[part:]))


class Streams:
    """The three pipes of a process, served without blocking."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        command: Command,
        log: Callable[[str], None] | None,
        redaction: Redaction = NOTHING_KNOWN,
    ) -> None:
        self.poll = select.poll()
        assert process.stdout is not None
        assert process.stderr is not None
        self._out = Collected(command.output_limit, log, redaction)
        self._err = Collected(command.output_limit, log, redaction)
        self._open = {process.stdout.fileno(): self._out, process.stderr.fileno(): self._err}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
            self.poll.register(descriptor, select.POLLIN)
        self._stdin = process.stdin
        self._input = memoryview(command.stdin)
        if self._stdin is not None:
            os.set_blocking(self._stdin.fileno(), False)
            self.poll.register(self._stdin.fileno(), select.POLLOUT)

    @property
    def drained(self) -> bool:
        """Whether every writer has closed stdout and stderr."""
        return not self._open

    @property
    def truncated(self) -> bool:
        """Whether output was cut."""
        return bool(self._out.cut or self._err.cut)

    def step(self, seconds: float) -> set[int]:
        """Wait at most `seconds`, serve what is ready once, and name the ready descriptors."""
        ready = {descriptor for descriptor, _ in self.poll.poll(max(seconds, 0) * 1000)}
        for descriptor in ready & self._open.keys():
            self._read(descriptor)
        if self._stdin is not None and self._stdin.fileno() in ready:
            self._write()
        return ready

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._open[descriptor].add(data)
        else:
            self.poll.unregister(descriptor)
            del self._open[descriptor]

    def _write(self) -> None:
        assert self._stdin is not None
        try:
            sent = os.write(self._stdin.fileno(), self._input[:_READ])
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._input)
        self._input = self._input[sent:]
        if not self._input:
            self._close_input()

    def _close_input(self) -> None:
        assert self._stdin is not None
        self.poll.unregister(self._stdin.fileno())
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._stdin = None

    def drain(self, seconds: float) -> None:
        """Read what is there, and wait up to `seconds` for the writers to close; a writer that goes on and on is left."""
        if self._stdin is not None:
            self._close_input()
        deadline = time.monotonic() + seconds
        while self._open:
            left = deadline - time.monotonic()
            if left < -DRAIN_S or not self.step(left):
                return

    def finish(self) -> tuple[bytes, bytes]:
        """What was kept of stdout and stderr."""
        return self._out.finish(), self._err.finish()
