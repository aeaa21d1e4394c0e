"""Talking to a person: clean text, colour only where it is wanted, one line of progress that goes away.

Plain escape codes instead of rich: `forge check` must start at once, and importing rich costs as long as a linter runs.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_STYLES = {"good": "32", "bad": "31;1", "odd": "33;1", "dim": "2", "strong": "1", "place": "36"}
_CLEAR = "\r\x1b[2K"


def plain(text: str) -> str:
    """One line that cannot drive a terminal: white space folded, and what Unicode does not call printable replaced.

    Names and messages come from hostile trees; an escape code in them could rewrite what was printed before, and a
    bidirectional override could make one file look like another (CVE-2021-42574).
    """
    kept = (" " if char.isspace() else "\N{REPLACEMENT CHARACTER}" if not char.isprintable() else char for char in text)
    return " ".join("".join(kept).split())


def wants_colour(stream: TextIO) -> bool:
    """Whether to colour what goes to `stream`: a terminal, and not NO_COLOR (no-color.org) or TERM=dumb."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


class Terminal:
    """Writes lines to one stream. `status` shows a line that the next one replaces; only on a terminal."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._colour = wants_colour(self._stream) if colour is None else colour
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._status = ""
        self._lock = threading.Lock()
        with suppress(AttributeError, ValueError):
            self._stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    @property
    def live(self) -> bool:
        """Whether somebody is watching."""
        return self._live

    def style(self, text: str, name: str) -> str:
        """`text` in a style by name, or as it is where colour is not wanted."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self._colour and name else text

    def line(self, text: str = "") -> None:
        """A line that stays. `text` may hold styles of ours; whatever comes from outside has been through `plain`."""
        with self._lock:
            self._write(f"{_CLEAR if self._status else ''}{text}\n{self._status}")

    def status(self, text: str) -> None:
        """Replace the line of progress; "" takes it away. Nothing happens where nobody watches."""
        if not self._live:
            return
        width = _columns(self._stream)
        with self._lock:
            self._status = self.style(plain(text)[: max(10, width - 1)], "dim") if text else ""
            self._write(f"{_CLEAR}{self._status}")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # The reader (`| head`) has gone: what is left to say is only the exit code.
            self._live = False
            descriptor = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):
                os.dup2(descriptor, self._stream.fileno())
            os.close(descriptor)

    @contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show `text` with the seconds gone by while the block runs, and what the block says in between.

        Elsewhere than on a terminal each text is a line of its own, said once.
        """
        now = [text]
        if not self._live:
            self.line(f"{text} ...")
            yield lambda said: self.line(f"  {plain(said)}")
            return
        over = threading.Event()
        begun = time.monotonic()

        def tick() -> None:
            while True:
                self.status(f"{now[0]} ... {time.monotonic() - begun:.0f}s")
                if over.wait(0.5):
                    return

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield lambda said: now.__setitem__(0, f"{text}: {plain(said)}")
        finally:
            over.set()
            ticker.join()
            self.status("")


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def write_file(path: Path, text: str) -> None:
    """Write a report whole or not at all. Raises UsageError when the place cannot be written."""
    from forge_dagster.errors import UsageError

    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_text(text, encoding="utf-8", errors="backslashreplace")
        scratch.replace(path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise UsageError(f"cannot write {path}: {error.strerror or error}", hint="give --output a writable place") from error
