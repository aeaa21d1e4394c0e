"""Which Python a project is checked with, among those of this machine."""

import platform
import re
import sys
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.uv_runs import Log, UvRuns

_VERSION = re.compile(r"\d+(?:\.\d+){0,2}")
_SPECIFIER = re.compile(r"[\s\w.,*<>=!~+-]+")
"""What names versions of Python and no file, which uv would run."""


def interpreter(plan: PythonPlan, uvs: UvRuns, home: Path, log: Log) -> str:
    """Forge's own Python where the project accepts it, so that results do not depend on what else there is."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    own, requires = platform.python_version(), plan.requires_python
    try:
        accepted = SpecifierSet(requires).contains(own, prereleases=True)
        requires = requires if _SPECIFIER.fullmatch(requires) else ""
    except InvalidSpecifier:
        log(f"requires-python {requires!r} cannot be read and is ignored")
        accepted, requires = True, ""
    wanted = _VERSION.match(plan.python_version)
    if accepted and (wanted is None or f"{own}.".startswith(f"{wanted[0]}.")):
        return sys.executable
    for request in (*((wanted[0],) if wanted else ()), *((requires,) if requires else ())):
        # trusted: it looks at the interpreters of this machine, from a folder with nothing of the project
        asking = ("python", "find", "--no-project", "--system", "--", request)
        found = uvs.uv(asking, home, log=lambda _: None, trusted=True)
        if found.exit_code == 0:
            return found.stdout.decode().strip()
    if accepted:
        log(f".python-version asks for {plan.python_version}, which is not on this machine; using {own}")
        return sys.executable
    raise WorkspaceError(
        f"the project requires Python {plan.requires_python}, and there is none on this machine (Forge runs on {own})",
        hint="install that Python (for example with `uv python install`); Forge downloads none by itself",
    )
