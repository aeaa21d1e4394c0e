"""What JavaScript's runners print: escapes, stacks, and what is worth keeping of them. All of it comes from hostile code."""

import re

from forge_dagster.domain.places import inside
from forge_dagster.domain.sources import is_test
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.tests.verdicts import counterexample, with_example

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"(?:file://)?([^\s():]{1,400}(?:\([^\s():]{0,100}\)[^\s():]{0,400})*):(\d{1,8})\b")
_IMPORTER = re.compile(r"(?:imported from |^- )(?:file://)?(/[^\n]+?)\s*$", re.MULTILINE)
_ERROR = re.compile(r"^.*?\b(?:\w*Error|Uncaught|Unhandled)\b.*$", re.MULTILINE)


def place(request: ToolRequest, name: object) -> str | None:
    """A file as runners print it, absolute or from the package's folder, as a path from the repository's root."""
    directory = request.project.node.directory if request.project.node is not None else ""
    return inside(request.root, name.removeprefix("file://"), directory=directory) if isinstance(name, str) else None


def without_escapes(text: object) -> str:
    """The text without colours; nothing for what is no text."""
    return _ESCAPES.sub("", text) if isinstance(text, str) else ""


def said(text: str) -> str:
    """What an error says, without its stack; of a fast-check failure, the counterexample and the seed that repeats it."""
    message = re.split(r"\n\s+at ", text.strip(), maxsplit=1)[0].strip()
    return with_example(message, counterexample(message))


def line_in(request: ToolRequest, text: str, path: str | None) -> int | None:
    """The line of the stack's first frame in the file `path`."""
    for frame in _FRAME.finditer(text):
        if path is not None and place(request, frame[1]) == path:
            return int(frame[2]) or None
    return None


def first_place(request: ToolRequest, text: str) -> tuple[str | None, int | None]:
    """(file, line) of the stack's first frame in a test of the repository, else in any file of it."""
    known = set(request.project.files)
    frames = [(place(request, frame[1]), int(frame[2]) or None) for frame in _FRAME.finditer(text)]
    inner = [(path, line) for path, line in frames if path is not None and path in known]
    return next((frame for frame in inner if is_test(frame[0])), inner[0] if inner else (None, None))


def is_configuration(path: str) -> bool:
    """Whether a file configures tools: what throws there says nothing about a test."""
    name = path.rsplit("/", 1)[-1]
    return name.startswith(".") or ".config." in name or ".workspace." in name


def crash_of(request: ToolRequest, printed: str) -> tuple[str, int | None, str] | None:
    """(file, line, error) of an error that ended the runner, if it was thrown in a file of the repository; else None."""
    known = set(request.project.files)
    places = [(frame[1], int(frame[2])) for frame in _FRAME.finditer(printed)]
    for name, line in [*places, *((found[1], 0) for found in _IMPORTER.finditer(printed))]:
        path = place(request, name)
        if path is not None and path in known:
            error = _ERROR.search(printed)
            return path, line or None, error[0].strip() if error is not None else "it ended with an error"
    return None
