"""Environments in which no code of anybody ran, and those of checkouts, which are linked to them.

A checkout's own environment is written to by code of its change where something is built in it, so another change's must not be
made from it. A pristine one is made from wheels of the package index alone, by programs that run nothing of what they install,
and is shown to no command of a change: what is linked to it is, read-only (gates/tooling.py). What is built, the project in
place, is built in a sandbox that does not have the environment at all, and added as new files (python_overlays.py).
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Run
from forge_dagster.workspace.declared_projects import DeclaredProject
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.pinned_projects import PinnedProject
from forge_dagster.workspace.python_copies import link_environment
from forge_dagster.workspace.python_frame import is_environment, versions_in
from forge_dagster.workspace.python_installer import NeedsBuilding, NoSolution, PythonInstaller
from forge_dagster.workspace.python_overlays import add_built
from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.requirements import checked_requirement
from forge_dagster.workspace.trees import remove_tree
from forge_dagster.workspace.uv_locks import LockedProject
from forge_dagster.workspace.uv_runs import Log

_DONE = "forge-pristine"
"""The file in a pristine environment that says that it is complete. No package brings it (python_frame.py); the first to go."""
_LIFE_S = 14 * 86_400.0
"""So long one serves; what no lock pins in it (test tools, build backends) is as of its first day."""
_MOST = 40
"""So many are kept in a domain: each change may bring a lock of its own."""
_KINDS = ("pristine-python", "build-python")
_REFUSED_S = 86_400.0
"""So long it is not tried again to make one that has no wheels."""
_HINT = "it is installed for each checkout then"


class PristineEnvironments:
    """The pristine environments of one trust domain, in the `folder` of its environments."""

    def __init__(self, folder: Path, run: Run, installer: PythonInstaller, machinery: tuple[str, ...]) -> None:
        self._folder = folder
        self._run = run
        self._installer = installer
        self._machinery = machinery

    def linked(self, target: Path, found: PinnedProject, plan: PythonPlan, project: Path, *, tests: bool, log: Log) -> bool:
        """Make `target` for the project in `project` by links. False, and no target, where that cannot be done."""
        if not _plain(plan) or (found.in_place and found.build_requirements is None):
            return False
        try:
            interpreter = self._installer.interpreter(plan, log)
            whole = self._of(found, plan, interpreter, tests, log)
            before = _state(whole)
            remove_tree(target)
            link_environment(whole, target, without={_DONE})
            if found.in_place:
                self._install_in_place(target, found, project, interpreter, log)
            if before is not None and _state(whole) == before:  # else it was removed meanwhile, and files of it with it
                return True
        except (OSError, shutil.Error, WorkspaceError) as error:
            log(f"the environment cannot be linked: {error}")
        remove_tree(target)
        return False

    def prune(self) -> None:
        """Remove those that have had their time, and of too many those that were not used for longest."""
        found = [path for kind in _KINDS for path in self._folder.glob(f"{kind}-*") if path.suffix != ".lock"]
        used = sorted((path for path in found if path.is_dir()), key=_used, reverse=True)
        for path in found:
            if _age(path) > _LIFE_S or path in used[_MOST:]:
                if path.is_dir():
                    (path / _DONE).unlink(missing_ok=True)
                    remove_tree(path)
                else:
                    path.unlink(missing_ok=True)
                path.with_suffix(".lock").unlink(missing_ok=True)

    def _of(self, found: PinnedProject, plan: PythonPlan, interpreter: str, tests: bool, log: Log) -> Path:
        """The pristine environment of all but the project itself. Raises NeedsBuilding where it cannot be had."""
        asked = (*plan.test_requirements, "", *plan.lint_requirements, "", *plan.extras, "", str(tests), str(plan.workspace))
        identity = _digest(*found.identity(), *asked, interpreter, *self._machinery)
        refused = self._folder / f"pristine-python-{identity}.refused"
        if refused.exists() and _age(refused) < _REFUSED_S:
            raise NeedsBuilding("some of it has no wheels", hint=_HINT)

        def make(whole: Path) -> None:
            log("installing the project's dependencies, for this checkout and later ones")
            if isinstance(found, LockedProject):
                self._sync(whole, found, plan, interpreter, log)
            else:
                assert isinstance(found, DeclaredProject)
                self._install(whole, found, interpreter, log)
            self._installer.complete(whole, plan, tests=tests, log=log, besides=found.names, wheels=True)
            if found.names & versions_in(whole).keys():
                raise NeedsBuilding("another package needs the project", hint=_HINT)

        try:
            return self._kept(f"pristine-python-{identity}", make, log)
        except NeedsBuilding:
            refused.write_text("", encoding="utf-8")
            raise

    def _sync(self, whole: Path, found: LockedProject, plan: PythonPlan, interpreter: str, log: Log) -> None:
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            copy = _written(found, Path(scratch) / "project")
            self._installer.sync_wheels(whole, plan, copy, interpreter, log)
        if not versions_in(whole).items() <= found.packages:
            raise NeedsBuilding("other versions were installed than the lock has", hint=_HINT)

    def _install(self, whole: Path, found: DeclaredProject, interpreter: str, log: Log) -> None:
        for requirements in found.attempts:
            self._installer.venv(whole, interpreter, log)
            try:
                self._installer.install_exactly(whole, requirements, log, constraints=found.constraints)
                return
            except NoSolution:  # for any other reason, what all checkouts are to share must not become less
                if requirements == found.attempts[-1]:
                    raise
                log("that has no solution; trying with less")

    def _builder(self, requirements: tuple[str, ...], interpreter: str, log: Log) -> Path:
        """An environment with what builds a project, in which nothing but that is."""

        def make(whole: Path) -> None:
            log(f"installing {', '.join(requirements) or 'Python'} to build with")
            self._installer.venv(whole, interpreter, log)
            self._installer.install_exactly(whole, requirements, log)

        return self._kept(f"build-python-{_digest('build', *requirements, interpreter, *self._machinery)}", make, log)

    def _kept(self, name: str, make: Callable[[Path], None], log: Log) -> Path:
        whole = self._folder / name
        if _serves(whole):
            os.utime(whole)
            return whole
        with locked(whole.with_suffix(".lock"), self._run):
            if _serves(whole):
                return whole
            (whole / _DONE).unlink(missing_ok=True)
            make(whole)
            self._installer.finish(whole, log)
            (whole / _DONE).write_text("", encoding="utf-8")
        return whole

    def _install_in_place(self, target: Path, found: PinnedProject, project: Path, interpreter: str, log: Log) -> None:
        builder = self._builder(found.build_requirements or (), interpreter, log)
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            built = Path(scratch) / "built"
            built.mkdir()
            self._installer.build_in_place(built, builder, found.in_place, project, log)
            add_built(built, target, python=builder / "bin" / "python")


def _plain(plan: PythonPlan) -> bool:
    """Whether what task runners add comes from the package index."""
    try:
        for line in (*plan.test_requirements, *plan.lint_requirements):
            checked_requirement(line)
    except WorkspaceError:
        return False
    return True


def _written(found: LockedProject, folder: Path) -> Path:
    """The files that uv reads of the project, without anything that could be run, or changed meanwhile."""
    for name, content in found.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def _serves(whole: Path) -> bool:
    return is_environment(whole) and (whole / _DONE).exists() and _age(whole / _DONE) < _LIFE_S


def _state(whole: Path) -> tuple[int, int] | None:
    """What tells one complete environment from another that took its place."""
    try:
        found = (whole / _DONE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _used(whole: Path) -> float:
    """When it was last used; what is in the folder itself does not change once it is complete."""
    try:
        return whole.stat().st_mtime
    except OSError:
        return 0.0


def _age(path: Path) -> float:
    """Seconds since the environment was completed, or since what is there instead was made."""
    done = path / _DONE
    try:
        return time.time() - (done if done.exists() else path).stat().st_mtime
    except OSError:
        return 0.0


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
