"""Start everything a home needs, once, and wait until each part answers."""

import json
import os
import re
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import forge_dagster
from forge_dagster import bootstrap
from forge_dagster.cli.answering import answers
from forge_dagster.cli.programs import Service, dagster_home, environment, server_url, services, workspace_file
from forge_dagster.domain.settings import Settings
from forge_dagster.domain.settings_file import SETTINGS_FILE
from forge_dagster.errors import ConfigurationError, PlatformError
from forge_dagster.ports import Command, Supervision
from forge_dagster.workspace.sockets import make_socket_folder

START_LIMIT_S = 120.0
"""Seconds for a part to answer: four interpreters that import Dagster at once take 10 to 20 s on two slow cores."""

MAX_EXITS = 3
"""A part that ended by itself this often is given up."""

Say = Callable[[str], None]


def start(home: Path, say: Say) -> Settings:
    """Start what does not run yet and wait for it; the settings with the ports in use. Idempotent.

    Raises ConfigurationError (settings, a port that is taken), PlatformError (a part does not start: with its last output).
    What this call started is stopped again when it raises.
    """
    keeper = bootstrap.supervision(home)
    with _alone(home):
        ran_before = keeper.is_running()
        former = bootstrap.load_settings(home)
        settings = _chosen_ports(home, keeper)
        try:
            _prepare(settings, say)
            _retire_webhooks(former, settings)
            keeper.ensure_running()
            parts = services(settings, os.environ)
            for part in parts:
                keeper.start(part.program)
            for part in parts:
                _await(part, settings, keeper, say)
            _proxy(home, keeper, say)
        except BaseException:
            if not ran_before:
                keeper.shutdown()
            raise
    return settings


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One `forge up` of a home at a time."""
    from filelock import FileLock, Timeout

    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        lock = FileLock(home / "up.lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise PlatformError(f"another forge is starting in {home}", hint="wait for it, or end it") from error
    except OSError as error:
        raise ConfigurationError(
            f"cannot use {home} as Forge's home: {error.strerror or error}", hint="set FORGE_HOME to a writable folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


# --- ports -----------------------------------------------------------------------------------------------------------


def _chosen_ports(home: Path, keeper: Supervision) -> Settings:
    """Check that each port is free or held by our own part, choose those configured as 0, and write them down."""
    settings = bootstrap.load_settings(home)
    held = {part.port for part in services(settings, {}) if part.port and _runs(keeper, part.program.name)}
    configured = bootstrap.configured_ports(home)
    ports = settings.ports.model_dump()
    for name in {part.port for part in services(settings, {}) if part.port} - held:
        if configured[name] == 0:
            ports[name] = ports[name] if ports[name] and is_free(ports[name]) else _free_port(set(ports.values()))
        elif not is_free(ports[name]):
            raise ConfigurationError(
                f"port {ports[name]} on 127.0.0.1 is in use by another program",
                hint=f"end that program, or set ports.{name} in {home / SETTINGS_FILE} (0: any free port)",
            )
    _write(home / bootstrap.PORTS_FILE, json.dumps(ports), mode=0o600)
    return settings.model_copy(update={"ports": settings.ports.model_copy(update=ports)})


def _runs(keeper: Supervision, name: str) -> bool:
    state = keeper.state(name)
    return state is not None and state.running


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


# --- the home --------------------------------------------------------------------------------------------------------


def _prepare(settings: Settings, say: Say) -> None:
    home = settings.home
    try:
        for name in ("secrets", "logs", "dagster", "host"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
        make_socket_folder(home)
        _accounts(settings)
        _dagster(settings, say)
    except OSError as error:
        raise PlatformError(
            f"cannot write to {home}: {error.strerror or error}", hint="free disk space, or make Forge's home writable"
        ) from error


def _accounts(settings: Settings) -> None:
    """Forge's and the operator's tokens and the webhook of the embedded host, where they are not there yet."""
    folder = settings.home / "secrets"
    embedded = bootstrap.embedded_admin(settings.home)
    try:
        if not (folder / bootstrap.FORGE_TOKEN).exists():
            _write(folder / bootstrap.FORGE_TOKEN, embedded.accounts.create_token("forge", "forge"), mode=0o600)
        if not (folder / bootstrap.OPERATOR_TOKEN).exists():
            _write(folder / bootstrap.OPERATOR_TOKEN, embedded.accounts.create_token(settings.operator, "operator"), mode=0o600)
        if not (folder / bootstrap.WEBHOOK_SECRET).exists():
            _write(folder / bootstrap.WEBHOOK_SECRET, secrets.token_urlsafe(32), mode=0o600)
        secret = bootstrap.read_secret(settings.home, bootstrap.WEBHOOK_SECRET)
        for name in (host.name for host in settings.hosts if host.kind == "embedded"):
            embedded.add_webhook(f"{server_url(settings)}/webhooks/{name}", secret)
    finally:
        embedded.close()


def _retire_webhooks(former: Settings, settings: Settings) -> None:
    """Where the server has moved to another port, nothing is sent to the old one any more: it may be another program's now."""
    if former.ports.server in (0, settings.ports.server):
        return
    embedded = bootstrap.embedded_admin(settings.home)
    try:
        for name in (host.name for host in settings.hosts if host.kind == "embedded"):
            embedded.add_webhook(f"{server_url(former)}/webhooks/{name}", secrets.token_urlsafe(32), events=["none"])
    finally:
        embedded.close()


