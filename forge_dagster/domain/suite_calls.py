"""How a Python repository runs its tests where it has no pytest: seen in its scripts, else in what the tests import."""

import fnmatch
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from forge_dagster.domain.project import Project

_PYTEST = re.compile(r"(?<![\w-])(?:pytest|py\.test)(?![\w-])")
_CALL = re.compile(r"-m\s+unittest\b([^\n;&|#`]*)|[\"']-m[\"']\s*,\s*[\"']unittest[\"']((?:\s*,\s*[\"'][^\"'\n]*[\"'])*)")
_SETUP_TEST = re.compile(r"\bsetup\.py\s+test\b")
_COMMENT = re.compile(r"(?m)^\s*(?:#|//).*$")
_IMPORTS = re.compile(r"^[ \t]*(?:import[ \t]+unittest\b(?!\.mock)|from[ \t]+unittest[ \t]+import\b)", re.MULTILINE)
_NEEDS_PYTEST = re.compile(r"^(?:async )?def test_|^[ \t]*(?:import[ \t]+pytest\b|from[ \t]+pytest\b)", re.MULTILINE)
_PATTERN = "test*.py"
"""unittest's own (docs.python.org, "unittest", Test Discovery)."""
_PATTERNS = (_PATTERN, "*_test.py", "*_tests.py")
_VALUES = {"-s": "start", "--start-directory": "start", "-p": "pattern", "--pattern": "pattern", "-t": "top"}
_VALUES["--top-level-directory"] = "top"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCall:
    """That a project runs unittest, and why we think so. `arguments` of its command, if there is one to read."""

    because: str
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePlaces:
    """What to load: names of modules or tests, and folders to search as (start, pattern, top or "")."""

    names: tuple[str, ...] = ()
    folders: tuple[tuple[str, str, str], ...] = ()


def suite_call(scripts: Mapping[str, str], tests: Mapping[str, str]) -> SuiteCall | None:
    """Whether the repository runs unittest: `scripts` and `tests` are path -> text. None where pytest is or may be meant.

    A script that runs pytest speaks for pytest; one that runs unittest for that. Where none says either, test files do that
    import unittest, as long as no test needs pytest (a bare function, a fixture).
    """
    bare = {path: _COMMENT.sub("", text) for path, text in scripts.items()}
    if any(_PYTEST.search(text) for text in bare.values()):
        return None
    for path, text in bare.items():
        call = _CALL.search(text)
        if call is not None:
            return SuiteCall(because=f"{path} runs python -m unittest", arguments=_words(call[1], call[2]))
        if _SETUP_TEST.search(text):
            return SuiteCall(because=f"{path} runs setup.py test")
    if any(_NEEDS_PYTEST.search(text) for text in tests.values()):
        return None
    first = next((path for path, text in sorted(tests.items()) if _IMPORTS.search(text) and "TestCase" in text), None)
    return None if first is None else SuiteCall(because=f"{first} imports unittest, and nothing asks for pytest")


def suite_places(project: Project, call: SuiteCall | None) -> SuitePlaces:
    """What `call` loads, as seen from the project's folder; where it does not say, every folder that holds test files."""
    if call is None or call.arguments is None:
        return SuitePlaces(folders=tuple(sorted(set(_guessed(project)))))
    words = list(call.arguments)
    if words[:1] == ["discover"]:
        return _discovered(words[1:])
    names = [word for word in words if not word.startswith("-")]
    if not names:
        return SuitePlaces(folders=((".", _PATTERN, ""),))
    return SuitePlaces(names=tuple(_module(name) for name in names))


def _words(shell: str | None, quoted: str | None) -> tuple[str, ...] | None:
    """The arguments of a call, in a shell's words or as a Python list; None where they hold something to be filled in."""
    if quoted:
        found = re.findall(r"[\"']([^\"'\n]*)[\"']", quoted)
    else:
        try:
            found = shlex.split(shell or "")
        except ValueError:
            return None
    found = [word for word in found if not re.fullmatch(r"\{posargs[^}]*\}|\$@|\"\$@\"|[\])}]+", word)]
    return None if any(re.search(r"[{}$*<>]", word) and "*" not in word for word in found) else tuple(found[:100])


def _discovered(words: Sequence[str]) -> SuitePlaces:
    values = {"start": ".", "pattern": _PATTERN, "top": ""}
    positional = iter(("start", "pattern", "top"))
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in _VALUES:
            values[_VALUES[name]] = value if equals else next(rest, values[_VALUES[name]])
        elif name in ("-k", "--durations"):
            next(rest, None)
        elif not word.startswith("-"):
            values[next(positional, "unknown")] = word
    return SuitePlaces(folders=((values["start"], values["pattern"], values["top"]),))


def _module(name: str) -> str:
    """`tests/test_a.py` is the module tests.test_a, as on unittest's own command line."""
    return name.removesuffix(".py").removeprefix("./").replace("/", ".") if name.endswith(".py") else name


def _guessed(project: Project) -> Iterator[tuple[str, str, str]]:
    directory = project.python.directory if project.python is not None else ""
    prefix = f"{directory}/" if directory else ""
    files = [path[len(prefix) :] for path in project.files if path.startswith(prefix) and path.endswith(".py")]
    packages = {posixpath.dirname(path) for path in files if posixpath.basename(path) == "__init__.py"}
    for path in files:
        folder, name = posixpath.split(path)
        pattern = next((pattern for pattern in _PATTERNS if fnmatch.fnmatchcase(name, pattern)), None)
        if pattern is None:
            continue
        start, top = folder, folder
        while top and top in packages:
            start, top = top, posixpath.dirname(top)
        yield (start or ".", pattern, top or "." if start != top else "")
