"""What the audience sees: a line per event with the seconds since the beginning, and a line of progress in between."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from forge_dagster.cli.terminal import Terminal, plain


class Timeline:
    """Prints events as they happen and keeps them for the end."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._begun = time.monotonic()
        self._events: list[tuple[float, str]] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._begun

    def act(self, title: str) -> None:
        """A new chapter."""
        self._terminal.line()
        self._terminal.line(self._terminal.style(title, "strong"))

    def event(self, text: str, *, style: str = "", keep: bool = True) -> None:
        """Something happened; `keep`: it is in the timeline at the end too."""
        if keep:
            self._events.append((self.elapsed, text))
        stamp = self._terminal.style(f"{self.elapsed:6.1f}s", "dim")
        self._terminal.line(f"{stamp}  {self._terminal.style(plain(text), style)}")

    def detail(self, text: str, *, style: str = "") -> None:
        """A line that belongs to the event above."""
        self._terminal.line(f"         {self._terminal.style(plain(text), style)}")

    def fact(self, label: str, text: str) -> None:
        """Something to look up, in two columns."""
        self._terminal.line(f"         {label:14} {plain(text)}")

    def summary(self) -> None:
        """The whole story in a few lines."""
        self.act("Timeline")
        for at, text in self._events:
            self._terminal.line(f"{self._terminal.style(f'{at:6.1f}s', 'dim')}  {plain(text)}")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something is awaited, with the seconds gone by."""
        over = threading.Event()
        begun = time.monotonic()

        def tick() -> None:
            while not over.wait(0.5):
                self._terminal.status(f"{self.elapsed:6.1f}s  {text} ({time.monotonic() - begun:.0f}s)")

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()
            self._terminal.status("")
