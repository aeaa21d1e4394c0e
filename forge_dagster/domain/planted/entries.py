"""Where a program begins: the file of the repository that the start command runs."""

import ast
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forge_dagster.domain.planted.sites import Read
from forge_dagster.domain.project import Project

_SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
_COMPILED = ("dist", "build", "out", "lib")
"""Folders of compiled JavaScript, whose sources lie in `src`."""
_WSGI = frozenset({"gunicorn", "waitress", "waitress-serve"})
_OBJECT = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<object>[^\W\d]\w*)")
_RUNNERS = frozenset({"npm", "pnpm", "yarn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, and the line (counted from 1) before which other code may stand; None: at its end.

    `served`: the name in it that a server of WSGI (PEP 3333), which listens before it loads the file, calls for each request.
    """

    path: str
    line: int | None
    served: str = ""

    @property
    def is_python(self) -> bool:
        """Whether it is Python; else it is JavaScript or TypeScript."""
        return self.path.endswith(".py")

    @property
    def unchecked(self) -> str:
        """A first line with which a type checker leaves the file alone."""
        return "// @ts-nocheck\n" if self.path.endswith((".ts", ".mts", ".cts")) else ""


def entry_of(command: Sequence[str], project: Project, read: Read) -> Entry | None:
    """The file that `command`, run in the repository's root, begins with; None where it is none of the repository's."""
    files = frozenset(project.files).union(*(part.files for part in project.parts))
    module, served = _served(command)
    called = _module(module, project, run=False) if module else ()
    for path in (*called, *_candidates(tuple(command), project)):
        if path not in files:
            continue
        text = read(path)
        line = None if text is None else _python_line(text) if path.endswith(".py") else _script_line(text)
        if text is not None and line != 0:
            return Entry(path=path, line=line, served=served)
    return None


def _served(command: Sequence[str]) -> tuple[str, str]:
    """`module:object` in a command that starts a server of WSGI; empty where it starts none, or the object is a call."""
    names = {posixpath.basename(word) for word in command}
    if names.isdisjoint(_WSGI) or any("uvicorn" in name for name in names):
        return "", ""
    named = (_OBJECT.fullmatch(word) for word in command)
    return next(((found["module"], found["object"]) for found in named if found is not None), ("", ""))


def _candidates(words: tuple[str, ...], project: Project, *, depth: int = 2) -> Iterator[str]:
    """Paths in the order in which the command's words name them: a file, a module after -m, `module:object`, a script."""
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        if before == "-m":
            yield from _module(word, project, run=True)
        elif word.endswith((".py", *_SCRIPTS)):
            yield from _script(posixpath.normpath(word))
        elif ":" in word and all(piece.isidentifier() for piece in word.partition(":")[0].split(".")):
            yield from _module(word.partition(":")[0], project, run=False)
    if depth and words and words[0] in _RUNNERS and project.node is not None:
        name = next((word for word in words[1:] if word not in ("run", "--") and not word.startswith("-")), "")
        for line in project.node.scripts.get(name, "").split("&&"):
            yield from _candidates(_split(line), project, depth=depth - 1)


def _split(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return ()


def _module(name: str, project: Project, *, run: bool) -> Iterator[str]:
    directory = project.python.directory if project.python is not None else ""
    inside = name.replace(".", "/")
    for folder in (posixpath.join(directory, "src"), directory):
        yield posixpath.join(folder, inside, "__main__.py" if run else "__init__.py")
        yield posixpath.join(folder, f"{inside}.py")


def _script(path: str) -> Iterator[str]:
    """The file, and what it may have been compiled from."""
    yield path
    top, _, rest = path.partition("/")
    if top in _COMPILED and path.endswith((".js", ".mjs", ".cjs")):
        stem, ending = posixpath.splitext(rest.removeprefix("src/"))
        yield from (f"src/{stem}{other}" for other in (ending.replace("js", "ts"), ending))


def _python_line(text: str) -> int | None:
    """Before the first statement that may not come later; None: there is none, 0: it does not parse."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return 0
    for number, node in enumerate(body):
        if number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            continue
        decorators = node.decorator_list if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else []
        return min([node.lineno, *(one.lineno for one in decorators)])
    return None


def _script_line(text: str) -> int:
    return 2 if text.startswith("#!") else 1
