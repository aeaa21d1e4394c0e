"""What a home of Forge's holds: its settings, secrets, keys and accounts."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from forge_dagster.domain.redaction import Redactor
from forge_dagster.domain.settings import Ports, SandboxSettings, Settings
from forge_dagster.domain.settings_file import SETTINGS_FILE, parse_settings
from forge_dagster.errors import ConfigurationError

if TYPE_CHECKING:
    from forge_dagster.domain.log_keys import Signatures
    from forge_dagster.hosts.embedded import EmbeddedHost
    from forge_dagster.hosts.embedded.accounts import Accounts
    from forge_dagster.hosts.embedded.sessions import Sessions
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
    return read_token(home / "secrets" / name)


def webhook_secrets(settings: Settings) -> Mapping[str, str]:
    """Host name -> the secret its webhooks are signed with, for the hosts that have one. Raises ConfigurationError."""
    made: dict[str, str] = {}
    for host in settings.hosts:
        if host.kind == "embedded":
            made[host.name] = read_secret(settings.home, WEBHOOK_SECRET)
        elif host.webhook_secret_file is not None:
            made[host.name] = read_token(host.webhook_secret_file)
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


def read_token(path: Path) -> str:
    """What a file with a secret holds. Raises ConfigurationError."""
    try:
        return path.expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        hint = "start Forge first: forge up" if path.parent.name == "secrets" else f"correct the path in {SETTINGS_FILE}"
        raise ConfigurationError(f"cannot read {path}: {said}", hint=hint) from error
