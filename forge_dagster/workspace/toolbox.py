"""Forge's own tools, for repositories that chose none: pinned by locks that ship with Forge, installed when first needed."""

import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.project import Language
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Run
from forge_dagster.workspace.node_environments import NodeEnvironments
from forge_dagster.workspace.python_environments import PythonEnvironments

LOCKS = Path(__file__).parents[1] / "toolbox"
"""Locks that ship with Forge: python/<package>.lock and node/<package>/ where a tool needs an environment of its own."""
COMMON = "common"
"""Name of the lock that serves every other tool of its language."""
DOMAIN = "toolbox"
"""Trust domain of what Forge's own tools are installed from: no repository's code runs with its cache."""


class Toolbox:
    """Environments of Forge's own tools under `home/toolbox/<domain>/`: configuration that a change brings runs in them, and
    may write there, so each trust domain has its own.
    """

    def __init__(self, home: Path, run: Run, *, domain: str = "local") -> None:
        self._home = home
        self._run = run
        self._domain = domain

    def environment(self, language: Language | None, package: str, *, log: Callable[[str], None]) -> Environment:
        """The environment that holds `package`; no language: Forge's own. Raises WorkspaceError when it is not to be had."""
        if language is Language.TYPESCRIPT:
            tools = NodeEnvironments(self._home, self._run, domain=DOMAIN)
            found = tools.locked_tools(_node_source(package), folder=self._domain, log=log)
        elif language is None and not _own_lock(package).exists():
            found = own_environment(package)
        else:
            lock = _own_lock(package) if _own_lock(package).exists() else LOCKS / "python" / f"{COMMON}.lock"
            installed = PythonEnvironments(self._home, self._run, domain=DOMAIN)
            found = installed.locked_tools(lock, folder=self._domain, log=log)
        if package not in found.versions:
            raise WorkspaceError(
                f"{package} is not among Forge's own tools", hint="add it to the repository's own dependencies"
            )
        return found


def pinned_version(language: Language | None, package: str) -> str | None:
    """The version of `package` among Forge's own tools, installing nothing; None where it is not among them."""
    try:
        if language is Language.TYPESCRIPT:
            lock = json.loads((_node_source(package) / "package-lock.json").read_text("utf-8"))
            return str(lock["packages"][f"node_modules/{package}"]["version"])
        if language is None and not _own_lock(package).exists():
            return importlib.metadata.version(package)
        own = _own_lock(package)
        text = (own if own.exists() else LOCKS / "python" / f"{COMMON}.lock").read_text("utf-8")
    except (OSError, ValueError, KeyError, importlib.metadata.PackageNotFoundError):
        return None
    match = re.search(rf"^{re.escape(package)}==([\w.+!-]+)", text, re.MULTILINE)
    return None if match is None else match[1]


def _node_source(package: str) -> Path:
    """The lock of an environment of the package's own, else the common one."""
    own = LOCKS / "node" / package.removeprefix("@").replace("/", "+")
    return own if own.is_dir() else LOCKS / "node" / COMMON


def _own_lock(package: str) -> Path:
    """The lock of an environment of the package's own: scanners need what other tools need in other versions."""
    return LOCKS / "python" / f"{package}.lock"


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
