"""Encloses a command: what is started in its place, so that it runs in a sandbox of its own or not at all."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.ports import Command
from forge_dagster.workspace.sandbox.bubblewrap import bubblewrapped
from forge_dagster.workspace.sandbox.containers import contained
from forge_dagster.workspace.sandbox.enclosed import DOORS, HOME, SCRATCH, Enclosed, Plan
from forge_dagster.workspace.sandbox.etc import kept_etc
from forge_dagster.workspace.sandbox.limits import hierarchies
from forge_dagster.workspace.sandbox.registries import registry_hosts
from forge_dagster.workspace.sandbox.stage import Stage, plain_python, stage_for
from forge_dagster.workspace.sandbox.view import objects_of, view_of

PROXY_PORT = 3128
_DOORS_PROGRAM = Path(__file__).parent / "programs" / "doors.py"
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "npm_config_proxy", "npm_config_https_proxy",
                    "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY")  # fmt: skip
_NO_PROXY_VARIABLES = (
    "NO_PROXY", "no_proxy", "npm_config_noproxy", "NPM_CONFIG_NOPROXY", "ALL_PROXY", "all_proxy", "PIP_PROXY",
    "NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY",
)  # fmt: skip


class Sandbox:
    """Encloses commands. Thread-safe.

    `kept`: a folder of Forge's own for what serves later runs too; None: nothing is kept.
    """

    def __init__(self, settings: SandboxSettings, *, kept: Path | None = None) -> None:
        self._settings = settings
        self._kept = kept
        self._lock = threading.Lock()
        self._etcs: dict[tuple[int, int, bool], Path] = {}

    @property
    def confines(self) -> bool:
        """False: the operator has switched the sandbox off."""
        return self._settings.kind != "none"

    def prepare(self, folder: Path, *, private: Path) -> None:
        """Make what the first command in `folder` would wait for. Raises WorkspaceError as that would."""
        if self._settings.kind == "bubblewrap":
            self._etc(private, stage_for(folder), network=False)
            hierarchies()

    @contextlib.contextmanager
    def enclosed(
        self, command: Command, program: Path, environment: Mapping[str, str], *, private: Path, number: int
    ) -> Iterator[Enclosed]:
        """How to start `program` in place of `command.argv[0]`. Raises WorkspaceError where the sandbox cannot be had."""
        in_container = self._settings.kind == "container"
        stage = None if in_container else stage_for(command.cwd)
        etc = self._etc(private, stage, network=command.network)
        inside = dict(environment) | {"HOME": HOME, "TMPDIR": SCRATCH} | _new_objects(command) | dict(command.environment)
        with contextlib.ExitStack() as stack:
            opening, inner, doors = self._doors(command, inside, private / f"doors-{number}", stack)
            plan = Plan(
                command=command,
                program=program,
                settings=self._settings,
                environment=inside,
                view=view_of(command, program, inside, more=self._settings.reads, etc=etc),
                doors=doors,
                opening=opening,
                inner=inner,
                outside={"PATH": os.defpath, "LANG": "C"} | _upstream_proxy(command),
            )
            if in_container:
                yield contained(plan, stack, folder=private, number=number)
            else:
                yield bubblewrapped(plan, stage, stack)

    def _etc(self, private: Path, stage: Stage | None, *, network: bool) -> Path:
        """The folder that is shown as /etc."""
        uid, gid = (os.geteuid(), os.getegid()) if stage is None else (stage.uid, stage.gid)
        with self._lock:
            known = (uid, gid, network)
            if known not in self._etcs:
                self._etcs[known] = kept_etc(self._kept or private, uid=uid, gid=gid, network=network)
            return self._etcs[known]

    def _doors(
        self, command: Command, inside: dict[str, str], folder: Path, stack: contextlib.ExitStack
    ) -> tuple[tuple[str, ...], tuple[str, ...], Path | None]:
        """What opens the doors outside and inside, and the folder with their sockets."""
        if not (command.network or command.listens or command.reaches):
            return (), (), None
        folder.mkdir()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        outer: list[str] = []
        inner: list[str] = []
        for port in command.reaches:
            outer.append(f"out:{folder}/{port}.out={port}")
            inner.append(f"in:{port}={DOORS}/{port}.out")
        for port in command.listens:
            outer.append(f"served:{port}={folder}/{port}.in")
            inner.append(f"serving:{DOORS}/{port}.in={port}")
        if command.network:
            outer.append(
                f"registry:{folder}/registry={','.join(registry_hosts(os.environ, (*self._settings.hosts, *command.hosts)))}"
            )
            inner.append(f"in:{PROXY_PORT}={DOORS}/registry")
            inside.update(dict.fromkeys(_PROXY_VARIABLES, f"http://127.0.0.1:{PROXY_PORT}"))
            for name in _NO_PROXY_VARIABLES:
                inside.pop(name, None)
        opening = (plain_python(), "-I", "-S", str(_DOORS_PROGRAM))
        return (*opening, *outer, "--"), (*opening, *inner, "--"), folder


def _new_objects(command: Command) -> dict[str, str]:
    """Where git puts the objects it makes, and where it finds the others (git(1), "Environment variables")."""
    objects = objects_of(command.cwd) if command.merges else None
    return {} if objects is None else {"GIT_OBJECT_DIRECTORY": SCRATCH, "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)}


def _upstream_proxy(command: Command) -> dict[str, str]:
    """How this machine reaches the registries, for the proxy outside."""
    if not command.network:
        return {}
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}
