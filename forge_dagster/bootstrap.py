"""The only wiring: settings to adapters to Services. Imports nothing heavy until it is needed."""

import functools
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from forge_dagster.domain.graph import GateSpec, Job
from forge_dagster.domain.policy import POLICY_FILE, POLICY_LIMIT
from forge_dagster.domain.redaction import Redactor
from forge_dagster.domain.releases import slug
from forge_dagster.domain.settings import HostSettings, Ports, SandboxSettings, Settings
from forge_dagster.domain.settings_file import SETTINGS_FILE, parse_settings
from forge_dagster.errors import ConfigurationError, WorkspaceError
from forge_dagster.ports import Checkout, GitHost, Platform, Reviewer, Services, Supervision

if TYPE_CHECKING:
    from forge_dagster.domain.log_keys import Signatures
    from forge_dagster.hosts.embedded import EmbeddedHost
    from forge_dagster.hosts.embedded.accounts import Accounts
    from forge_dagster.hosts.embedded.sessions import Sessions
    from forge_dagster.usecases.check import LocalCheck
    from forge_dagster.workspace.processes import ProcessRun
    from forge_dagster.workspace.supervision import SupervisordSupervision

PORTS_FILE = "ports.json"
"""Ports that the system chose when Forge started (those configured as 0), so that every process of the home knows them."""

FORGE_TOKEN = "forge-token"  # noqa: S105 - a file name
WEBHOOK_SECRET = "webhook-secret"  # noqa: S105
OPERATOR_TOKEN = "operator-token"  # noqa: S105

KEYS_FOLDER = "keys"
"""Holds what signs for Forge; nothing in a sandbox may see it."""


def home_folder(home: Path | None = None) -> Path:
    """Forge's home: the argument, $FORGE_HOME, or ~/.forge; absolute. Nothing is made."""
    named = os.environ.get("FORGE_HOME")
    return (home or (Path(named) if named else Path("~/.forge"))).expanduser().absolute()


def load_settings(home: Path | None = None) -> Settings:
    """The operator's settings of a home, with the ports that are in use filled in. Raises ConfigurationError."""
    settings = _written_settings(home_folder(home))
    return settings.model_copy(update={"ports": _in_use(settings.ports, settings.home / PORTS_FILE)})


def configured_ports(home: Path) -> Mapping[str, int]:
    """The ports as the settings say; 0 stands for any free one. Raises ConfigurationError."""
    return _written_settings(home_folder(home)).ports.model_dump()


def _written_settings(folder: Path) -> Settings:
    path = folder / SETTINGS_FILE
    try:
        text = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}", hint="correct its permissions, or remove it") from error
    return parse_settings(text, home=folder, where=str(path))


def _in_use(ports: Ports, record: Path) -> Ports:
    """`ports` with each 0 replaced by what was chosen when Forge started, as far as it was."""
    try:
        chosen = json.loads(record.read_text())
        known = {name: int(chosen[name]) for name, port in ports.model_dump().items() if port == 0 and name in chosen}
    except (OSError, ValueError, TypeError):
        return ports
    return ports.model_copy(update=known)


def read_secret(home: Path, name: str) -> str:
    """A secret of this home. Raises ConfigurationError where it is not there (yet)."""
    return _read_token(home / "secrets" / name)


def webhook_secrets(settings: Settings) -> Mapping[str, str]:
    """Host name -> the secret its webhooks are signed with, for the hosts that have one. Raises ConfigurationError."""
    made: dict[str, str] = {}
    for host in settings.hosts:
        if host.kind == "embedded":
            made[host.name] = read_secret(settings.home, WEBHOOK_SECRET)
        elif host.webhook_secret_file is not None:
            made[host.name] = _read_token(host.webhook_secret_file)
    return made


def redactor(home: Path | None = None) -> Redactor:
    """What is blanked in all that a home writes down or shows. Never raises: what broken settings name is not known."""
    from forge_dagster.workspace.known_secrets import KnownSecrets, from_environment

    folder = home_folder(home)
    values = from_environment(os.environ)
    try:
        settings = _written_settings(folder)
    except ConfigurationError:
        return KnownSecrets(folder, values=values)
    values += tuple(secret.get_secret_value() for secret in settings.secrets)
    return KnownSecrets(folder, values=values, files=settings.secret_files)


def signatures() -> "Signatures":
    """What checks signatures, without any key of our own."""
    from forge_dagster.evidence.signatures import Ed25519Signatures

    return Ed25519Signatures()


def public_keys(paths: list[Path]) -> Mapping[str, str]:
    """Key id -> public key of PEM files. Raises ConfigurationError."""
    from forge_dagster.evidence.keyring import read_public_keys

    return read_public_keys(paths)


def supervision(home: Path, sandbox: SandboxSettings | None = None) -> "SupervisordSupervision":
    """What keeps the long-lived processes of a home running; `sandbox`: for those of a change (default: confined)."""
    from forge_dagster.workspace.supervision import SupervisordSupervision

    return SupervisordSupervision(home, sandbox=sandbox)


def embedded_admin(home: Path) -> "EmbeddedHost":
    """The embedded host's accounts, repositories and webhooks, without serving it."""
    from forge_dagster.hosts.embedded import EmbeddedHost
    from forge_dagster.workspace.processes import ProcessRun

    settings = load_settings(home)
    protected = tuple(settings.production_branches)
    return EmbeddedHost(settings.home, run=ProcessRun(home=settings.home, run_id="host"), protected=protected)


