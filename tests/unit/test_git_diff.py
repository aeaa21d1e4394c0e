"""The diff parser against a renderer that writes what git writes, with names and lines chosen to look like headers."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.diff import parse_diff, path_text, unquoted

_ESCAPES = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}


def quoted(prefix: bytes, name: bytes) -> bytes:
    """Git's quote_c_style with core.quotePath (git-config(1))."""
    if not any(byte < 32 or byte >= 127 or byte in (34, 92) for byte in name):
        return prefix + name
    parts = [b"\\" + _ESCAPES[b] if b in _ESCAPES else bytes([b]) if 32 <= b < 127 else b"\\%03o" % b for b in name]
    return b'"' + prefix + b"".join(parts) + b'"'


@dataclass
class Changed:
    """A changed file as drawn; hunks are (first new line, removed lines, added lines)."""

    name: bytes
    old: bytes | None
    letter: bytes
    hunks: list[tuple[int, list[bytes], list[bytes]]]
    binary: bool


def render(files: list[Changed]) -> bytes:
    raw, patch = [], []
    for file in files:
        names = quoted(b"", file.name) if file.old is None else quoted(b"", file.old) + b"\t" + quoted(b"", file.name)
        score = b"087" if file.letter == b"R" else b""
        raw.append(b":100644 100644 1111111 2222222 " + file.letter + score + b"\t" + names)
        old, new = quoted(b"a/", file.old or file.name), quoted(b"b/", file.name)
        shown_old = b"/dev/null" if file.letter == b"A" else old
        shown_new = b"/dev/null" if file.letter == b"D" else new
        patch += [b"diff --git " + old + b" " + new, b"index 1111111..2222222 100644"]
        if file.binary:
            patch.append(b"Binary files " + shown_old + b" and " + shown_new + b" differ")
            continue
        tab = b"\t" if b" " in file.name and not new.startswith(b'"') and shown_new == new else b""
        patch += [b"--- " + shown_old, b"+++ " + shown_new + tab]
        for first, removed, added in file.hunks:
            count = b"" if len(added) == 1 else b",%d" % len(added)
            patch.append(b"@@ -1,%d +%d%s @@ def f():" % (len(removed), first, count))
            patch += [b"-" + line for line in removed] + [b"+" + line for line in added] + [b"\\ No newline at end of file"]
    return b"\n".join([*raw, b"", *patch, b""])


names = st.one_of(
    st.binary(min_size=1, max_size=20).map(lambda b: b.replace(b"\0", b"_")),
    st.sampled_from(
        [
            b"sp ace.py",
            b'q"uote',
            b"new\nline\n+++ b/x",
            b"tab\t",
            b"caf\xc3\xa9.py",
            b"\xff\xfe",
            b"a -> b",
            b"\\",
            b"dev/null",
        ]
    ),
)
lines = st.one_of(
    st.binary(max_size=30).map(lambda b: b.replace(b"\n", b" ")),
    st.sampled_from(
        [b"++ b/other.py", b"+++ b/x", b"diff --git a/x b/x", b"@@ -1 +1,99 @@", b"Binary files a/x and b/x differ", b"\r"]
    ),
)
hunks = st.lists(st.tuples(st.integers(1, 5000), st.lists(lines, max_size=3), st.lists(lines, max_size=4)), max_size=3)


@st.composite
def changes(draw: st.DrawFn) -> list[Changed]:
    found = []
    for name in draw(st.lists(names, unique=True, max_size=6)):
        letter = draw(st.sampled_from([b"A", b"M", b"D", b"R", b"T"]))
        old = b"old of " + name if letter == b"R" else None
        found.append(Changed(name, old, letter, draw(hunks), draw(st.booleans())))
    return found


@given(changes())
def test_reads_back_what_git_writes(files: list[Changed]) -> None:
    parsed = parse_diff(render(files))
    assert [file.path for file in parsed] == [path_text(file.name) for file in files]
    for file, found in zip(files, parsed, strict=True):
        assert found.binary is file.binary
        assert found.previous_path == (path_text(file.old) if file.old is not None else None)
        expected = {n for first, _, added in file.hunks for n in range(first, first + len(added))}
        shown = not file.binary and file.letter != b"D"
        assert found.added_lines == (expected if shown else set())


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda rest: b":100644 100644 1 2 M\ta\n" + rest)))
def test_garbage_is_refused_or_harmless(output: bytes) -> None:
    entries = list(itertools.takewhile(lambda line: line.startswith(b":"), output.split(b"\n")))
    try:
        found = parse_diff(output)
    except WorkspaceError:
        return
    assert len(found) == len(entries), "no entry goes unseen"


@pytest.mark.parametrize("line", [b":", b":100644 100644 1 2 M", b":100644 100644 1 2 \ta", b":1 2 3"])
def test_an_entry_that_cannot_be_read_is_refused(line: bytes) -> None:
    with pytest.raises(WorkspaceError, match="not understood"):
        parse_diff(line + b"\n")


@given(names)
def test_quoting_is_undone(name: bytes) -> None:
    assert unquoted(quoted(b"", name)) == name


def test_status_words_and_submodules() -> None:
    output = (
        b":100644 100644 1111111 2222222 R090\told.py\tnew.py\n"
        b":160000 160000 1111111 2222222 M\tvendored\n"
        b":100644 000000 1111111 0000000 D\tgone.py\n"
        b":100644 100755 1111111 1111111 M\trun.sh\n"
        b"\n"
        b"diff --git a/vendored b/vendored\n--- a/vendored\n+++ b/vendored\n"
        b"@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n"
    )
    renamed, submodule, gone, mode = parse_diff(output)
    assert (renamed.status, renamed.previous_path) == ("renamed", "old.py")
    assert (submodule.status, submodule.added_lines) == ("modified", frozenset())
    assert gone.status == "removed"
    assert (mode.status, mode.added_lines) == ("modified", frozenset())


def test_a_name_that_is_not_utf8_is_shown_and_names_no_other_file() -> None:
    assert path_text(b"caf\xe9.py") == r"caf\xe9.py"
    assert path_text("café.py".encode()) == "café.py"
