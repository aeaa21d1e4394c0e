"""What reaches a terminal: clean, and coloured only where it is wanted."""

import io
import os
import pty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.cli.terminal import Terminal, plain, write_file
from forge_dagster.errors import UsageError


@given(st.text())
def test_plain_holds_nothing_that_drives_a_terminal(text: str) -> None:
    cleaned = plain(text)
    assert cleaned.isprintable()
    assert plain(cleaned) == cleaned


def test_plain_keeps_ordinary_text() -> None:
    assert plain("src/größe.py: 'x' → y") == "src/größe.py: 'x' → y"


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "a\x9b31mb", "a\u202egnp.exe", "a\udc80b", "title\x07"])
def test_plain_shows_that_something_was_there(text: str) -> None:
    assert "\N{REPLACEMENT CHARACTER}" in plain(text)


def test_no_colour_and_no_progress_where_nobody_watches() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.status("working")
    terminal.line(terminal.style("done", "good"))
    with terminal.working("waiting"):
        pass
    assert stream.getvalue() == "done\nwaiting ...\n"


def test_colour_on_a_terminal_unless_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    main, end = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(end, "w") as stream:
        assert Terminal(stream).style("x", "good") == "\x1b[32mx\x1b[0m"
        monkeypatch.setenv("NO_COLOR", "1")
        assert Terminal(stream).style("x", "good") == "x"
    os.close(main)


def test_a_reader_that_left_does_not_break_the_writer() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        terminal = Terminal(stream)
        terminal.line("nobody reads this")
        terminal.line("nor this")


def test_a_report_is_written_whole_or_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "report.json", "{}\n")
    assert (tmp_path / "report.json").read_text() == "{}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    with pytest.raises(UsageError, match="cannot write"):
        write_file(tmp_path / "nowhere" / "report.json", "{}")
