"""As of when the tools are chosen that a repository uses and pins nowhere.

A linter that was released after the commit says what nobody could have heeded: its authors saw the tree pass with the releases
of their day. So, where the work tree is the user's own, tools that judge taste are taken as they were then. What the product
itself needs is not: known flaws and incompatibilities of today's releases are facts.
"""

import datetime
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.requirements import names

_TOOLS = (
    "ruff", "black", "isort", "flake8", "pycodestyle", "pyflakes", "mccabe", "pydocstyle", "pep8-naming", "pylint", "mypy",
    "pyright", "basedpyright", "bandit", "import-linter", "tach", "pytest", "hypothesis",
)  # fmt: skip
_KINDS = re.compile(r"(flake8|pytest|types|pylint|mypy)-.+|.+-stubs")
_RELEASED = {11: (2022, 10, 24), 12: (2023, 10, 2), 13: (2024, 10, 7), 14: (2025, 10, 7)}
"""Minor version of Python 3 -> the day of its first release (peps.python.org, PEP 664, 693, 719, 745)."""
_GRACE = datetime.timedelta(days=365)
"""How long packages take to run on a new Python; older releases of them may not."""
_AFTER = datetime.timedelta(days=1)
"""The checks of a commit run after it."""


def committed(project: Path, run: Run) -> datetime.datetime | None:
    """When the commit that is checked out at `project` was made; None where there is none to ask."""
    try:
        said = GitRepository(project, run, user_configuration=True).try_git("log", "-1", "--format=%ct")
        return datetime.datetime.fromtimestamp(int(said.stdout), datetime.UTC) if said.exit_code == 0 else None
    except (WorkspaceError, ValueError, OverflowError, OSError):
        return None


def limits(commit: datetime.datetime | None, requirements: Iterable[str]) -> tuple[str, ...]:
    """uv's options that take the tools of that day: its own list, and those of its kind among `requirements`.

    No earlier than a year after the release of the Python that Forge runs on.
    """
    first = _RELEASED.get(sys.version_info.minor)
    if commit is None or first is None:
        return ()
    date = max(commit + _AFTER, datetime.datetime(*first, tzinfo=datetime.UTC) + _GRACE)
    tools = sorted({*_TOOLS, *(name for name in names(requirements) if _KINDS.fullmatch(name))})
    day = date.strftime("%Y-%m-%dT%H:%M:%SZ")
    return tuple(part for name in tools for part in ("--exclude-newer-package", f"{name}={day}"))
