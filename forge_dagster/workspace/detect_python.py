"""What a Python project is, read from the files of its folder."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from forge_dagster.domain.foreign import load_toml
from forge_dagster.domain.project import PythonProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.detect_files import Folder, below
from forge_dagster.workspace.requirements import (
    declared_names,
    ini_sections,
    names,
    requirement_lines,
    setup_declarations,
    table,
)
from forge_dagster.workspace.task_commands import task_commands
from forge_dagster.workspace.task_runners import Asked, asked_for

PYTHON_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile")
"""What makes a folder a Python project."""
PYTHON_LOCKS = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm", "Pipfile.lock": "pip"}
_CONFIGURATION_ENDINGS = (".toml", ".ini", ".cfg", ".yaml", ".yml", ".json", ".jsonc", ".json5")
_CONFIGURATION_PYTHON = ("conftest.py", "noxfile.py", "setup.py", "tasks.py", "dodo.py")
_REQUIREMENT_FOLDERS = ("requirements", "reqs", "tests", "test")
_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".pyx", ".pxd", ".rs", "CMakeLists.txt", "meson.build")
_BUILD_FILES = (".toml", "setup.py")


def python_project(
    root: Path,
    directory: str,
    files: tuple[str, ...],
    folders: Mapping[str, set[str]],
    *,
    workspace: str | None = None,
    native_files: tuple[str, ...] | None = None,
) -> PythonProject:
    """The project in `directory`. `native_files`: those of its workspace, where it is a member of one (else its own).

    Raises WorkspaceError for a pyproject.toml that cannot be read.
    """
    folder = Folder(root, directory)
    there = folders.get(directory, set())
    pyproject = read_pyproject(folder) if "pyproject.toml" in there else {}
    lock = next((name for name in PYTHON_LOCKS if name in there), None)
    setup_cfg, tox_ini = folder.text("setup.cfg"), folder.text("tox.ini")
    requires, extras = setup_declarations(folder.text("setup.py"), setup_cfg)
    requirement_files = _requirement_files(directory, files)
    asked = asked_for(pyproject, folder.text)
    declared = [*requires, *(item for items in extras.values() for item in items), *_pipfile_names(folder)]
    declared += [line for path in requirement_files for line in requirement_lines(path, folder.text)]
    declared += _asked_lines(asked, folder.text)
    return PythonProject(
        directory=directory,
        workspace=workspace,
        manager=_manager(lock, pyproject) if workspace is None else "uv",
        pyproject=pyproject,
        configuration_files=configuration_files(directory, folders),
        ini_sections=ini_sections(setup_cfg or "") | ini_sections(tox_ini or ""),
        requirement_files=requirement_files,
        lock_file=lock,
        dependencies=declared_names(pyproject) | names(declared),
        tasks=task_commands(pyproject, folder.text, _below(directory, files)),
        native_files=native_sources(directory, files) if native_files is None else native_files,
    )


def _below(directory: str, files: tuple[str, ...]) -> tuple[str, ...]:
    prefix = f"{directory}/" if directory else ""
    return tuple(path[len(prefix) :] for path in files if path.startswith(prefix))


def read_pyproject(folder: Folder) -> dict[str, Any]:
    """pyproject.toml; an empty one where there is none. Raises WorkspaceError."""
    try:
        return load_toml(folder.text("pyproject.toml") or "")
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(
            f"{folder.where('pyproject.toml')} is not valid TOML: {error}", hint="correct the file; every Python tool reads it"
        ) from error


def declares_package(folder: Folder, there: Iterable[str]) -> bool:
    """Whether the folder holds a project of its own, and no mere settings of tools or a list of what something else needs."""
    if "setup.py" in there:
        return True
    if "pyproject.toml" in there:
        pyproject = read_pyproject(folder)
        if "project" in pyproject or "build-system" in pyproject or table(pyproject, "tool", "poetry"):
            return True
    return "setup.cfg" in there and "metadata" in ini_sections(folder.text("setup.cfg") or "")


def native_sources(directory: str, files: Iterable[str]) -> tuple[str, ...]:
    """Sources that an installation of the project compiles, with what says how; nothing where it compiles none."""
    prefix = below(directory)
    found = [path for path in files if path.startswith(prefix) and path.endswith((*_COMPILED, *_BUILD_FILES))]
    return tuple(found) if any(path.endswith(_COMPILED) for path in found) else ()


def configuration_files(directory: str, folders: Mapping[str, set[str]]) -> frozenset[str]:
    """What may configure a tool, by its name: in the project's folder and at the repository's root."""
    there = folders.get(directory, set()) | folders.get("", set())
    return frozenset(
        name
        for name in there
        if name.startswith(".") or name.endswith(_CONFIGURATION_ENDINGS) or ".config." in name or name in _CONFIGURATION_PYTHON
    )


def _manager(lock: str | None, pyproject: Mapping[str, Any]) -> str:
    if lock is not None:
        return PYTHON_LOCKS[lock]
    tools = table(pyproject, "tool")
    return next((name for name in ("poetry", "pdm", "uv") if name in tools), "pip")


def _requirement_files(directory: str, files: tuple[str, ...]) -> tuple[str, ...]:
    """requirements*.txt, *-requirements.txt, requirements/*.txt and tests/requirements*.txt, relative to the project, the plain
    one first; of pip-tools' sources (.in) those that were not compiled.
    """
    prefix = below(directory)
    found = []
    for path in files:
        if not path.startswith(prefix) or not path.endswith((".txt", ".in")):
            continue
        relative = path[len(prefix) :]
        folder, _, name = relative.rpartition("/")
        if "requirements" not in name and folder not in ("requirements", "reqs"):
            continue
        if folder == "" or folder in _REQUIREMENT_FOLDERS:
            found.append(relative)
    compiled = {name.removesuffix(".txt") for name in found if name.endswith(".txt")}
    kept = [name for name in found if name.endswith(".txt") or name.removesuffix(".in") not in compiled]
    return tuple(sorted(kept, key=lambda name: (name != "requirements.txt", name)))


def _asked_lines(asked: Iterable[Asked], read: Callable[[str], str | None]) -> list[str]:
    """The requirements that tox, nox or Hatch install, those in files included."""
    found: list[str] = []
    for each in asked:
        found += each.requirements
        found += [line for path in each.files for line in requirement_lines(path, read)]
    return found


def _pipfile_names(folder: Folder) -> list[str]:
    try:
        content = load_toml(folder.text("Pipfile") or "")
    except tomllib.TOMLDecodeError:
        return []
    return [name for section in ("packages", "dev-packages") for name in table(content, section)]