@contextmanager
def home_accounts(home: Path | None = None) -> Iterator[tuple["Accounts", "Sessions"]]:
    """Tokens and browser sessions of a home, whichever hosts it has. Raises ConfigurationError for a home that is none."""
    folder = home_folder(home)
    if not folder.is_dir():
        raise ConfigurationError(f"there is no Forge in {folder}", hint="start it first: forge up")
    host = embedded_admin(folder)
    try:
        yield host.accounts, host.sessions
    finally:
        host.close()


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
        platforms=_platforms(home, keeper),
        signals=EnvoySignals(home=home),
        gates=registry.gates(),
        tools=tuple(registry.tools().values()),
        reviewer=_reviewer(settings, host_of),
        redaction=secrets,
        memo_of=lambda attempt: FolderMemo(home / "memo" / attempt.job.value / attempt.repository),
        run_url=lambda run_id: f"{people_url(load_settings(home))}/dagster/runs/{run_id}",
        keyring=keyring,
        keyless=SigstoreSigner() if settings.evidence.keyless else None,
    )


def people_url(settings: Settings) -> str:
    """What links that people follow begin with."""
    return settings.public_url or f"http://127.0.0.1:{settings.ports.server}"


def _platforms(home: Path, keeper: Supervision) -> Mapping[str, Platform]:
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
        token=lambda: _read_token(token_file),
        agents=settings.agents,
        repositories=host.repositories,
    )


def _read_token(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        hint = "start Forge first: forge up" if path.parent.name == "secrets" else f"correct the path in {SETTINGS_FILE}"
        raise ConfigurationError(f"cannot read {path}: {said}", hint=hint) from error


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


def _reviewer(settings: Settings, host_of: Callable[[str], GitHost] | None) -> Reviewer | None:
    """Whom the operator has named for gate `review`. Raises ConfigurationError for one that lacks what its kind needs."""
    named = settings.reviewer
    if named is None or (named.kind == "comments" and host_of is None):
        return None
    from forge_dagster.agents.reviewers.wiring import reviewer

    return reviewer(named, home=settings.home, host_of=host_of, read_key=_read_token)


@contextmanager
def local_check(
    path: Path,
    *,
    specs: tuple[GateSpec, ...],
    base: str | None = None,
    head: str | None = None,
    workers: int | None = None,
    fresh: bool = False,
    log: Callable[[str, str], None] = lambda _gate, _line: None,
) -> Iterator["LocalCheck"]:
    """Means to check `path` with no server, ledger or host; what it started and its scratch folder are gone at the end.

    `fresh`: every gate is asked anew, whatever was answered before.

    Raises UsageError (no repository, no such revision), ConfigurationError (forge.toml), WorkspaceError.
    """
    from forge_dagster import registry
    from forge_dagster.usecases.check import LocalCheck, default_workers
    from forge_dagster.usecases.remember import Memory
    from forge_dagster.workspace.checkout import LocalWorkspace, local_checkout
    from forge_dagster.workspace.circumstances import circumstances
    from forge_dagster.workspace.contents import tree_contents
    from forge_dagster.workspace.memo import FolderMemo
    from forge_dagster.workspace.processes import ProcessRun, SystemClock
    from forge_dagster.workspace.services import LocalServices

    home = home_folder()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot make {home}: {error.strerror or error}", hint="set FORGE_HOME to a writable folder"
        ) from error
    settings, secrets = load_settings(home), redactor(home)
    run = ProcessRun(home=home, run_id=f"check-{os.getpid()}", redaction=secrets, sandbox=settings.sandbox)
    try:
        with tempfile.TemporaryDirectory(prefix="forge-check-", ignore_cleanup_errors=True) as scratch:
            checkout = local_checkout(path, base, head, run, kept=home / "checkouts" / "check")
            _refuse_broken_policy(checkout)
            environments, clock = LocalWorkspace(home, run).environments, SystemClock()
            memory = Memory(
                memo=FolderMemo(home / "memo" / "check" / slug(str(path.resolve()))),
                checkout=checkout,
                contents=lambda: tree_contents(checkout.root, run),
                around=lambda: circumstances(
                    checkout,
                    environments=environments,
                    tools=registry.tools(),
                    settings=settings,
                    job=Job.CHANGE,
                ),
                clock=clock,
            )
            yield LocalCheck(
                checkout=checkout,
                specs=specs,
                gates=registry.gates(),
                environments=environments,
                run=run,
                clock=clock,
                services=LocalServices(home=home, run=run),
                settings=settings,
                reviewer=_reviewer(settings, None),
                redaction=secrets(),
                memory=None if fresh or not settings.memo else memory,
                scratch=Path(scratch),
                workers=workers or default_workers(),
                cache=home / "cache" / "check" / slug(str(path.resolve())),
                log=log,
            )
    finally:
        run.stop()


def _refuse_broken_policy(checkout: Checkout) -> None:
    """The base's `forge.toml` judges; one that the work breaks would judge the next change, so it is refused now."""
    from forge_dagster.workspace.trees import read_policy

    path = checkout.root / POLICY_FILE
    if POLICY_FILE in checkout.change.paths and path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            read_policy(file.read(POLICY_LIMIT + 1), where="as it is now")
