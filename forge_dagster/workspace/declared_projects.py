"""What a project without a uv.lock declares, where all of it comes from the package index under the same names for anybody.

poetry.lock, pdm.lock and requirement files with versions say what is taken; ranges alone mean what the index has on that day.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.domain.project import PythonProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.pinned_projects import LeftOpen, PinnedProject, build_requirements, read_once, set_elsewhere
from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.requirement_files import plain_lines
from forge_dagster.workspace.requirements import (
    checked_requirement,
    normalised,
    poetry_requirement,
    requirement_name,
    strings,
    table,
)
from forge_dagster.workspace.uv_arguments import attempts

_HASHED = re.compile(r"(.+?)((?:\s+--hash[=\s]sha256:[0-9a-f]{64})+)")
_IN_PLACE = re.compile(r"(?:-e\s*|--editable[\s=]+)?\.")
_UV_SETTINGS = frozenset({"dev-dependencies", "package", "default-groups", "required-version"})
"""Of [tool.uv], what changes nothing of what these requirements mean."""
_POETRY_WORDS = frozenset({"version", "extras", "optional", "markers", "allow-prereleases"})
"""Of a dependency of Poetry's, what is understood here: all else names another source, or other requirements elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredProject(PinnedProject):
    """Such a project."""

    attempts: tuple[tuple[str, ...], ...]
    """Requirements, of those that are tried in turn (uv_arguments.py)."""
    constraints: tuple[str, ...] = ()
    as_of: str = ""
    """The day, where what is taken depends on it."""

    def identity(self) -> tuple[str, ...]:
        return "declared", json.dumps([self.attempts, self.constraints, sorted(self.names)]), self.as_of


def declared_project(
    python: PythonProject, plan: PythonPlan, project: Path, constraints: tuple[str, ...], today: str
) -> DeclaredProject | None:
    """The project in `project`, read without running anything; None where it asks for more than names from the index.

    `constraints`: what its lock pins (locked_versions). `today`: without such, a range is what the index has on that day.
    """
    settings = table(python.pyproject, "tool", "uv").keys() - _UV_SETTINGS
    if plan.way != "install" or settings or python.native_files or set_elsewhere(project):
        return None
    try:
        name = _name(python.pyproject) if plan.editable else ""
        files = {path: _file_lines(path, project, in_place=plan.editable) for path in (*plan.files, *plan.wide_files)}
        tried = []
        for attempt in attempts(plan):
            own = _own(python.pyproject, attempt.extras) if plan.editable else ()
            listed = [line for path in (*attempt.files, *attempt.wide_files) for line in files[path]]
            declared = (*attempt.test_requirements, *attempt.lint_requirements, *attempt.wide_requirements)
            tried.append(_checked((*own, *attempt.requirements, *declared, *listed)))
    except (OSError, ValueError, LeftOpen, WorkspaceError):
        return None
    if plan.editable and (plan.own_requirements is None or not plan.own_builder):
        return None
    return DeclaredProject(
        in_place=(".",) if plan.editable else (),
        names=frozenset({name} - {""}),
        build_requirements=build_requirements([dict(python.pyproject)]) if plan.editable else (),
        attempts=tuple(dict.fromkeys(tried)),
        constraints=constraints,
        as_of="" if constraints or all(_is_exact(line) for lines in tried for line in lines) else today,
    )


def _name(pyproject: Mapping[str, Any]) -> str:
    name = table(pyproject, "project").get("name") or table(pyproject, "tool", "poetry").get("name")
    if not isinstance(name, str):
        raise LeftOpen
    return normalised(name)


def _own(pyproject: Mapping[str, Any], extras: Iterable[str]) -> tuple[str, ...]:
    """What the project itself requires, with these extras. Raises LeftOpen where only its build backend knows."""
    project, poetry = table(pyproject, "project"), table(pyproject, "tool", "poetry")
    if {"dependencies", "optional-dependencies"} & set(strings(project.get("dynamic"))):
        raise LeftOpen
    if "dependencies" not in project and table(poetry, "dependencies"):
        return tuple(_poetry_lines(poetry, extras))
    list(_poetry_lines(poetry, ()))  # beside [project] it can only say where something comes from
    optional = {normalised(name): strings(lines) for name, lines in table(project, "optional-dependencies").items()}
    found = list(strings(project.get("dependencies")))
    waiting = [normalised(name) for name in extras]
    own, seen = _name(pyproject), set(waiting)
    while waiting:
        for line in optional.get(waiting.pop(), ()):
            if requirement_name(line) != own:
                found.append(line)
                continue
            more = {normalised(extra) for extra in _extras(line)} - seen
            seen |= more
            waiting += sorted(more)
    return tuple(found)


def _is_exact(line: str) -> bool:
    from packaging.requirements import Requirement

    clauses = Requirement(line.partition(" --hash")[0]).specifier
    return any(clause.operator in ("==", "===") and not clause.version.endswith(".*") for clause in clauses)


def _extras(line: str) -> set[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(line).extras
    except InvalidRequirement as error:
        raise LeftOpen from error


def _poetry_lines(poetry: Mapping[str, Any], extras: Iterable[str]) -> Iterable[str]:
    """Requirements of [tool.poetry.dependencies]. Raises LeftOpen for what is not simply a version from the index."""
    groups = table(poetry, "extras")
    wanted = {normalised(name) for extra in extras for name in strings(groups.get(extra))}
    for name, value in table(poetry, "dependencies").items():
        if name == "python":
            continue
        details = value if isinstance(value, dict) else {}
        if isinstance(value, list) or details.keys() - _POETRY_WORDS:
            raise LeftOpen
        if details.get("optional") is True and normalised(name) not in wanted:
            continue
        line, markers = poetry_requirement(name, value), details.get("markers")
        if line is None:
            raise LeftOpen
        yield f"{line} ; {markers}" if isinstance(markers, str) else line


def _file_lines(path: str, project: Path, *, in_place: bool) -> tuple[str, ...]:
    """What a requirement file and those it includes ask for; the project itself in place is left out where it is one.

    Raises LeftOpen, OSError and ValueError for what is not plain, elsewhere, or cannot be read.
    """
    lines = plain_lines(path, lambda name: read_once(project, name).decode("utf-8-sig"))
    return tuple(line for line in lines if not (in_place and _IN_PLACE.fullmatch(line)))


def _checked(lines: Iterable[str]) -> tuple[str, ...]:
    """The same lines, written in one way. Raises WorkspaceError for what is not on the index."""
    found: dict[str, None] = {}
    for line in lines:
        hashed = _HASHED.fullmatch(line)
        requirement = checked_requirement(hashed[1] if hashed else line)
        found[" ".join((requirement, *(hashed[2].split() if hashed else ())))] = None
    return tuple(found)
