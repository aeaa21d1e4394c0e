"""Files that matter by where they lie or what they are called, or by being no text."""

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.sources import is_test
from forge_dagster.domain.tampering.files import FilePair, is_test_code, name
from forge_dagster.domain.tampering.signs import Sign, asks, found, rejects

_TEST_TOOLS = frozenset(
    {"pytest", "_pytest", "unittest", "pluggy", "coverage", "hypothesis", "doctest", "pytest_cov", "xdist", "mock"}
)
_STANDARD = frozenset(sys.stdlib_module_names) - {"test", "this", "antigravity", "idlelib", "lib2to3", "turtledemo", "__main__"}
_PROGRAMS = frozenset(
    (
        "python", "python3", "pip", "uv", "pytest", "coverage", "ruff", "mypy", "pyright", "node", "npm", "npx", "pnpm",
        "yarn", "git", "tsc", "eslint", "vitest", "jest", "mocha", "make", "sh", "bash", "env",
    )
)  # fmt: skip
_STARTS_PYTHON = frozenset({"sitecustomize.py", "usercustomize.py"})
_REPORTS = re.compile(
    r"(^|/)(junit[\w.-]*\.xml|coverage(-final|-summary)?\.(json|xml)|lcov\.info|\.coverage(\.[\w.-]+)?"
    r"|test-results?[\w.-]*\.(xml|json)"
    r"|report\.(sarif|junit\.xml)|(vitest|jest)[\w-]*report[\w-]*\.json)$"
)
_MEDIA = (
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".bmp", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".mp3",
    ".mp4", ".webm", ".ogg", ".wav", ".pdf", ".svgz",
)  # fmt: skip
_MAGICS = (
    (b"\x7fELF", "a program or library for Linux"),
    (b"MZ", "a program for Windows"),
    (b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (b"\xca\xfe\xba\xbe", "a class or program"),
    (b"\0asm", "WebAssembly"),
    (b"PK\x03\x04", "an archive"),
    (b"\x1f\x8b", "an archive"),
    (b"BZh", "an archive"),
    (b"\xfd7zXZ", "an archive"),
    (b"!<arch>", "a library"),
)
"""How such files begin (file(1), magic(5))."""
_LOADED = (".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib", ".node", ".jar", ".class", ".whl", ".egg", ".wasm")


def place_findings(pairs: Iterable[FilePair], tree: frozenset[str]) -> Iterator[Finding]:
    """What is to be said of files that are new, or new under their name."""
    roots = _import_roots(tree)
    for pair in pairs:
        there = pair.head is not None or bool(pair.content)
        new = (pair.base is None and there) or pair.previous not in ("", pair.path)
        if not there:
            continue
        signs = list(_by_kind(pair))
        if new:
            signs += _by_name(pair, roots)
        yield from (found(sign, pair.path) for sign in signs)


def _by_name(pair: FilePair, roots: frozenset[str]) -> Iterator[Sign]:
    path, last = pair.path, name(pair.path)
    folder = posixpath.dirname(path)
    module = last.removesuffix(".py") if last.endswith(".py") else ""
    package = name(folder) if last == "__init__.py" else ""
    at = folder if module and not package else posixpath.dirname(folder)
    called = package or module
    if last in _STARTS_PYTHON or last.endswith(".pth"):
        message = f"{last} is executed whenever Python starts, before any test"
        yield rejects("shadow-module", message, fix="remove it")
    elif called in _TEST_TOOLS and at in roots:
        message = f"{path} stands in for {called}, which judges the change"
        yield rejects("shadow-module", message, fix="give it another name")
    elif called in _STANDARD and at in roots:
        message = f"{path} may stand in for Python's own module {called}"
        yield asks("shadow-module", message, fix="give it another name")
    elif "node_modules" in folder.split("/") and not _is_fixture(folder):
        message = f"{path} stands in for an installed package"
        yield rejects("shadow-module", message, fix="declare the dependency, and let it be installed")
    elif _is_wrapper(path, last):
        message = f"{path} is called like a program that judges the change"
        yield asks("shadow-program", message, fix="give it another name")
    if _REPORTS.search(path) and not _is_fixture(folder):
        yield asks("report-forged", f"{path} is called like a report that a test run writes", fix="leave it to the run")


def _is_wrapper(path: str, last: str) -> bool:
    stem = last.removesuffix(".sh").removesuffix(".cmd").removesuffix(".exe")
    return stem in _PROGRAMS and (last == stem or "bin" in path.split("/")[:-1])


def _is_fixture(folder: str) -> bool:
    return is_test(f"{folder}/x") or any(part in ("fixtures", "__fixtures__", "fixture", "spec") for part in folder.split("/"))


def _import_roots(tree: frozenset[str]) -> frozenset[str]:
    """Folders from which Python imports while tests run: the root, `src`, and those of tests that are no packages."""
    tests = {posixpath.dirname(path) for path in tree if path.endswith(".py") and is_test_code(path)}
    return frozenset({"", "src", "lib"} | {folder for folder in tests if f"{folder}/__init__.py" not in tree})


def _by_kind(pair: FilePair) -> Iterator[Sign]:
    if pair.head is not None and not pair.path.endswith(_LOADED):
        return
    kind = next((kind for magic, kind in _MAGICS if pair.content.startswith(magic)), None)
    if kind is None and pair.path.endswith(_LOADED):
        kind = "code in binary form"
    if kind is None and pair.path.lower().endswith(_MEDIA):
        return
    message = f"nobody can read what is in it: {kind or 'a binary file'}"
    yield asks("binary-added", message, fix="build it from source, or let a person vouch for it")
