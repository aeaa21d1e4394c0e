"""Reads `git diff --raw --patch -U0`: which files changed, and which lines of the head's version are new. Pure.

Git quotes every unusual name (core.quotePath), so each header is one line whatever the name holds, and content lines always
start with "+", "-" or a backslash: a file's name or text cannot pass for a header.
"""

import re

from forge_dagster.domain.changes import ChangedFile
from forge_dagster.errors import WorkspaceError

_STATUS = {b"A": "added", b"C": "added", b"D": "removed", b"M": "modified", b"T": "modified", b"R": "renamed"}
_GITLINK = b"160000"
_RAW = re.compile(rb":(\d{6}) (\d{6}) [0-9a-f.]+ [0-9a-f.]+ ([A-Z])\d*\t([^\t]+)(?:\t([^\t]+))?")
_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|(.))")
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def path_text(name: bytes) -> str:
    r"""A file's name as text. One that is not UTF-8 gets backslashes (`caf\xe9.py`), so it names no real file."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace")


def unquoted(name: bytes) -> bytes:
    """A name as git writes it in a patch (C-quoted where needed) -> the name's bytes."""
    if len(name) < 2 or not (name.startswith(b'"') and name.endswith(b'"')):
        return name
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 8) & 255]) if m[1] else _ESCAPED.get(m[2], m[2]), name[1:-1])


def _prefixed(prefix: bytes, name: bytes) -> bytes:
    return b'"' + prefix + name[1:] if name.startswith(b'"') else prefix + name


class _Entry:
    """One line of the raw part: modes, status and names as git wrote them."""

    def __init__(self, line: bytes) -> None:
        match = _RAW.fullmatch(line)
        if match is None:
            text = line[:200].decode("utf-8", "replace")
            raise WorkspaceError(
                f"git diff wrote a line that is not understood: {text!r}", hint="report it, with git's version"
            )
        self.gitlink = _GITLINK in match.group(1, 2) and match[2] in (_GITLINK, b"000000")
        self.status = _STATUS.get(match[3], "modified")
        self.old, self.new = match[4], match[5] or match[4]
        self.added: set[int] = set()
        self.binary = False

    @property
    def binary_lines(self) -> tuple[bytes, ...]:
        """The lines with which git says that it shows no text for this file."""
        old, new = _prefixed(b"a/", self.old), _prefixed(b"b/", self.new)
        return tuple(b"Binary files %s and %s differ" % pair for pair in ((old, new), (b"/dev/null", new), (old, b"/dev/null")))

    def changed_file(self) -> ChangedFile:
        return ChangedFile(
            path=path_text(unquoted(self.new)),
            status=self.status,
            previous_path=path_text(unquoted(self.old)) if self.status == "renamed" else None,
            added_lines=frozenset() if self.gitlink else frozenset(self.added),
            binary=self.binary,
        )


def parse_diff(output: bytes) -> tuple[ChangedFile, ...]:
    """The changed files in git's order (by path). Raises WorkspaceError for an entry that cannot be read: none may go unseen.

    `output` is that of `git diff --raw --patch -U0 --src-prefix=a/ --dst-prefix=b/` with core.quotePath on.
    """
    lines = output.split(b"\n")
    start = next((i for i, line in enumerate(lines) if not line.startswith(b":")), len(lines))
    entries = [_Entry(line) for line in lines[:start]]
    by_name = {_prefixed(b"b/", entry.new): entry for entry in entries}
    binary = {line: entry for entry in entries for line in entry.binary_lines}
    current: _Entry | None = None
    in_header = False
    for line in lines[start:]:
        if line.startswith(b"diff --git "):
            current, in_header = None, True
        elif in_header and line.startswith(b"+++ "):
            name = line[4:]
            current = by_name.get(name[:-1] if name.endswith(b"\t") else name)
        elif in_header and line.startswith(b"Binary files ") and line in binary:
            binary[line].binary = True
        elif line.startswith(b"@@ "):
            in_header = False
            match = _HUNK.match(line)
            if match and current is not None:
                first = int(match[1])
                current.added.update(range(first, first + int(match[2] or 1)))
    return tuple(entry.changed_file() for entry in entries)
