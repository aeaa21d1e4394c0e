"""The long-lived processes of a home: what `forge up` keeps running."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.bootstrap import people_url
from forge_dagster.domain.settings import Settings
from forge_dagster.ports import Program
from forge_dagster.workspace.sockets import CODE_SOCKET, DAGSTER_SOCKET, socket_path

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "FORGE_EXECUTOR", "FORGE_DEBUG")
"""Variables that the processes inherit, besides those that say how to reach package indexes: nothing of the operator's own
credentials, which no gate is to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process, what it is for, and where people find it ("" where there is nothing to open)."""

    program: Program
    purpose: str
    port: str
    """Name of its port in the settings; "" where it has none: a Unix socket keeps everybody else out."""
    address: str = ""


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME of this home."""
    return settings.home / "dagster"


def server_url(settings: Settings) -> str:
    """Where git, REST, webhooks and approvals are served."""
    return f"http://127.0.0.1:{settings.ports.server}"


def dagster_url(settings: Settings) -> str:
    """Where operators find the Dagster UI, once they have logged in."""
    return f"{people_url(settings)}/dagster"


def environment(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    """What each process gets."""
    from forge_dagster.workspace.network import network_environment

    kept = {name: inherited[name] for name in _KEPT if name in inherited}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    own = {
        "PATH": path,
        "FORGE_HOME": str(settings.home),
        "DAGSTER_HOME": str(dagster_home(settings)),
        "PYTHONUNBUFFERED": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    return kept | network_environment(inherited) | own


def services(settings: Settings, inherited: Mapping[str, str]) -> tuple[Service, ...]:
    """In the order in which they are started."""
    variables = environment(settings, inherited)
    folder = dagster_home(settings)
    home = settings.home

    def program(name: str, *arguments: str, stop_wait_s: float = 15.0) -> Program:
        return Program(
            name=name,
            argv=(sys.executable, *arguments),
            cwd=folder,
            environment=variables,
            log=settings.home / "logs" / f"{name}.log",
            stop_wait_s=stop_wait_s,
            trusted=True,
        )

    workspace = ("-w", str(folder / "workspace.yaml"))
    code = ("-s", str(socket_path(home, CODE_SOCKET)), "-m", "definitions", "--location-name", "forge")
    web = ("--socket", str(socket_path(home, DAGSTER_SOCKET)), "--path-prefix", "/dagster", "--workspace", workspace[1])
    return (
        Service(
            program=program("server", "-m", "forge_dagster.cli", "serve", "--home", str(settings.home)),
            purpose="git, REST, webhooks, approvals",
            port="server",
            address=server_url(settings),
        ),
        Service(program=program("code", "-m", "dagster", "api", "grpc", *code), purpose="Forge's code for Dagster", port=""),
        Service(
            program=program("dagster", "-m", "forge_dagster.orchestration.webserver", *web),
            purpose="Dagster UI",
            port="",
            address=dagster_url(settings),
        ),
        Service(
            program=program("daemon", "-m", "dagster._daemon", "run", *workspace, stop_wait_s=30.0),
            purpose="sensors, schedules, queue",
            port="",
        ),
    )


def workspace_file(settings: Settings) -> str:
    """Dagster's workspace.yaml: the one code server that web server and daemon share."""
    return (
        "load_from:\n  - grpc_server:\n      host: localhost\n"
        f"      socket: {json.dumps(str(socket_path(settings.home, CODE_SOCKET)))}\n      location_name: forge\n"
    )
