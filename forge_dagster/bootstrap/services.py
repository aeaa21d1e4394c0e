"""Services, for the server and for Dagster's runs: hosts, ledger, platforms, signals, each from the settings."""

import functools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from forge_dagster.bootstrap.homes import (
    FORGE_TOKEN,
    KEYS_FOLDER,
    home_folder,
    load_settings,
    read_token,
    redactor,
    supervision,
)
from forge_dagster.domain.redaction import Redactor
from forge_dagster.domain.settings import HostSettings, SandboxSettings, Settings
from forge_dagster.domain.settings_file import SETTINGS_FILE
from forge_dagster.errors import ConfigurationError
from forge_dagster.ports import GitHost, Platform, Reviewer, Services, Supervision

if TYPE_CHECKING:
    from forge_dagster.workspace.processes import ProcessRun


def build_services(home: Path | None = None) -> Services:
    """All that use cases need, built once per process and home. Touches neither network nor database until something is asked.

    Raises ConfigurationError where the settings are wrong.
    """
    return _services(home_folder(home), os.getpid())


@functools.lru_cache(maxsize=8)
def _services(home: Path, _process: int) -> Services:
    from forge_dagster import registry
    from forge_dagster.evidence.keyless import SigstoreSigner
    from forge_dagster.evidence.keyring import FolderKeyring
    from forge_dagster.ledger.sql import SqlLedger
    from forge_dagster.signals.envoy import EnvoySignals
    from forge_dagster.workspace.checkout import LocalWorkspace
    from forge_dagster.workspace.memo import FolderMemo
    from forge_dagster.workspace.processes import SystemClock
    from forge_dagster.workspace.run_supervision import RunSupervision
    from forge_dagster.workspace.services import LocalServices

    settings, secrets = load_settings(home), redactor(home)
    hosts = {host.name: _host(host, settings) for host in settings.hosts}
    keyring, keeper = FolderKeyring(home / KEYS_FOLDER), supervision(home, settings.sandbox)
    host_of, run_for = _host_finder(settings, hosts), _runs(home, secrets, settings.sandbox)
    return Services(
        settings=settings,
        ledger=SqlLedger(f"sqlite:///{home / 'ledger.db'}", keyring=keyring, redaction=secrets),
        workspace=LocalWorkspace(home, run_for(f"workspace-{os.getpid()}")),
        clock=SystemClock(),
        host_of=host_of,
        hosts=hosts,
        run_for=run_for,
        services_for=lambda run_id: LocalServices(home=home, run=run_for(run_id)),
        platforms=platforms_of(home, keeper),
        platforms_for=lambda run_id, folder: platforms_of(folder, RunSupervision(run_for(run_id))),
        signals=EnvoySignals(home=home),
        gates=registry.gates(),
        tools=tuple(registry.tools().values()),
        reviewer=reviewer_of(settings, host_of),
        redaction=secrets,
        memo_of=lambda attempt: FolderMemo(home / "memo" / attempt.job.value / attempt.repository),
        run_url=lambda run_id: f"{people_url(load_settings(home))}/dagster/runs/{run_id}",
        keyring=keyring,
        keyless=SigstoreSigner() if settings.evidence.keyless else None,
    )


def people_url(settings: Settings) -> str:
    """What links that people follow begin with."""
    return settings.public_url or f"http://127.0.0.1:{settings.ports.server}"


def platforms_of(home: Path, keeper: Supervision) -> Mapping[str, Platform]:
    """Every platform there is, by name, with its state in `home` and its programs in the care of `keeper`."""
    from forge_dagster import registry

    made: dict[str, Platform] = {}
    for name, platform in registry.platforms().items():
        made[name] = cast(Any, platform)(home=home, supervision=keeper)
    return made


def _runs(home: Path, redaction: Redactor, sandbox: SandboxSettings) -> "Callable[[str], ProcessRun]":
    """One Run per Dagster run in this process, so that cancelling reaches the tools of every gate."""
    from forge_dagster.workspace.processes import ProcessRun

    made: dict[str, ProcessRun] = {}
    lock = threading.Lock()

    def run_for(run_id: str) -> ProcessRun:
        with lock:
            if run_id not in made:
                made[run_id] = ProcessRun(home=home, run_id=run_id, redaction=redaction, sandbox=sandbox)
            return made[run_id]

    return run_for


def _host(host: HostSettings, settings: Settings) -> GitHost:
    from forge_dagster.hosts.github import GitHubHost

    home = settings.home
    embedded = host.kind == "embedded"
    root = f"http://127.0.0.1:{settings.ports.server}" if embedded else ""
    token_file = host.token_file or (home / "secrets" / FORGE_TOKEN if embedded else None)
    if token_file is None:
        raise ConfigurationError(f'host "{host.name}" has no token_file', hint=f"give it one in {home / SETTINGS_FILE}")
    return GitHubHost(
        api_url=host.api_url or f"{root}/api/v3",
        git_url=host.git_url or root,
        token=lambda: read_token(token_file),
        agents=settings.agents,
        repositories=host.repositories,
    )


def _host_finder(settings: Settings, hosts: Mapping[str, GitHost]) -> Callable[[str], GitHost]:
    """Which host has a repository: the one that names it, else the embedded one, which serves all it has."""
    named = {repository: host.name for host in settings.hosts for repository in host.repositories}
    catch_all = next((host.name for host in settings.hosts if host.kind == "embedded" and not host.repositories), None)

    def host_of(repository: str) -> GitHost:
        name = named.get(repository, catch_all)
        if name is None:
            raise ConfigurationError(
                f"no host serves {repository!r}", hint=f"add it to a host's repositories in {settings.home / SETTINGS_FILE}"
            )
        return hosts[name]

    return host_of


def reviewer_of(settings: Settings, host_of: Callable[[str], GitHost] | None) -> Reviewer | None:
    """Whom the operator has named for gate `review`. Raises ConfigurationError for one that lacks what its kind needs."""
    named = settings.reviewer
    if named is None or (named.kind == "comments" and host_of is None):
        return None
    from forge_dagster.agents.reviewers.wiring import reviewer

    return reviewer(named, home=settings.home, host_of=host_of, read_key=read_token)
