"""What the runners of Python tests have in common: where the project is, its environment, and where a traceback leads."""

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Project
from forge_dagster.ports import ToolRequest

_FRAME = re.compile(
    r'^(?:E\s+)?\s*(?:File "(?P<a>[^"\n]+)", line (?P<b>\d+)|(?P<c>[^\s:][^:\n]*\.py):(?P<d>\d+):)', re.MULTILINE
)


def project_directory(request: ToolRequest) -> str:
    """The Python project's folder, from the repository's root."""
    return request.project.python.directory if request.project.python is not None else ""


def folder_below(project: Project, part: Project) -> str | None:
    """The folder of a part's Python project as seen from the first's, or None where it does not lie below."""
    if project.python is None or part.python is None:
        return None
    first, other = project.python.directory, part.python.directory
    if not first:
        return other
    return other.removeprefix(f"{first}/") if other.startswith(f"{first}/") else None


def within(request: ToolRequest, path: str) -> str:
    """A path of the repository as seen from the project's folder, in which the tests are run."""
    directory = project_directory(request)
    return posixpath.relpath(path, directory) if directory else path


def selected(request: ToolRequest, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the selection's `paths` that are Python and belong to this project, as seen from its folder."""
    directory = project_directory(request)
    prefix = f"{directory}/" if directory else ""
    known = set(request.project.files)
    mine = [path for path in paths if path.endswith(".py") and path.startswith(prefix) and path in known]
    # a name that begins with "-" would be taken for an option
    return tuple(f"./{name}" if name.startswith("-") else name for path in mine for name in [path[len(prefix) :]])


def variables(request: ToolRequest) -> Mapping[str, str]:
    """The environment of the tests.

    CI=1 tells test suites that nobody watches. With a seed it is left out: hypothesis then takes its profile "ci", which draws
    the same examples whatever the seed (hypothesis.readthedocs.io, "settings profiles"). What hypothesis keeps goes beside the
    reports, and not into the tree.
    """
    return {
        **(request.environment.variables if request.environment is not None else {}),
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"CI": "1"} if request.selection.seed is None else {}),
        "COVERAGE_FILE": str(request.report / ".coverage"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(request.report.parent / "hypothesis"),
        **request.variables,
    }


def measured_folders(request: ToolRequest) -> tuple[str, ...]:
    """What is measured, whatever the configuration says: the whole project, and `src` once more, since coverage.py finds files
    that nobody imports only in packages and at the top of what it is given.
    """
    directory = project_directory(request)
    prefix = f"{directory}/src/" if directory else "src/"
    return (".", "src") if any(path.startswith(prefix) for path in request.project.files) else (".",)


def working_folder(request: ToolRequest) -> Path:
    """Where the tests are run: the project's folder."""
    return request.root / project_directory(request)


def place(request: ToolRequest, text: str, own: str | None) -> tuple[str | None, int | None]:
    """Where a traceback leads: its last frame in the file `own`, else its last frame in the repository."""
    directory = project_directory(request)
    found: tuple[str | None, int | None] = (None, None)
    known = set(request.project.files)
    for frame in _FRAME.finditer(text):
        path = inside(request.root, frame["a"] or frame["c"], directory=directory)
        line = int((frame["b"] or frame["d"])[:8])
        if path is None or line < 1 or (known and path not in known):
            continue
        if path == own or own is None or found[0] != own:
            found = (path, line)
    return found
