"""Runs uv so that it fills an environment: from a lock, from what is declared, or with exactly the given requirements."""

import contextlib
import datetime
import os
import re
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import ProcessResult, Run
from forge_dagster.workspace.interpreters import interpreter
from forge_dagster.workspace.python_copies import name_interpreter, put_on_path
from forge_dagster.workspace.python_frame import interpreter_of, versions_in
from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.requirements import requirement_name
from forge_dagster.workspace.tool_dates import limits
from forge_dagster.workspace.trees import remove_tree
from forge_dagster.workspace.uv_arguments import (
    all_requirements,
    attempts,
    in_place,
    install_arguments,
    ready_as_wheels,
    requirement_file,
    sync_arguments,
)
from forge_dagster.workspace.uv_runs import Log, UvRuns, cannot_be_edited, needs_building, succeeded

_WHEELS = ("--no-build", "--no-install-local")
_EACH = "it is installed for each checkout then"
TEST_TOOLS = ("pytest", "pytest-cov", "coverage")
"""What Forge needs beside a project's own dependencies where it has tests."""


class NeedsBuilding(WorkspaceError):
    """What was to come from wheels alone has none."""


class NoSolution(WorkspaceError):
    """What was asked for excludes each other: no fault of the network, and it stays so."""


class PythonInstaller:
    """Installs for one trust domain.

    An environment in which something was built may hold anything, programs in place of Python included: from then on nothing
    is installed there through the domain's cache (uv_runs.py) any more.
    """

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._uvs = UvRuns(home, run, domain=domain)
        self._interpreters: dict[Path, str] = {}
        self._built_in: set[Path] = set()

    def interpreter(self, plan: PythonPlan, log: Log) -> str:
        """The Python that the project is checked with. Raises WorkspaceError."""
        return interpreter(plan, self._uvs, self._home, log)

    def venv(self, target: Path, interpreter: str, log: Log) -> None:
        """Make an empty environment, in place of what is there. Raises WorkspaceError."""
        remove_tree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        making = ("venv", "--no-project", "--quiet", "--python", interpreter, str(target))
        result = self._uvs.uv(making, target.parent, log=log, trusted=True)
        succeeded(result, f"a virtual environment of {interpreter}")
        self._interpreters[target] = interpreter
        self._built_in.discard(target)

    def finish(self, target: Path, log: Log) -> None:
        """Compile what is installed, unless it was when the rest was built."""
        if target not in self._built_in:
            self._uvs.compile(target, log)

    def sync(self, target: Path, plan: PythonPlan, project: Path, interpreter: str, log: Log) -> None:
        """Make `target` what uv.lock says. Raises WorkspaceError."""

        def attempt(chosen: tuple[str, ...]) -> ProcessResult:
            self.venv(target, interpreter, log)
            self._sync(target, (*sync_arguments(plan, interpreter, chosen), *_WHEELS), project, log)
            self._built_in.add(target)
            return self._sync(target, sync_arguments(plan, interpreter, chosen), project, log, builds=True)

        succeeded(_all_or_chosen(plan, attempt, log), "the project's uv.lock")

    def sync_wheels(self, target: Path, plan: PythonPlan, project: Path, interpreter: str, log: Log) -> None:
        """Make `target` what uv.lock says of other packages than the project's own, from wheels alone.

        Raises NeedsBuilding for what has none, WorkspaceError for all else.
        """

        def attempt(chosen: tuple[str, ...]) -> ProcessResult:
            self.venv(target, interpreter, log)
            return self._sync(target, (*sync_arguments(plan, interpreter, chosen), *_WHEELS), project, log)

        result = _all_or_chosen(plan, attempt, log)
        if needs_building(result):
            raise NeedsBuilding("some of uv.lock has to be built", hint=_EACH)
        succeeded(result, "the project's uv.lock")

    def _sync(
        self, target: Path, arguments: tuple[str, ...], project: Path, log: Log, *, builds: bool = False
    ) -> ProcessResult:
        environment = {"UV_PROJECT_ENVIRONMENT": str(target)}
        return self._uvs.uv(arguments, project, log=log, environment=environment, writes=(target,), builds=builds)

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
            arguments = ("pip", "install", "--no-progress", "--python", python, "--no-deps", *in_place(plan))
            environment = quick
        self._built_in.add(target)
        result = self._uvs.uv(arguments, project, log=log, environment=environment, writes=(target,), builds=True)
        succeeded(result, "the project itself")

    def build_in_place(self, built: Path, builder: Path, folders: Sequence[str], project: Path, log: Log) -> None:
        """Install the projects in these folders of `project` in place, into the empty folder `built`, which is no environment.

        They are built with what the environment `builder` has, can only read that, and have no network. Raises WorkspaceError.
        """
        python = builder / "bin" / "python"
        place = ("--python", str(python), "--prefix", str(built))
        editable = tuple(part for folder in folders for part in ("-e", f"./{folder}"))
        arguments = ("pip", "install", "--no-progress", "--offline", "--no-deps", "--no-build-isolation", *place, *editable)
        variables = {"UV_COMPILE_BYTECODE": "0", "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        result = self._uvs.uv(
            arguments, project, log=log, environment=variables, writes=(built,), reads=(builder,), builds=True, network=False
        )
        succeeded(result, "the project itself")

    def install_plan(
        self,
        target: Path,
        plan: PythonPlan,
        constraints: tuple[str, ...],
        project: Path,
        log: Log,
        *,
        tests: bool = False,
        commit: datetime.datetime | None = None,
    ) -> None:
        """All at once; without a solution, what is needed least is left out first; at last the project itself.

        `commit`: as of when tools are chosen that nothing pins, as far as that has a solution (tool_dates.py).
        """
        tries = attempts(plan)
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            for attempt in tries:
                dated = limits(commit, (*all_requirements(attempt), *(attempt.own_requirements or ())))
                result = self._install_in_two(
                    target, project, attempt, constraints, Path(scratch), log, tests=tests, options=dated
                )
                if dated and result.exit_code != 0 and result.ended == "exited":
                    log("the tools of the commit's day do not do; taking today's")
                    result = self._install_in_two(target, project, attempt, constraints, Path(scratch), log, tests=tests)
                if result.exit_code == 0 or result.ended != "exited" or cannot_be_edited(result):
                    break
                if attempt is not tries[-1]:
                    log("that has no solution; trying with less")
            apart = plan.editable and plan.own_requirements is not None
            if result.exit_code != 0 and apart and (not plan.own_builder or cannot_be_edited(result)):
                log("the project itself cannot be installed in place; it is put on the path instead")
                requirements = (*plan.requirements, *(plan.own_requirements or ()))
                bare = replace(attempt, editable=False, wide_files=(), wide_requirements=(), requirements=requirements)
                result = self._install_in_two(target, project, bare, constraints, Path(scratch), log, tests=tests)
                put_on_path(target, project)
        succeeded(result, "the project's dependencies")

    def complete(
        self, target: Path, plan: PythonPlan, *, tests: bool, log: Log, besides: Collection[str] = (), wheels: bool = False
    ) -> None:
        """Add what is missing to check the project: what tox, nox or Hatch would install (as far as it fits beside what is
        there), and Forge's test tools. Nothing that is there changes its version. Raises WorkspaceError.

        `besides`: names of what is installed afterwards. `wheels`: nothing is built; raises NeedsBuilding for what has to be.
        """
        there = versions_in(target)
        asked = (*plan.test_requirements, *plan.lint_requirements) if plan.way == "uv-lock" else ()
        asked = tuple(line for line in asked if requirement_name(line) not in (*there, *besides))
        tools = tuple(name for name in TEST_TOOLS if tests and name not in there and name not in besides)
        for wanted in dict.fromkeys(((*asked, *tools), tools)):
            if not wanted:
                return
            log(f"adding {', '.join(wanted)}, which the repository's lock or declarations lack")
            with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
                constraints = Path(scratch) / "installed.txt"
                plain = (f"{name}=={version}" for name, version in there.items() if re.fullmatch(r"[\w.+!]+", version))
                constraints.write_text("\n".join(plain), encoding="utf-8")
                # outside of the project, whose [tool.uv] may say how to resolve what it declares but nothing about these
                requirements = requirement_file(wanted, Path(scratch))
                result = self._add(target, Path(scratch), ("-c", str(constraints), "-r", requirements), log, wheels=wheels)
            if result.ended == "exited" and result.exit_code == 0:
                return
            if wheels and needs_building(result):
                raise NeedsBuilding(f"some of {', '.join(wanted)} has to be built", hint=_EACH)
        succeeded(result, f"{', '.join(wanted)} beside the project's dependencies")

    def _add(
        self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log, *, wheels: bool, reads: Sequence[Path] = ()
    ) -> ProcessResult:
        """From wheels where that does, and else with what has to be built (`wheels`: only where that does)."""
        if target not in self._built_in:
            result = self._install_wheels(target, cwd, arguments, log, reads=reads)
            if result.exit_code == 0 or result.ended != "exited" or wheels:
                return result
        return self._build_and_install(target, cwd, arguments, log, reads=reads)

    def install_locked(self, target: Path, lock: Path, log: Log) -> None:
        """Fill `target` from a requirements file with hashes; what has no wheel is built. Raises WorkspaceError."""
        arguments = ("--require-hashes", "--no-deps", "-r", str(lock))
        succeeded(self._add(target, target, arguments, log, wheels=False, reads=(lock,)), "Forge's own tools")

    def install_exactly(self, target: Path, requirements: Sequence[str], log: Log, *, constraints: Sequence[str] = ()) -> None:
        """Fill `target` with these requirements, from wheels only, so that nothing of them runs.

        Raises NeedsBuilding where one has no wheel, NoSolution, WorkspaceError for all else.
        """
        if not requirements:
            return
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            limits = Path(scratch) / "constraints.txt"
            limits.write_text("\n".join(constraints), encoding="utf-8")
            listed = ("-c", str(limits), "-r", requirement_file(requirements, Path(scratch)))
            result = self._install_wheels(target, Path(scratch), listed, log)
        if needs_building(result):
            raise NeedsBuilding(f"some of {' '.join(requirements)[:200]} has to be built", hint=_EACH)
        if b"No solution found" in result.stderr:
            raise NoSolution(f"{' '.join(requirements)[:200]} exclude each other", hint="correct what the project declares")
        succeeded(result, " ".join(requirements)[:200])

    def _install_in_two(
        self,
        target: Path,
        project: Path,
        plan: PythonPlan,
        constraints: tuple[str, ...],
        scratch: Path,
        log: Log,
        *,
        tests: bool,
        options: tuple[str, ...] = (),
    ) -> ProcessResult:
        """First what is there as wheels, through the domain's cache, then the rest; what is there already stays."""
        if target in self._built_in:
            self.venv(target, self._interpreters[target], log)
        ready, whole = ready_as_wheels(plan, project)
        arguments = () if ready is None else install_arguments(ready, constraints, scratch)
        if arguments:
            done = self._install_wheels(target, project, (*options, *arguments), log, reads=(scratch,))
            if done.exit_code == 0 and whole:
                return done
            if done.exit_code == 0 and tests:
                with contextlib.suppress(WorkspaceError):  # else they come at the end, through no cache
                    self.complete(target, plan, tests=True, log=log, wheels=True)
        arguments = install_arguments(plan, constraints, scratch)
        return self._build_and_install(target, project, (*options, *arguments), log, reads=(scratch,))

    def _install_wheels(
        self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log, *, reads: Sequence[Path] = ()
    ) -> ProcessResult:
        """By the Python that `target` was made from: its own would run what the .pth files of packages say.

        What `--only-binary` builds all the same, editable requirements, `arguments` must not name (edits_in_place).
        """
        python = interpreter_of(target)
        place = ("--python", str(python), "--prefix", str(target))
        installing = ("pip", "install", "--no-progress", *place, "--only-binary", ":all:", "--no-sources", *arguments)
        result = self._uvs.uv(installing, cwd, log=log, writes=(target,), reads=reads)
        name_interpreter(target / "bin", python, target / "bin" / "python")
        return result

    def _build_and_install(
        self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log, *, reads: Sequence[Path] = ()
    ) -> ProcessResult:
        self._built_in.add(target)
        python = str(target / "bin" / "python")
        installing = ("pip", "install", "--no-progress", "--python", python, *arguments)
        return self._uvs.uv(installing, cwd, log=log, writes=(target,), reads=reads, builds=True)


def _all_or_chosen(plan: PythonPlan, attempt: Callable[[tuple[str, ...]], ProcessResult], log: Log) -> ProcessResult:
    """With every extra and group; where they exclude each other, with the extras that checks need."""
    result = attempt(("--all-extras", "--all-groups"))
    if result.exit_code != 0 and re.search(rb"conflict|incompatible", result.stderr):
        log("not everything can be installed together; only the extras that checks need are")
        result = attempt(tuple(option for name in plan.extras for option in ("--extra", name)))
    return result
