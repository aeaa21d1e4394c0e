"""In which folders of a repository its projects are."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from forge_dagster.domain.globs import matches
from forge_dagster.workspace.detect_files import IGNORED_FOLDERS, below
from forge_dagster.workspace.detect_node import NODE_SOURCES
from forge_dagster.workspace.detect_python import PYTHON_FILES

_EXAMPLES = frozenset(
    (
        "example", "examples", "demo", "demos", "sample", "samples", "docs", "doc", "website", "site", "test", "tests",
        "__tests__", "testdata", "fixtures", "__fixtures__", "benchmark", "benchmarks", "bench", "template", "templates",
        "vendor", "third_party",
    )
)  # fmt: skip
_SECONDARY = _EXAMPLES | {"scripts", "tools"}
"""Folders whose projects are looked at only where there is no other."""
_NO_PARTS = _EXAMPLES | {"vendors", "vendored", "_vendor", "sandbox", "fixture", "dist"}
"""Folders whose projects are never parts: nothing of the product is made of them."""
_ALTERNATIVES = 64
"""Patterns that the braces of one pattern may stand for."""


def choose(folders: Mapping[str, set[str]], files: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Folders of the first Python and of the first Node project.

    The root wins; else the one nearest to it, then the one with most sources, then by name; folders such as `examples` and
    `docs` count only where nothing else is.
    """
    python = [folder for folder, there in folders.items() if there.intersection(PYTHON_FILES)]
    node = [folder for folder, there in folders.items() if "package.json" in there]
    for candidates in (_primary, _secondary):
        chosen = (_best(candidates(python), files, (".py",)), _best(candidates(node), files, NODE_SOURCES))
        if chosen != (None, None):
            return chosen
    if any(path.endswith(".py") for path in files):
        return "", None
    return None, None


def near(folder: str) -> bool:
    """Whether a folder is at most two below the root, and neither hidden, installed nor a template's."""
    parts = folder.split("/") if folder else []
    return len(parts) <= 2 and not IGNORED_FOLDERS.intersection(parts)


def may_be_part(folder: str, *, within: str = "") -> bool:
    """Whether a project in `folder` may be a part: no example, fixture or template, as seen from `within`."""
    parts = folder[len(below(within)) :].split("/")
    odd = any(part.startswith(".") or "playground" in part or any(sign in part for sign in "{}$") for part in parts)
    return not odd and not _NO_PARTS.intersection(parts) and not IGNORED_FOLDERS.intersection(parts)


def members(patterns: Iterable[str], folders: Iterable[str], *, root: str) -> tuple[str, ...]:
    """Those of the folders that the patterns of a workspace at `root` name; "!" takes away what earlier ones gave.

    As in package.json's workspaces, pnpm-workspace.yaml and lerna.json (docs.npmjs.com, pnpm.io): relative to the root, `*`
    within a folder's name, `**` across folders, braces for alternatives.
    """
    candidates = [folder for folder in folders if folder != root and folder.startswith(below(root))]
    chosen: dict[str, None] = {}
    for pattern in patterns:
        negated = pattern.startswith("!")
        for each in _alternatives(pattern.removeprefix("!").strip()):
            text = f"/{each.removeprefix('./').strip('/')}"
            if text == "/" or ".." in text.split("/") or _costly(text):
                continue
            found = [folder for folder in candidates if matches(folder[len(below(root)) :], text)]
            for folder in found:
                if negated:
                    chosen.pop(folder, None)
                else:
                    chosen[folder] = None
    return tuple(folder for folder in chosen if may_be_part(folder, within=root))


def _alternatives(pattern: str) -> list[str]:
    """`{a,b}/*` as `a/*` and `b/*`."""
    waiting, done = [pattern], list[str]()
    while waiting and len(waiting) + len(done) <= _ALTERNATIVES:
        text = waiting.pop()
        braces = re.search(r"\{([^{}]*)\}", text)
        if braces is None:
            done.append(text)
        else:
            waiting += [f"{text[: braces.start()]}{each}{text[braces.end() :]}" for each in braces[1].split(",")]
    return done


def _costly(pattern: str) -> bool:
    """Whether matching could take more time than any honest pattern needs."""
    return len(pattern) > 200 or pattern.count("**") > 2 or any(part.count("*") > 3 for part in pattern.split("/"))


def _primary(folders: list[str]) -> list[str]:
    return [folder for folder in folders if not _SECONDARY.intersection(folder.split("/")) and near(folder)]


def _secondary(folders: list[str]) -> list[str]:
    return [folder for folder in folders if near(folder)]


def _best(candidates: list[str], files: tuple[str, ...], endings: tuple[str, ...]) -> str | None:
    def rank(folder: str) -> tuple[int, int, str]:
        prefix = below(folder)
        return (len(PurePosixPath(folder).parts), -sum(f.startswith(prefix) and f.endswith(endings) for f in files), folder)

    return min(candidates, key=rank, default=None)