def _proxy(home: Path, keeper: Supervision, say: Say) -> None:
    """Envoy too, before the first release needs it: what is wrong with it is better known now."""
    from forge_dagster.platforms.envoy_proxy import EnvoyProxy

    say("waiting for envoy (proxy)")
    EnvoyProxy(home=home, supervision=keeper).ensure()


def _dagster(settings: Settings, say: Say) -> None:
    """Dagster's home, its databases made by one process: two at once race on a fresh SQLite (alembic_version)."""
    from importlib.metadata import version

    folder = dagster_home(settings)
    shutil.copyfile(Path(forge_dagster.__file__).parents[1] / "dagster.yaml", folder / "dagster.yaml")  # beside the package
    _write(folder / "workspace.yaml", workspace_file(settings), mode=0o600)
    stamp, wanted = folder / ".made-by", version("dagster")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("making Dagster's databases")
    from forge_dagster.workspace.processes import ProcessRun

    done = ProcessRun(home=None, run_id="dagster-migrate").run(
        Command(
            argv=(sys.executable, "-m", "dagster", "instance", "migrate"),
            cwd=folder,
            environment=environment(settings, os.environ),
            timeout_s=300,
            trusted=True,
        )
    )
    if done.exit_code != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[-1000:]
        raise PlatformError(f"Dagster's databases could not be made ({done.ended}): {said}", hint=f"look into {folder}")
    _write(stamp, wanted, mode=0o600)


def _write(path: Path, text: str, *, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(path)


# --- waiting ---------------------------------------------------------------------------------------------------------


def _await(part: Service, settings: Settings, keeper: Supervision, say: Say) -> None:
    name = part.program.name
    if answers(name, settings):
        return
    say(f"waiting for {name} ({part.purpose})")
    begun = time.monotonic()
    while True:
        if answers(name, settings):
            return
        state = keeper.state(name)
        ended = state is not None and state.exits >= MAX_EXITS
        if ended or time.monotonic() - begun > START_LIMIT_S:
            what = f"{name} ended by itself {state.exits} times" if state and ended else f"{name} does not answer"
            raise PlatformError(f"{what}; its last output:\n{tail(part.program.log)}", hint=f"see {part.program.log}")
        time.sleep(0.1)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, without colours."""
    try:
        text = path.read_text(errors="replace")
        return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()[-lines:])
    except OSError:
        return "(no log)"
