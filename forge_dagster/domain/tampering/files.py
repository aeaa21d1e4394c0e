"""What is compared: the files of a change as they were and as they are, as texts."""

import posixpath
import re
from dataclasses import dataclass, field

from forge_dagster.domain.sources import is_test

MAX_SOURCE = 1_000_000
"""Characters of a source file up to which it is parsed."""
MAX_FILES = 3_000
"""Changed files of a change that are looked into."""

PYTHON = (".py", ".pyi")
SCRIPTS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")

_COLLECTED = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$|\.(test|spec)\.[cm]?[jt]sx?$")
_TYPE_TEST = re.compile(r"\.test-d\.ts$")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePair:
    """One changed file. `base` and `head` are its texts, None where it is not there or is no text.

    `previous` is its path in the base. `content` is the beginning of what the head has, for files that are no text. `cut`: one
    of the two is too large to be looked at as a whole. `executable`: the head's file may be run.
    """

    path: str
    previous: str = ""
    base: str | None = None
    head: str | None = None
    content: bytes = b""
    cut: bool = False
    executable: bool = False
    added_lines: frozenset[int] | None = None
    """Line numbers in the head's version that the change adds; None: all."""

    @property
    def before(self) -> str:
        """The path in the base."""
        return self.previous or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All of a change that is inspected.

    `removed` are paths that the head no longer has, renamed ones not among them; `tree` the paths that it has. `title` is the
    pull request's own. `tests` are the texts of the head's test files, as far as they were read.
    """

    pairs: tuple[FilePair, ...]
    title: str = ""
    tree: frozenset[str] = frozenset()
    tests: tuple[str, ...] = field(default=(), repr=False)
    unread: int = 0
    """Changed files beyond MAX_FILES."""


def name(path: str) -> str:
    """The last part of a path."""
    return posixpath.basename(path)


def is_conftest(path: str) -> bool:
    """Whether pytest loads the file by itself, as a plugin of its folder."""
    return name(path) == "conftest.py"


def is_test_code(path: str) -> bool:
    """Whether the file belongs to the tests: itself a test, or what tests use."""
    return is_test(path) or is_conftest(path) or name(path).startswith(("vitest.setup", "jest.setup", "setupTests"))


def is_collected(path: str) -> bool:
    """Whether pytest, vitest and jest find tests in a file of that name without being told."""
    return _COLLECTED.search(path) is not None


def is_type_test(path: str) -> bool:
    """Whether the file holds tests of types, which are never executed."""
    return _TYPE_TEST.search(path) is not None
