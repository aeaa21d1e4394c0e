"""Forge's own tools, for repositories that chose none: pinned by locks that ship with Forge, installed when first needed."""

import importlib.metadata
import os
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from forge_dagster.domain.project import Language
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Run
from forge_dagster.workspace.node_environments import NodeEnvironments
from forge_dagster.workspace.python_environments import PythonEnvironments

DOMAIN = "toolbox"
"""Trust domain of Forge's own tools: no repository's code runs with its cache."""


class Toolbox:
    """Environments of Forge's own tools under `home/toolbox/`."""

    def __init__(self, home: Path, run: Run) -> None:
        self._home = home
        self._run = run

    def environment(self, language: Language | None, package: str, *, log: Callable[[str], None]) -> Environment:
        """The environment that holds `package`; no language: Forge's own. Raises WorkspaceError when it is not to be had."""
        if language is None:
            found = own_environment(package)
        elif language is Language.PYTHON:
            lock = self._lock_folder() / "python.lock"
            found = PythonEnvironments(self._home, self._run, domain=DOMAIN).locked_tools(lock, log=log)
        else:
            found = NodeEnvironments(self._home, self._run, domain=DOMAIN).locked_tools(self._lock_folder() / "node", log=log)
        if package not in found.versions:
            raise WorkspaceError(
                f"{package} is not among Forge's own tools", hint="add it to the repository's own dependencies"
            )
        return found

    def _lock_folder(self) -> Path:
        return Path(str(resources.files("forge_dagster") / "toolbox"))


def own_environment(package: str) -> Environment:
    """The environment that Forge itself runs in, where programs such as Kingfisher's come from PyPI with Forge."""
    directory = Path(sys.executable).parent
    try:
        versions = {package: importlib.metadata.version(package)}
    except importlib.metadata.PackageNotFoundError as error:
        raise WorkspaceError(f"{package} is not installed beside Forge", hint="reinstall forge-dagster") from error
    path = f"{directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Environment(
        language=Language.PYTHON,
        bin_directories=(directory,),
        python=Path(sys.executable),
        versions=versions,
        variables={"PATH": path},
    )
