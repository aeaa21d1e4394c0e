"""What decides how a repository's tests run and are judged, besides the tests: what of it a change touches, and how it was.

A file that says other things too (which packages are installed) is put back only in what it says of tests.
"""

import json
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.globs import matches
from forge_dagster.domain.project import Language

_WHOLE = {
    Language.PYTHON: ("**/conftest.py", "**/pytest.ini", "**/.pytest.ini", "**/pytest.toml", "**/.pytest.toml"),
    Language.TYPESCRIPT: (
        "**/vitest.config.*", "**/vitest.workspace.*", "**/vitest.projects.*", "**/vite.config.*", "**/jest.config.*",
        "**/.mocharc*", "**/.taprc", "**/ava.config.*", "**/jasmine.json", "**/jasmine.js*", "**/vitest.setup.*",
        "**/jest.setup.*", "**/setupTests.*",
    ),
}  # fmt: skip
"""Files that speak of nothing but tests."""
_PARTLY = {Language.PYTHON: ("pyproject.toml", "setup.cfg", "tox.ini"), Language.TYPESCRIPT: ("package.json",)}
_OF_TESTS = ("scripts", "jest", "mocha", "ava", "tap", "nyc", "c8", "vitest", "jasmine")
"""Keys of package.json that say how tests run."""
_INI = ("tool:pytest", "pytest")
_HEADER = re.compile(r"^\[+\s*(?P<name>[^\]\n]+?)\s*\]+\s*(?:#.*)?$")
_SETUP = re.compile(
    r"\b(?:setupFiles\w*|globalSetup|globalTeardown|require|import|testEnvironment|environment|runner|testSequencer"
    r"|snapshotSerializers|helpers|file)[\"']?\s*[:=]\s*(\[[^\]]{0,2000}\]|[\"'][^\"'\n]{1,200}[\"'])"
)
_OPTION = re.compile(r"(?:--require|--import|--loader|--setupFiles\w*|--globalSetup|-r)[ =]+([^\s\"'\\]{1,200})")
_PLUGIN = re.compile(
    r"\bpytest_plugins\s*=\s*(\[[^\]]{0,2000}\]|\([^)]{0,2000}\)|[\"'][^\"'\n]{1,200}[\"'])|-p[ =]([\w.]{1,200})"
)
_QUOTED = re.compile(r"[\"']([^\"'\n]{1,200})[\"']")
_ENDING = re.compile(r"\.[cm]?[jt]sx?$")


def says_of_tests(path: str, language: Language) -> bool:
    """Whether the file configures the tests of this language, as a whole or in part."""
    return _is_whole(path, language) or posixpath.basename(path) in _PARTLY[language]


def _is_whole(path: str, language: Language) -> bool:
    return any(matches(path, pattern, ignore_case=True) for pattern in _WHOLE[language])


def loaded_by(configuration: Mapping[str, str], language: Language) -> frozenset[str]:
    """What the configuration (path -> text) has loaded before any test: setup files, plugins. Paths, some without an ending."""
    found: set[str] = set()
    for path, text in configuration.items():
        folder = posixpath.dirname(path)
        if language is Language.PYTHON:
            found |= {name.replace(".", "/") for name in _plugins(text)}
        else:
            found |= {_joined(folder, name) for name in _set_up(text)}
    return frozenset(found)


def _plugins(text: str) -> Iterator[str]:
    for listed, option in _PLUGIN.findall(text):
        yield from _QUOTED.findall(listed)
        if option and option != "no":
            yield option


def _set_up(text: str) -> Iterator[str]:
    for listed in _SETUP.findall(text):
        yield from _QUOTED.findall(listed)
    yield from _OPTION.findall(text)


def _joined(folder: str, name: str) -> str:
    place = posixpath.normpath(posixpath.join(folder, name.removeprefix("<rootDir>").lstrip("/")))
    return _ENDING.sub("", place)


def is_loaded(path: str, loaded: Iterable[str], language: Language) -> bool:
    """Whether `path` is one of `loaded`."""
    if language is Language.PYTHON:
        bare = path.removesuffix(".py").removesuffix("/__init__")
        return path.endswith(".py") and any(bare == name or bare.endswith(f"/{name}") for name in loaded)
    return _ENDING.search(path) is not None and _ENDING.sub("", path) in loaded


def put_back(path: str, base: str | None, head: str | None) -> str | None:
    """The head's file, saying of tests what the base's says; None: no such file. Raises ValueError where it cannot be made."""
    name = posixpath.basename(path)
    if head is None or name not in {*_PARTLY[Language.PYTHON], *_PARTLY[Language.TYPESCRIPT]}:
        return base
    if name == "package.json":
        return _package(base, head)
    is_toml = name == "pyproject.toml"
    mine = _of_pytest if is_toml else _INI.__contains__
    own = _sections(base or "", mine, kept=True)
    if _lines(own) == _lines(_sections(head, mine, kept=True)) and (not is_toml or _toml(head) == _expected(base, head)):
        return head
    rest = _sections(head, mine, kept=False)
    made = "".join(part if part.endswith("\n") else f"{part}\n" for part in (rest, own) if part)
    if is_toml and _toml(made) != _expected(base, head):
        raise ValueError(f"{path} cannot be taken apart")
    return made


def _package(base: str | None, head: str) -> str:
    old, new = load_json((base or "{}").encode()), load_json(head.encode())
    if not isinstance(old, dict) or not isinstance(new, dict):
        raise ValueError("package.json is no object")  # noqa: TRY004 - it is the text that is wrong
    if all(old.get(key) == new.get(key) for key in _OF_TESTS):
        return head
    kept = {key: value for key, value in new.items() if key not in _OF_TESTS}
    return json.dumps({**kept, **{key: old[key] for key in _OF_TESTS if key in old}}, indent=2) + "\n"


def _of_pytest(name: str) -> bool:
    parts = [part.strip("\"' ") for part in name.split(".")]
    return parts[:2] == ["tool", "pytest"]


def _sections(text: str, mine: Callable[[str], bool], *, kept: bool) -> str:
    """The sections that are `mine`, or the rest."""
    inside = False
    lines = []
    for line in text.splitlines(keepends=True):
        header = _HEADER.match(line)
        if header is not None:
            inside = mine(header["name"])
        if inside is kept:
            lines.append(line)
    return "".join(lines)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _toml(text: str | None) -> dict[str, Any]:
    return tomllib.loads(text or "")


def _expected(base: str | None, head: str) -> dict[str, Any]:
    old, new = _toml(base).get("tool", {}).get("pytest"), _toml(head)
    tool = {key: value for key, value in new.get("tool", {}).items() if key != "pytest"}
    tool |= {"pytest": old} if old is not None else {}
    rest = {key: value for key, value in new.items() if key != "tool"}
    return {**rest, **({"tool": tool} if tool else {})}
