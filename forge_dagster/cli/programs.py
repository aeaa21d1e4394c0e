"""The long-lived processes of a home: what `forge up` keeps running."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.settings import Settings
from forge_dagster.ports import Program

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "FORGE_EXECUTOR", "FORGE_DEBUG")
"""Variables that the processes inherit, besides those that say how to reach package indexes: nothing of the operator's own
credentials, which no gate is to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process, what it is for, and where people find it ("" where there is nothing to open)."""

    program: Program
    purpose: str
    port: str
    """Name of its port in the settings."""
    address: str = ""


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME of this home."""
    return settings.home / "dagster"


def server_url(settings: Settings) -> str:
    """Where git, REST, webhooks and approvals are served."""
    return f"http://127.0.0.1:{settings.ports.server}"


def dagster_url(settings: Settings) -> str:
    """Where the Dagster UI is served."""
    return f"http://127.0.0.1:{settings.ports.dagster}"


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
    ports = settings.ports

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
    code = ("-h", "127.0.0.1", "-p", str(ports.code), "-m", "definitions", "--location-name", "forge")
    web = ("-h", "127.0.0.1", "-p", str(ports.dagster))
    return (
        Service(
            program=program("server", "-m", "forge_dagster.cli", "serve", "--home", str(settings.home)),
            purpose="git, REST, webhooks, approvals",
            port="server",
            address=server_url(settings),
        ),
        Service(
            program=program("code", "-m", "dagster", "api", "grpc", *code), purpose="Forge's code for Dagster", port="code"
        ),
        Service(
            program=program("dagster", "-m", "dagster_webserver", *web, *workspace),
            purpose="Dagster UI",
            port="dagster",
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
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {settings.ports.code}\n      location_name: forge\n"
    )
