"""Python environments, made by uv once per digest of what goes into them, and reused with no process at all."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.project import Language, PythonProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Run
from forge_dagster.workspace.declared_projects import declared_project
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.pinned_projects import PinnedProject
from forge_dagster.workspace.python_copies import link_environment, local_projects, on_path, put_on_path
from forge_dagster.workspace.python_frame import versions_in
from forge_dagster.workspace.python_installer import TEST_TOOLS, PythonInstaller
from forge_dagster.workspace.python_plan import PythonPlan, locked_versions
from forge_dagster.workspace.python_pristine import PristineEnvironments
from forge_dagster.workspace.requirements import checked_requirement, names, normalised
from forge_dagster.workspace.tool_dates import committed
from forge_dagster.workspace.trees import remove_tree
from forge_dagster.workspace.uv_locks import locked_project
from forge_dagster.workspace.uv_runs import INSTALL_TIMEOUT_S, uv_program

__all__ = ["INSTALL_TIMEOUT_S", "MARKER", "PythonEnvironments", "uv_program", "versions_in"]

MARKER = "forge-environment.json"
_ROOT = "forge-root"
"""The file that says which project an environment is for."""
_OF_ONE = frozenset({MARKER, _ROOT, ".forge-cache"})
"""What belongs to one environment alone."""
_LOCK_LIMIT = 32 * 1024 * 1024
"""Bytes of a lock that are looked at."""
_LOCKED_NAME = re.compile(r'^name = "([^"\n]{1,200})"', re.MULTILINE)

Log = Callable[[str], None]


class PythonEnvironments:
    """Environments under `home/environments/<domain>/`. What one trust domain wrote is never read by another."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._folder = home / "environments" / domain
        self._domain = domain
        self._run = run
        self._commit: datetime.datetime | None = None
        self._installer = PythonInstaller(home, run, domain=domain)
        self._pristine = PristineEnvironments(self._folder, run, self._installer, _machinery())

    def of(self, python: PythonProject, plan: PythonPlan, *, root: Path, tests: bool, log: Log) -> Environment:
        """The environment of the project at `root`. Raises WorkspaceError when it cannot be installed."""
        project = (root / python.directory).resolve()
        target, identity, exact = self._wanted(python, plan, project, tests)

        def build() -> None:
            if not self._linked(target, identity, python, plan, project, tests, log):
                self._build(target, python, plan, project, tests, log)

        made = self._made(target, build, log, "the project's dependencies", identity)
        return _with_digest(made, identity, exact=exact)

    def digest(self, python: PythonProject, plan: PythonPlan, *, root: Path, tests: bool) -> str | None:
        """The digest of what `of` gives, from files alone; None where only an installation would tell what is chosen."""
        target, identity, exact = self._wanted(python, plan, (root / python.directory).resolve(), tests)
        if exact:
            return identity
        found = _read(target)
        return None if found is None else _with_digest(found, identity, exact=False).digest

    def locked_tools(self, lock: Path, *, folder: str, log: Log) -> Environment:
        """Forge's own tools from a requirements file with hashes, for the trust domain `folder`."""
        identity = _digest(lock.read_text(encoding="utf-8"), *_machinery())
        target = self._home / "toolbox" / folder / f"python-{identity}"

        def build() -> None:
            self._installer.venv(target, sys.executable, log)
            self._installer.install_locked(target, lock, log)
            self._installer.finish(target, log)

        return _with_digest(self._made(target, build, log, "Forge's own Python tools"), identity, exact=True)

    def pinned(self, requirements: tuple[str, ...], *, log: Log) -> Environment:
        """An environment of exactly these requirements. Raises WorkspaceError when it cannot be had."""
        plain = tuple(sorted({checked_requirement(line) for line in requirements}))
        identity = _digest("pinned", *plain, *_machinery())
        target = self._folder / f"pinned-python-{identity}"

        def build() -> None:
            self._installer.venv(target, sys.executable, log)
            self._installer.install_exactly(target, plain, log)
            self._installer.finish(target, log)

        return _with_digest(self._made(target, build, log, " ".join(plain)), identity, exact=False)

    def _wanted(self, python: PythonProject, plan: PythonPlan, project: Path, tests: bool) -> tuple[Path, str, bool]:
        """Where the environment is or would be, what identifies it wherever the project lies, and whether a lock says all."""
        identity = _digest(plan.digest, *_machinery(), str(tests))
        exact = plan.way == "uv-lock" and _locked_fully(python, plan, project, tests)
        return self._folder / f"python-{_digest(identity, str(project))}", identity, exact

    def _made(self, target: Path, build: Callable[[], None], log: Log, what: str, identity: str = "") -> Environment:
        found = _read(target)
        if found is not None:
            return found
        with locked(target.with_suffix(".lock"), self._run):
            found = _read(target)
            if found is not None:
                return found
            self._prune()
            remove_tree(target)  # left half done by a killed worker
            log(f"installing {what}")
            build()
            _write_marker(target, identity)
        made = _read(target)
        assert made is not None
        return made

    def _build(self, target: Path, python: PythonProject, plan: PythonPlan, project: Path, tests: bool, log: Log) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        interpreter = self._installer.interpreter(plan, log)
        if plan.way == "uv-lock":
            self._installer.sync(target, plan, project, interpreter, log)
        else:
            self._installer.venv(target, interpreter, log)
            if not plan.empty:
                constraints, commit = locked_versions(python, project), self._as_of(project)
                self._installer.install_plan(target, plan, constraints, project, log, tests=tests, commit=commit)
        (target / _ROOT).write_text(str(project), encoding="utf-8")
        self._installer.complete(target, plan, tests=tests, log=log)
        self._installer.finish(target, log)

    def _as_of(self, project: Path) -> datetime.datetime | None:
        """When what is checked was committed. Of head and base, which are compared, the head is asked for first and counts.

        Not for what a server is sent: there a base tells whose doing a finding is, and the date is the author's to choose.
        """
        if self._domain == "local" and self._commit is None:
            self._commit = committed(project, self._run)
        return self._commit

    def _linked(
        self, target: Path, identity: str, python: PythonProject, plan: PythonPlan, project: Path, tests: bool, log: Log
    ) -> bool:
        """Whether `target` could be made by links: to a pristine one, or in the user's own trees to another checkout's."""
        found = self._pinned(python, plan, project)
        if found is not None and self._pristine.linked(target, found, plan, project, tests=tests, log=log):
            (target / _ROOT).write_text(str(project), encoding="utf-8")
            return True
        return self._domain == "local" and self._copied(target, identity, plan, project, log)

    def _pinned(self, python: PythonProject, plan: PythonPlan, project: Path) -> PinnedProject | None:
        if plan.way == "uv-lock":
            return locked_project(project)
        if self._domain == "local":
            return None  # tools that nothing pins are as of the commit there
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        return declared_project(python, plan, project, locked_versions(python, project), today)

    def _copied(self, target: Path, identity: str, plan: PythonPlan, project: Path, log: Log) -> bool:
        """Whether `target` could be made from one of the same content that another checkout of the user's has."""
        source = self._twin(target, identity)
        if source is None:
            return False
        try:
            projects = local_projects(source)
            if plan.way == "install" and len(projects) > 1:
                return False  # which of them lie within the checkout, only the whole installation knows
            remove_tree(target)
            link_environment(source, target, without=_OF_ONE)
            (target / _ROOT).write_text(str(project), encoding="utf-8")
            if on_path(source):
                put_on_path(target, project)
            elif projects:
                self._installer.install_project(target, plan, project, log)
            if (source / MARKER).exists():  # else its project went away meanwhile, and files of it with it
                log("made from the environment of another checkout, which has the same content")
                return True
        except (OSError, shutil.Error, WorkspaceError) as error:
            log(f"the environment of another checkout could not be used: {error}")
        remove_tree(target)
        return False

    def _twin(self, target: Path, identity: str) -> Path | None:
        """A finished environment of the same identity, in which nothing was installed since."""
        for marker in sorted(self._folder.glob(f"python-*/{MARKER}")):
            try:
                told = json.loads(marker.read_bytes())
            except (OSError, ValueError):
                continue
            found = marker.parent
            same = isinstance(told, dict) and told.get("identity") == identity
            if same and found != target and told.get("versions") == versions_in(found):
                return found
        return None

    def _prune(self) -> None:
        """Remove environments whose project is gone (the checkout of an attempt that is over)."""
        for note in self._folder.glob(f"python-*/{_ROOT}"):
            root = note.read_text(encoding="utf-8")
            if root and not Path(root).exists():
                (note.parent / MARKER).unlink(missing_ok=True)  # first, so that nobody copies what is being removed
                remove_tree(note.parent)
                note.parent.with_suffix(".lock").unlink(missing_ok=True)
        self._pristine.prune()


