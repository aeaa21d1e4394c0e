"""Runs uv so that it fills an environment: from a lock, from what is declared, or with exactly the given requirements."""

import datetime
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.reach import ALLOW, REFUSED
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.install_caches import install_cache
from forge_dagster.workspace.python_copies import put_on_path
from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.requirements import normalised, requirement_name
from forge_dagster.workspace.tool_dates import limits

INSTALL_TIMEOUT_S = 900.0
TEST_TOOLS = ("pytest", "pytest-cov", "coverage")
"""What Forge needs beside a project's own dependencies where it has tests."""
_VERSION = re.compile(r"\d+(?:\.\d+){0,2}")

Log = Callable[[str], None]


def uv_program() -> str:
    """The uv that Forge depends on. Raises WorkspaceError when it is not installed."""
    beside = Path(sys.executable).with_name("uv")
    if beside.is_file():
        return str(beside)
    import uv

    try:
        return os.fspath(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise WorkspaceError("uv is not installed beside Forge", hint="reinstall forge-dagster, which depends on uv") from error


def versions_in(environment: Path) -> dict[str, str]:
    """Normalised name -> version of the packages in a virtual environment, read from the names of their metadata folders."""
    found: dict[str, str] = {}
    for entry in sorted(environment.glob("lib/python*/site-packages/*.dist-info")):
        name, _, version = entry.name.removesuffix(".dist-info").rpartition("-")
        found[normalised(name)] = version
    return found


class PythonInstaller:
    """Installs for one trust domain; caches are kept apart by domain.

    What can be installed without running anything of it comes through the domain's cache. What has to be built runs code of
    the project, or of what it names, and has a cache of its own that is gone afterwards: what it leaves there nobody reads.
    """

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._run = run
        self._domain = domain

    def interpreter(self, plan: PythonPlan, log: Log) -> str:
        """Forge's own Python where the project accepts it, so that results do not depend on what else there is."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        own = platform.python_version()
        try:
            accepted = SpecifierSet(plan.requires_python).contains(own, prereleases=True)
        except InvalidSpecifier:
            log(f"requires-python {plan.requires_python!r} cannot be read and is ignored")
            accepted = True
        wanted = _VERSION.match(plan.python_version)
        if accepted and (wanted is None or f"{own}.".startswith(f"{wanted[0]}.")):
            return sys.executable
        for request in (*((wanted[0],) if wanted else ()), *((plan.requires_python,) if plan.requires_python else ())):
            # trusted: it looks at the interpreters of this machine, from a folder with nothing of the project
            asking = ("python", "find", "--no-project", "--system", "--", request)
            found = self._uv(asking, self._home, log=lambda _: None, trusted=True)
            if found.exit_code == 0:
                return found.stdout.decode().strip()
        if accepted:
            log(f".python-version asks for {plan.python_version}, which is not on this machine; using {own}")
            return sys.executable
        raise WorkspaceError(
            f"the project requires Python {plan.requires_python}, and there is none on this machine (Forge runs on {own})",
            hint="install that Python (for example with `uv python install`); Forge downloads none by itself",
        )

    def venv(self, target: Path, interpreter: str, log: Log) -> None:
        """Make an empty environment. Raises WorkspaceError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        making = ("venv", "--no-project", "--quiet", "--python", interpreter, str(target))
        result = self._uv(making, target.parent, log=log, trusted=True)
        _succeeded(result, f"a virtual environment of {interpreter}")

    def sync(self, target: Path, plan: PythonPlan, project: Path, interpreter: str, log: Log) -> None:
        """Make `target` what uv.lock says. Raises WorkspaceError."""
        self.venv(target, interpreter, log)
        environment = {"UV_PROJECT_ENVIRONMENT": str(target)}
        packages = ("--all-packages",) if plan.workspace else ()
        common = ("sync", "--frozen", "--no-progress", "--python", interpreter, *packages)
        everything = (*common, "--all-extras", "--all-groups")
        ready = ("--no-build", "--no-install-workspace")
        self._uv((*everything, *ready), project, log=log, environment=environment, writes=(target,))
        result = self._uv(everything, project, log=log, environment=environment, writes=(target,), builds=True)
        if result.exit_code != 0 and re.search(rb"conflict|incompatible", result.stderr):
            log("not everything can be installed together; only the extras that checks need are")
            chosen = [option for name in plan.extras for option in ("--extra", name)]
            self._uv((*common, *chosen, *ready), project, log=log, environment=environment, writes=(target,))
            result = self._uv((*common, *chosen), project, log=log, environment=environment, writes=(target,), builds=True)
        _succeeded(result, "the project's uv.lock")

    def install_project(self, target: Path, plan: PythonPlan, project: Path, log: Log) -> None:
        """Install the project itself in place, in an environment that has all else. Raises WorkspaceError."""
        quick = {"UV_COMPILE_BYTECODE": "0"}  # what is there has been compiled
        python = str(target / "bin" / "python")
        if plan.way == "uv-lock":
            packages = ("--all-packages",) if plan.workspace else ()
            # inexact: what Forge added beside the lock stays
            arguments = ("sync", "--frozen", "--inexact", "--no-progress", "--python", python, *packages)
            environment = {"UV_PROJECT_ENVIRONMENT": str(target), **quick}
        else:
            arguments = ("pip", "install", "--no-progress", "--python", python, "--no-deps", *_in_place(plan))
            environment = quick
        result = self._uv(arguments, project, log=log, environment=environment, writes=(target,), builds=True)
        _succeeded(result, "the project itself")

    def install_plan(
        self,
        target: Path,
        plan: PythonPlan,
        constraints: tuple[str, ...],
        project: Path,
        log: Log,
        *,
        commit: datetime.datetime | None = None,
    ) -> None:
        """All at once; without a solution, what is needed least is left out first; at last the project itself.

        `commit`: as of when tools are chosen that nothing pins, as far as that has a solution (tool_dates.py).
        """
        narrow = replace(plan, wide_files=(), wide_requirements=())
        without_linters = replace(narrow, lint_requirements=())
        tries = list(dict.fromkeys((plan, narrow, without_linters, replace(without_linters, test_requirements=()))))
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            for attempt in tries:
                dated = limits(commit, (*_all_requirements(attempt), *(attempt.own_requirements or ())))
                result = self._install_in_two(target, project, attempt, constraints, Path(scratch), log, dated=dated)
                if dated and result.exit_code != 0 and result.ended == "exited":
                    log("the tools of the commit's day do not do; taking today's")
                    result = self._install_in_two(target, project, attempt, constraints, Path(scratch), log)
                if result.exit_code == 0 or result.ended != "exited" or _cannot_be_edited(result):
                    break
                if attempt is not tries[-1]:
                    log("that has no solution; trying with less")
            apart = plan.editable and plan.own_requirements is not None
            if result.exit_code != 0 and apart and (not plan.own_builder or _cannot_be_edited(result)):
                log("the project itself cannot be installed in place; it is put on the path instead")
                requirements = (*plan.requirements, *(plan.own_requirements or ()))
                bare = replace(attempt, editable=False, wide_files=(), wide_requirements=(), requirements=requirements)
                result = self._install_in_two(target, project, bare, constraints, Path(scratch), log)
                put_on_path(target, project)
        _succeeded(result, "the project's dependencies")

    def complete(self, target: Path, plan: PythonPlan, *, tests: bool, log: Log) -> None:
        """Add what is missing to check the project: what tox, nox or Hatch would install (as far as it fits beside what is
        there), and Forge's test tools. Nothing that is there changes its version. Raises WorkspaceError.
        """
        there = versions_in(target)
        asked = (*plan.test_requirements, *plan.lint_requirements) if plan.way == "uv-lock" else ()
        asked = tuple(line for line in asked if requirement_name(line) not in there)
        tools = tuple(name for name in TEST_TOOLS if tests and name not in there)
        for wanted in dict.fromkeys(((*asked, *tools), tools)):
            if not wanted:
                return
            log(f"adding {', '.join(wanted)}, which the repository's lock or declarations lack")
            with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
                constraints = Path(scratch) / "installed.txt"
                plain = (f"{name}=={version}" for name, version in there.items() if re.fullmatch(r"[\w.+!]+", version))
                constraints.write_text("\n".join(plain), encoding="utf-8")
                # outside of the project, whose [tool.uv] may say how to resolve what it declares but nothing about these
                requirements = _requirement_file(wanted, Path(scratch))
                result = self._install(target, Path(scratch), ("-c", str(constraints), "-r", requirements), log)
            if result.ended == "exited" and result.exit_code == 0:
                return
        _succeeded(result, f"{', '.join(wanted)} beside the project's dependencies")

    def install_locked(self, target: Path, lock: Path, log: Log) -> None:
        """Fill `target` from a requirements file with hashes. Raises WorkspaceError."""
        _succeeded(
            self._install(target, target, ("--require-hashes", "--no-deps", "-r", str(lock)), log, reads=(lock,)),
            "Forge's own tools",
        )

    def install_exactly(self, target: Path, requirements: Sequence[str], log: Log) -> None:
        """Fill `target` with these requirements, from wheels only, so that nothing of them runs. Raises WorkspaceError."""
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            listed = _requirement_file(requirements, Path(scratch))
            result = self._install(target, Path(scratch), ("--only-binary", ":all:", "-r", listed), log)
        _succeeded(result, " ".join(requirements))

    def _install_in_two(
        self,
        target: Path,
        project: Path,
        plan: PythonPlan,
        constraints: tuple[str, ...],
        scratch: Path,
        log: Log,
        *,
        dated: tuple[str, ...] = (),
    ) -> ProcessResult:
        """First what is there as wheels, through the domain's cache, then the rest; what is there already stays."""
        ready = replace(plan, editable=False, requirements=(*plan.requirements, *(plan.own_requirements or ())))
        arguments = _install_arguments(ready, constraints, scratch)
        if arguments and not (plan.editable and plan.own_requirements is None):
            done = self._install(target, project, ("--only-binary", ":all:", *dated, *arguments), log, reads=(scratch,))
            if done.exit_code == 0 and not plan.editable:
                return done
        arguments = _install_arguments(plan, constraints, scratch)
        return self._install(target, project, (*dated, *arguments), log, reads=(scratch,), builds=True)

    def _install(
        self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log, *, reads: Sequence[Path] = (), builds: bool = False
    ) -> ProcessResult:
        python = str(target / "bin" / "python")
        installing = ("pip", "install", "--no-progress", "--python", python, *arguments)
        return self._uv(installing, cwd, log=log, writes=(target,), reads=reads, builds=builds)

    def _uv(
        self,
        arguments: tuple[str, ...],
        cwd: Path,
        *,
        log: Log,
        environment: Mapping[str, str] | None = None,
        writes: Sequence[Path] = (),
        reads: Sequence[Path] = (),
        trusted: bool = False,
        builds: bool = False,
    ) -> ProcessResult:
        with install_cache(self._home / "cache", f"uv-{self._domain}", own=builds) as cache:
            return self._uv_with(cache, arguments, cwd, log, environment or {}, (*writes, cache), tuple(reads), trusted)

    def _uv_with(
        self,
        cache: Path,
        arguments: tuple[str, ...],
        cwd: Path,
        log: Log,
        environment: Mapping[str, str],
        writes: tuple[Path, ...],
        reads: tuple[Path, ...],
        trusted: bool,
    ) -> ProcessResult:
        variables = {
            "UV_CACHE_DIR": str(cache),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            # a hard link would let what runs in an environment change the cache, and so every later environment
            "UV_LINK_MODE": "copy",
            # what is run from an environment cannot write there, so it would be compiled again each time
            "UV_COMPILE_BYTECODE": "1",
            **environment,
        }
        command = Command(
            argv=(uv_program(), *arguments), cwd=cwd, environment=variables, network=True, timeout_s=INSTALL_TIMEOUT_S,
            writes=writes, reads=reads, trusted=trusted,
        )  # fmt: skip
        result = self._run.run(command, log=log)
        if result.ended == "interrupted":
            raise Interrupted("the installation was stopped")
        return result


def _cannot_be_edited(result: ProcessResult) -> bool:
    """Whether the project's build backend is one from before PEP 660 (poetry.masonry)."""
    return b"build_editable" in result.stderr


def _requirement_file(requirements: Sequence[str], scratch: Path) -> str:
    """A file of these lines; a "requirement" that is an option would choose another index."""
    path = scratch / "declared.txt"
    lines = [line.replace("\n", " ").strip() for line in requirements]
    path.write_text("\n".join(line for line in lines if not line.startswith("-")), encoding="utf-8")
    return str(path)


def _install_arguments(plan: PythonPlan, constraints: tuple[str, ...], scratch: Path) -> tuple[str, ...]:
    arguments: list[str] = []
    for name in (*plan.files, *plan.wide_files):
        arguments += ["-r", name]
    requirements = _all_requirements(plan)
    if requirements:
        arguments += ["-r", _requirement_file(requirements, scratch)]
    if constraints:
        path = scratch / "locked.txt"
        path.write_text("\n".join(constraints), encoding="utf-8")
        arguments += ["-c", str(path)]
    return (*arguments, *_in_place(plan))


def _all_requirements(plan: PythonPlan) -> tuple[str, ...]:
    return (*plan.requirements, *plan.test_requirements, *plan.lint_requirements, *plan.wide_requirements)


def _in_place(plan: PythonPlan) -> tuple[str, ...]:
    extras = f"[{','.join(plan.extras)}]" if plan.extras else ""
    return ("-e", f".{extras}") if plan.editable else ()


def _succeeded(result: ProcessResult, what: str) -> None:
    """Raises WorkspaceError with the installer's own words."""
    if result.ended == "exited" and result.exit_code == 0:
        return
    if result.ended == "timeout":
        raise WorkspaceError(f"installing {what} took longer than {INSTALL_TIMEOUT_S:.0f} s", hint="check the network")
    said = [line.strip() for line in result.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    text = "\n".join(said[-12:])[-1500:] or f"it ended with {result.exit_code}"
    if REFUSED in text:
        raise WorkspaceError(f"{what} could not be installed:\n{text}", hint=ALLOW)
    offline = re.search(r"error sending request|Failed to fetch|dns error|Connect|timed out", text)
    hint = "check the network, the proxy and the package index" if offline else "correct what the project declares, or its lock"
    raise WorkspaceError(f"{what} could not be installed:\n{text}", hint=hint)
