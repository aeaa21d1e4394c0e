"""What uv is told to install, made of a plan."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.requirement_files import edits_in_place, index_lines


def sync_arguments(plan: PythonPlan, interpreter: str, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """What makes an environment what uv.lock says, with the extras and groups that are `chosen`."""
    packages = ("--all-packages",) if plan.workspace else ()
    return ("sync", "--frozen", "--no-progress", "--python", interpreter, *packages, *chosen)


def attempts(plan: PythonPlan) -> tuple[PythonPlan, ...]:
    """The plan, and what to try after it where there is no solution: each without what is needed least of the one before."""
    narrow = replace(plan, wide_files=(), wide_requirements=())
    without_linters = replace(narrow, lint_requirements=())
    declared = replace(without_linters, test_requirements=())
    found = [plan, narrow, without_linters, declared]
    if plan.least or plan.least_extras:
        found.append(replace(declared, requirements=plan.least, extras=plan.least_extras))
    return tuple(dict.fromkeys(found))


def ready_as_wheels(plan: PythonPlan, project: Path) -> tuple[PythonPlan | None, bool]:
    """What of the plan can be installed as wheels, with nothing of the project that could run, and whether it is all."""
    if plan.editable and plan.own_requirements is None:
        return None, False
    files = (*plan.files, *plan.wide_files)
    ready = replace(plan, editable=False, requirements=(*plan.requirements, *(plan.own_requirements or ())))
    if not edits_in_place(files, project):
        return ready, not plan.editable
    lines = index_lines(files, project)
    if lines is None:
        return None, False
    return replace(ready, files=(), wide_files=(), requirements=(*ready.requirements, *lines)), False


def requirement_file(requirements: Sequence[str], scratch: Path) -> str:
    """A file of these lines; a "requirement" that is an option would choose another index."""
    path = scratch / "declared.txt"
    lines = [" ".join(line.replace("\ufeff", " ").split()).rstrip("\\") for line in requirements]
    path.write_text("\n".join(line for line in lines if not line.startswith("-")), encoding="utf-8")
    return str(path)


def install_arguments(plan: PythonPlan, constraints: tuple[str, ...], scratch: Path) -> tuple[str, ...]:
    """What `uv pip install` is to install; nothing where the plan has nothing. Lists are written into `scratch`."""
    arguments: list[str] = []
    for name in (*plan.files, *plan.wide_files):
        arguments += ["-r", name]
    requirements = all_requirements(plan)
    if requirements:
        arguments += ["-r", requirement_file(requirements, scratch)]
    if constraints:
        path = scratch / "locked.txt"
        path.write_text("\n".join(constraints), encoding="utf-8")
        arguments += ["-c", str(path)]
    return (*arguments, *in_place(plan))


def all_requirements(plan: PythonPlan) -> tuple[str, ...]:
    """What is declared elsewhere than in requirement files."""
    return (*plan.requirements, *plan.test_requirements, *plan.lint_requirements, *plan.wide_requirements)


def in_place(plan: PythonPlan) -> tuple[str, ...]:
    """What installs the project itself in place, where it can be."""
    extras = f"[{','.join(plan.extras)}]" if plan.extras else ""
    return ("-e", f".{extras}") if plan.editable else ()