def _machinery() -> tuple[str, str]:
    return platform.python_version(), importlib.metadata.version("uv")


def _locked_fully(python: PythonProject, plan: PythonPlan, project: Path, tests: bool) -> bool:
    """Whether uv.lock has all that is installed, so that its digest says everything."""
    try:
        with (project / (python.lock_file or "uv.lock")).open("rb") as file:
            text = file.read(_LOCK_LIMIT).decode("utf-8", "replace")
    except OSError:
        return False
    needed = names((*plan.test_requirements, *plan.lint_requirements, *(TEST_TOOLS if tests else ())))
    return needed <= {normalised(name) for name in _LOCKED_NAME.findall(text)}


def _write_marker(target: Path, identity: str) -> None:
    marker = target / MARKER
    temporary = target / f"{MARKER}.part"
    temporary.write_text(json.dumps({"versions": versions_in(target), "identity": identity}), encoding="utf-8")
    temporary.replace(marker)


def _read(target: Path) -> Environment | None:
    """The finished environment, or None when there is none or its interpreter is gone."""
    try:
        versions = json.loads((target / MARKER).read_bytes())["versions"]
    except (OSError, ValueError, KeyError):
        return None
    directory = target / "bin"
    python = directory / "python"
    if not python.exists():
        return None
    path = f"{directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Environment(
        language=Language.PYTHON,
        bin_directories=(directory,),
        python=python,
        versions=versions,
        variables={"VIRTUAL_ENV": str(target), "PATH": path},
    )


def _with_digest(found: Environment, identity: str, *, exact: bool) -> Environment:
    """What is asked for identifies it where a lock says all; else what was chosen counts too."""
    return replace(found, digest=identity if exact else _digest(identity, json.dumps(dict(found.versions), sort_keys=True)))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
