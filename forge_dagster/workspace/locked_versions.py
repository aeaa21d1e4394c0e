"""Which version of a package a repository's lock pins, read without installing anything: for explanations only."""

import re
from pathlib import Path

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.project import Language, Project
from forge_dagster.workspace.detect_files import Folder, below
from forge_dagster.workspace.detect_node import NODE_LOCKS
from forge_dagster.workspace.requirements import normalised, requirement_lines, requirement_name, table

_VERSION = r"(\d[\w.+!-]{0,60})"


def locked_version(project: Project, *, root: Path, language: Language, package: str) -> tuple[str, str] | None:
    """(Version, the lock that says so) of the package; None where no lock pins it."""
    if language is Language.PYTHON and project.python is not None:
        python = project.python
        places = [python.directory, *([] if python.workspace is None else [python.workspace])]
        return next((found for place in places if (found := _python(Folder(root, place), place, package))), None)
    if language is Language.TYPESCRIPT and project.node is not None:
        node = project.node
        places = [node.directory, *([] if node.workspace is None else [node.workspace])]
        return next((found for place in places if (found := _node(Folder(root, place), place, package))), None)
    return None


def _python(folder: Folder, place: str, package: str) -> tuple[str, str] | None:
    for lock in ("uv.lock", "poetry.lock", "pdm.lock"):
        pattern = rf'^name = "{re.escape(package)}"\nversion = "{_VERSION}"'
        match = re.search(pattern, folder.text(lock) or "", re.MULTILINE)
        if match is not None:
            return match[1], f"{below(place)}{lock}"
    for path in ("requirements.txt", "requirements-dev.txt", "requirements/dev.txt", "dev-requirements.txt"):
        for line in requirement_lines(path, folder.text):
            exact = re.search(rf"==\s*{_VERSION}", line)
            if exact is not None and requirement_name(line) == normalised(package):
                return exact[1], f"{below(place)}{path}"
    return None


def _node(folder: Folder, place: str, package: str) -> tuple[str, str] | None:
    for lock in NODE_LOCKS:
        text = None if lock.endswith("b") else folder.text(lock)
        version = None if text is None else _of_lock(lock, text, package)
        if version is not None:
            return version, f"{below(place)}{lock}"
    return None


def _of_lock(lock: str, text: str, package: str) -> str | None:
    name = re.escape(package)
    if lock.endswith(".json"):
        try:
            found = table(load_json(text), "packages", f"node_modules/{package}").get("version")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, str) else None
    if lock == "pnpm-lock.yaml":
        match = re.search(rf"^ +'?{name}'?:\n +specifier: [^\n]*\n +version: '?{_VERSION}", text, re.MULTILINE)
        match = match or re.search(rf"^ +'?/?{name}[@/]{_VERSION}", text, re.MULTILINE)
    elif lock == "yarn.lock":
        match = re.search(rf'^"?{name}@[^\n]*:\n +version:? "?{_VERSION}', text, re.MULTILINE)
    else:
        match = re.search(rf'"{name}": \["{name}@{_VERSION}"', text)
    return match[1].rstrip("(") if match is not None else None
