"""Who imports whom among the JavaScript and TypeScript files of a repository, from what dependency-cruiser tells."""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.import_cycles import Graph

_LATER = frozenset({"type-only", "type-import", "dynamic-import", "triple-slash-type-reference", "jsdoc", "jsdoc-import-tag"})
"""Kinds of dependencies (dependency-cruiser, rules reference, "dependencyTypes") that loading a module does not follow."""
_SPECIFIER = re.compile(r"""["']([^"'\n]+)["']""")
_ENDING = re.compile(r"\.[cm]?[jt]sx?$")


def cruised_graph(data: bytes, is_source: Callable[[str], bool], *, directory: str = "") -> Graph | None:
    """The graph of product code in dependency-cruiser's JSON report, whose paths count from `directory`.

    Lines are not in the report: each is 0. None when it is no such report; never raises.
    """
    try:
        modules = load_json(data)["modules"]
        found: dict[str, dict[str, int]] = {}
        for module in modules:
            path = posixpath.normpath(posixpath.join(directory, str(module["source"])))
            if is_source(path):
                names = (posixpath.normpath(posixpath.join(directory, name)) for name in _loaded(module["dependencies"]))
                found[path] = {target: 0 for target in names if target != path}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return {path: {target: 0 for target in targets if target in found} for path, targets in found.items()}


def _loaded(dependencies: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for dependency in dependencies:
        later = dependency.get("dynamic") or dependency.get("typeOnly") or not _LATER.isdisjoint(dependency["dependencyTypes"])
        if not later:
            yield str(dependency["resolved"])


def line_of_import(text: str, target: str) -> int:
    """The first line on which something is quoted that names the file `target`, by its last folder or file name; 0: none."""
    stem = _ENDING.sub("", posixpath.basename(target))
    wanted = {stem, posixpath.basename(posixpath.dirname(target))} if stem == "index" else {stem}
    for number, line in enumerate(text.splitlines(), 1):
        for specifier in _SPECIFIER.findall(line):
            if _ENDING.sub("", posixpath.basename(specifier.rstrip("/"))) in wanted and ("import" in text or "require" in text):
                return number
    return 0
