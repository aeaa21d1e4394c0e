"""Python environments, made by uv once per digest of what goes into them, and reused with no process at all."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from forge_dagster.domain.project import Language, PythonProject
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, Environment, ProcessResult, Run
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.python_plan import PythonPlan, locked_versions
from forge_dagster.workspace.requirements import normalised
from forge_dagster.workspace.trees import remove_tree

MARKER = "forge-environment.json"
INSTALL_TIMEOUT_S = 900.0
_TEST_TOOLS = ("pytest", "pytest-cov", "coverage")
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


class PythonEnvironments:
    """Environments under `home/environments/<domain>/`. What one trust domain wrote is never read by another."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._folder = home / "environments" / domain
        self._run = run
        self._domain = domain

    def of(self, python: PythonProject, plan: PythonPlan, *, root: Path, tests: bool, log: Log) -> Environment:
        """The environment of the project at `root`. Raises WorkspaceError when it cannot be installed."""
        project = (root / python.directory).resolve()
        parts = (plan.digest, platform.python_version(), importlib.metadata.version("uv"), str(project), str(tests))
        target = self._folder / f"python-{_digest(*parts)}"
        return self._made(
            target, lambda: self._build(target, python, plan, project, tests, log), log, "the project's dependencies"
        )

    def locked_tools(self, lock: Path, *, log: Log) -> Environment:
        """Forge's own tools from a requirements file with hashes."""
        parts = (lock.read_text(encoding="utf-8"), platform.python_version(), importlib.metadata.version("uv"))
        target = self._home / "toolbox" / f"python-{_digest(*parts)}"

        def build() -> None:
            self._venv(target, sys.executable, log)
            arguments = ("--require-hashes", "--no-deps", "-r", str(lock))
            _succeeded(self._install(target, lock.parent, arguments, log), "Forge's own tools")

        return self._made(target, build, log, "Forge's own Python tools")

    def _made(self, target: Path, build: Callable[[], None], log: Log, what: str) -> Environment:
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
            _write_marker(target)
        made = _read(target)
        assert made is not None
        return made

    # --- building

    def _build(self, target: Path, python: PythonProject, plan: PythonPlan, project: Path, tests: bool, log: Log) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        interpreter = self._interpreter(plan, project, log)
        if plan.way == "uv-lock":
            self._sync(target, plan, project, interpreter, log)
        else:
            self._venv(target, interpreter, log)
            if not plan.empty:
                self._install_plan(target, plan, locked_versions(python, project), project, log)
        (target / "forge-root").write_text(str(project), encoding="utf-8")
        if tests:
            self._add_test_tools(target, log)

    def _interpreter(self, plan: PythonPlan, project: Path, log: Log) -> str:
        """Forge's own Python where the project accepts it, so that results do not depend on what else is installed."""
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
            found = self._uv(("python", "find", "--no-project", "--system", "--", request), project, log=lambda _: None)
            if found.exit_code == 0:
                return found.stdout.decode().strip()
        if accepted:
            log(f".python-version asks for {plan.python_version}, which is not on this machine; using {own}")
            return sys.executable
        raise WorkspaceError(
            f"the project requires Python {plan.requires_python}, and there is none on this machine (Forge runs on {own})",
            hint="install that Python (for example with `uv python install`); Forge downloads none by itself",
        )

    def _venv(self, target: Path, interpreter: str, log: Log) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        result = self._uv(("venv", "--no-project", "--quiet", "--python", interpreter, str(target)), target.parent, log=log)
        _succeeded(result, f"a virtual environment of {interpreter}")

    def _sync(self, target: Path, plan: PythonPlan, project: Path, interpreter: str, log: Log) -> None:
        environment = {"UV_PROJECT_ENVIRONMENT": str(target)}
        common = (
            "sync",
            "--frozen",
            "--no-progress",
            "--python",
            interpreter,
            *(("--all-packages",) if plan.workspace else ()),
        )
        result = self._uv((*common, "--all-extras", "--all-groups"), project, log=log, environment=environment)
        if result.exit_code != 0 and re.search(rb"conflict|incompatible", result.stderr):
            log("not everything can be installed together; only the extras that checks need are")
            chosen = [option for name in plan.extras for option in ("--extra", name)]
            result = self._uv((*common, *chosen), project, log=log, environment=environment)
        _succeeded(result, "the project's uv.lock")

    def _install_plan(self, target: Path, plan: PythonPlan, constraints: tuple[str, ...], project: Path, log: Log) -> None:
        """All at once; without a solution, what checks do not need is left out; at last the project itself."""
        tries = [plan]
        if plan.wide_files or plan.wide_requirements:
            tries.append(replace(plan, wide_files=(), wide_requirements=()))
        if plan.editable and plan.own_requirements is not None:
            requirements = (*plan.requirements, *plan.own_requirements)
            tries.append(replace(tries[-1], editable=False, requirements=requirements))
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            for attempt in tries:
                result = self._install(target, project, _install_arguments(attempt, constraints, Path(scratch)), log)
                if result.exit_code == 0 or result.ended != "exited":
                    break
                if attempt is not tries[-1]:
                    log("that has no solution; trying with less")
        _succeeded(result, "the project's dependencies")

    def _add_test_tools(self, target: Path, log: Log) -> None:
        """pytest, pytest-cov and coverage where they are missing; nothing that is there changes its version."""
        there = versions_in(target)
        missing = [name for name in _TEST_TOOLS if name not in there]
        if not missing:
            return
        log(f"adding {', '.join(missing)}, which the repository does not declare")
        with tempfile.TemporaryDirectory(prefix="forge-install-") as scratch:
            constraints = Path(scratch) / "installed.txt"
            plain = (f"{name}=={version}" for name, version in there.items() if re.fullmatch(r"[\w.+!]+", version))
            constraints.write_text("\n".join(plain), encoding="utf-8")
            # outside of the project, whose [tool.uv] may say how to resolve what it declares but nothing about these
            result = self._install(target, Path(scratch), ("-c", str(constraints), *missing), log)
        _succeeded(result, f"{', '.join(missing)} beside the project's dependencies")

    def _install(self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log) -> ProcessResult:
        python = str(target / "bin" / "python")
        return self._uv(("pip", "install", "--no-progress", "--python", python, *arguments), cwd, log=log)

    def _uv(
        self, arguments: tuple[str, ...], cwd: Path, *, log: Log, environment: Mapping[str, str] | None = None
    ) -> ProcessResult:
        variables = {
            "UV_CACHE_DIR": str(self._home / "cache" / f"uv-{self._domain}"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            # a hard link would let what runs in an environment change the cache, and so every later environment
            "UV_LINK_MODE": "hardlink" if self._domain == "local" else "copy",
            # worth its second where the environment is used again and again, not for the one run of a server's checkout
            "UV_COMPILE_BYTECODE": "1" if self._domain == "local" else "0",
            **(environment or {}),
        }
        command = Command(
            argv=(uv_program(), *arguments), cwd=cwd, environment=variables, network=True, timeout_s=INSTALL_TIMEOUT_S
        )
        result = self._run.run(command, log=log)
        if result.ended == "interrupted":
            raise Interrupted("the installation was stopped")
        return result

    def _prune(self) -> None:
        """Remove environments whose project is gone (the checkout of an attempt that is over)."""
        for note in self._folder.glob("python-*/forge-root"):
            root = note.read_text(encoding="utf-8")
            if root and not Path(root).exists():
                remove_tree(note.parent)
                note.parent.with_suffix(".lock").unlink(missing_ok=True)


def _install_arguments(plan: PythonPlan, constraints: tuple[str, ...], scratch: Path) -> tuple[str, ...]:
    arguments: list[str] = []
    for name in (*plan.files, *plan.wide_files):
        arguments += ["-r", name]
    requirements = [line.replace("\n", " ").strip() for line in (*plan.requirements, *plan.wide_requirements)]
    if requirements:
        path = scratch / "declared.txt"  # a "requirement" that is an option would choose another index
        path.write_text("\n".join(line for line in requirements if not line.startswith("-")), encoding="utf-8")
        arguments += ["-r", str(path)]
    if constraints:
        path = scratch / "locked.txt"
        path.write_text("\n".join(constraints), encoding="utf-8")
        arguments += ["-c", str(path)]
    if plan.editable:
        arguments += ["-e", f".[{','.join(plan.extras)}]" if plan.extras else "."]
    return tuple(arguments)


def _succeeded(result: ProcessResult, what: str) -> None:
    """Raises WorkspaceError with the installer's own words."""
    if result.ended == "exited" and result.exit_code == 0:
        return
    if result.ended == "timeout":
        raise WorkspaceError(f"installing {what} took longer than {INSTALL_TIMEOUT_S:.0f} s", hint="check the network")
    said = [line.strip() for line in result.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    text = "\n".join(said[-12:])[-1500:] or f"it ended with {result.exit_code}"
    offline = re.search(r"error sending request|Failed to fetch|dns error|Connect|timed out", text)
    hint = "check the network, the proxy and the package index" if offline else "correct what the project declares, or its lock"
    raise WorkspaceError(f"{what} could not be installed:\n{text}", hint=hint)


def _write_marker(target: Path) -> None:
    marker = target / MARKER
    temporary = target / f"{MARKER}.part"
    temporary.write_text(json.dumps({"versions": versions_in(target)}), encoding="utf-8")
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
        digest=target.name,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
