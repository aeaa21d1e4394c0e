"""Starts the services of `forge.toml` for one gate: databases and programs that integration tests need beside them.

Ports are found before anything is started, so that every service, every setup command and the tests see the same addresses.
A port that another program takes in between costs one more attempt, on new ports.
"""

import contextlib
import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.policy_gates import ServiceSection
from forge_dagster.domain.reach import loopback_ports
from forge_dagster.domain.redaction import MASK
from forge_dagster.errors import Interrupted, ServiceFailed, SetupFailed, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.postgres import Login, PortTaken, login, postgres
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.serving import Serving, serving

PORTS = range(15_000, 20_000)
"""Below what the kernel hands out for outgoing connections (32768 and up, ip(7)), and beside the local platform's own."""
_TRIES = 3
_POLL_S = 0.05
_FOREVER_S = 7 * 86400.0
_KEPT = 256 * 1024
"""Bytes kept of what a service prints; all of it goes to the log."""

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """A service with its address. `login` only for kind "postgres"."""

    name: str
    section: ServiceSection
    port: int
    folder: Path
    login: Login | None = None

    @property
    def variable(self) -> str:
        """Under which variable tests find it, where nothing else is said: DB_URL for [services.db]."""
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in self.name)
        return self.section.variable or f"{plain.upper()}_URL"

    def filled(self, text: str) -> str:
        """`text` with {port} and {folder} filled in; for a database also {user}, {password} and {database}."""
        text = text.replace("{folder}", str(self.folder))
        return text.replace("{port}", str(self.port)) if self.login is None else self.login.filled(text)


class LocalServices:
    """Services as processes of this machine, started by `run`, which ends them whatever becomes of the gate."""

    def __init__(self, *, home: Path, run: ProcessRun) -> None:
        self._home = home
        self._run = run

    @contextlib.contextmanager
    def started(
        self,
        services: Mapping[str, ServiceSection],
        *,
        root: Path,
        folder: Path,
        variables: Mapping[str, str],
        run: Run,
        log: Log,
        reads: tuple[Path, ...] = (),
    ) -> Iterator[Mapping[str, str]]:
        """As ServiceStarter.started."""
        for attempt in range(1, _TRIES + 1):
            with ExitStack() as stack:
                starting = _Starting(self._home, self._run, stack, root, run, log, set(), reads)
                try:
                    given = starting.all(services, folder, variables)
                except PortTaken:
                    log("another program took the port of a service, trying others")
                    if attempt == _TRIES:
                        raise WorkspaceError("no service could have a port for itself", hint="run the gate again") from None
                    continue
                yield given
                return


@dataclass(frozen=True, slots=True)
class _Starting:
    """One attempt to start all services of a gate."""

    home: Path
    keeper: ProcessRun
    stack: ExitStack
    root: Path
    run: Run
    log: Log
    secrets: set[str]
    """Passwords that were drawn; a migration may print them, and its output is shown."""
    reads: tuple[Path, ...]

    def all(self, sections: Mapping[str, ServiceSection], folder: Path, variables: Mapping[str, str]) -> Mapping[str, str]:
        """Start databases first, then the rest as declared, each followed by its setup; the variables that tell of them."""
        ports = _free_ports(len(sections))
        services = [_service(name, sections[name], port, folder) for name, port in zip(sections, ports, strict=True)]
        self.secrets.update(service.login.password for service in services if service.login is not None)
        given = _addresses(services)
        for service in sorted(services, key=lambda service: service.login is None):
            service.folder.mkdir(parents=True, exist_ok=True)
            if service.login is not None:
                limit_s = service.section.start_timeout
                server = postgres(
                    service.login, home=self.home, keeper=self.keeper, run=self.run, limit_s=limit_s, log=self._log(service)
                )
                self.stack.enter_context(server)
                self.log(f"{service.name}: PostgreSQL is up on port {service.port}")
            else:
                self._start(service, {**variables, **given})
            for argv in service.section.setup:
                self._set_up(service, argv, {**variables, **given})
        return given

    def _start(self, service: _Service, variables: Mapping[str, str]) -> None:
        section = service.section
        if not section.command:
            raise WorkspaceError(f"[services.{service.name}] has no command", hint='write command = ["program", "{port}"]')
        own = {name: service.filled(value) for name, value in section.environment.items()}
        command = Command(
            argv=tuple(service.filled(part) for part in section.command),
            cwd=self.root,
            environment={**variables, **own, "PORT": str(service.port)},
            timeout_s=_FOREVER_S,
            output_limit=_KEPT,
            reads=self.reads,
            writes=(service.folder,),
            listens=(service.port,),
            reaches=tuple(port for port in loopback_ports(variables) if port != service.port),
        )
        if _connects(service.port):
            raise PortTaken
        self.log(f"{service.name}$ {' '.join(section.command)}")
        served = self.stack.enter_context(serving(self.keeper, command, log=self._log(service)))
        self._await(service, served)
        self.log(f"{service.name}: up on port {service.port}")

    def _await(self, service: _Service, served: Serving) -> None:
        waited = 0.0
        while True:
            over = served.over
            up = _answers(service)
            if over is not None:
                if over.ended == "interrupted":
                    raise Interrupted(f"{service.name} was interrupted", hint="start it again when you are ready")
                if up and over.ended == "exited":
                    raise PortTaken
                raise ServiceFailed(
                    f"{service.name} {_how(over)} before it was up{self._last_output(over)}", hint=_hint(service)
                )
            if up:
                return
            if waited > service.section.start_timeout:
                limit = f"{service.section.start_timeout:.0f} s"
                over = served.stop()
                said = "" if over is None else self._last_output(over)
                what = f"answer GET {service.section.ready} with 2xx" if service.section.ready else "listen on its port"
                raise ServiceFailed(f"{service.name} did not {what} within {limit}{said}", hint=_hint(service))
            self.run.wait(_POLL_S)
            waited += _POLL_S

    def _set_up(self, service: _Service, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        said = " ".join(argv)
        self.log(f"{service.name} setup$ {said}")
        filled = tuple(service.filled(part) for part in argv)
        command = Command(
            argv=filled,
            cwd=self.root,
            environment=variables,
            reads=self.reads,
            writes=(service.folder,),
            reaches=loopback_ports(variables),
        )
        done = self.run.run(command, log=self._log(service))
        if done.ended == "interrupted":
            raise Interrupted(f"{said} was interrupted", hint="start it again when you are ready")
        if done.ended == "exited" and done.exit_code is not None and done.exit_code > 0:
            raise SetupFailed(f"[services.{service.name}] setup: {said} ended with {done.exit_code}{self._last_output(done)}")
        if done.ended != "exited" or done.exit_code != 0:
            raise WorkspaceError(
                f"[services.{service.name}] setup: {said} {_how(done)}{self._last_output(done)}",
                hint=f"is {argv[0]} installed?",
            )

    def _log(self, service: _Service) -> Log:
        return lambda line: self.log(f"{service.name}| {self._blanked(line)[:500]}")

    def _last_output(self, result: ProcessResult) -> str:
        text = b"\n".join((result.stdout[-4096:], result.stderr[-4096:])).decode("utf-8", "replace")
        lines = [line.rstrip() for line in self._blanked(text).splitlines() if line.strip()]
        return "; its last output:\n" + "\n".join(lines[-10:])[-1500:] if lines else ", having printed nothing"

    def _blanked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text


def _service(name: str, section: ServiceSection, port: int, folder: Path) -> _Service:
    found = login(port, section.environment) if section.kind == "postgres" else None
    return _Service(name=name, section=section, port=port, folder=folder / name, login=found)


def _addresses(services: Sequence[_Service]) -> Mapping[str, str]:
    """The variables of all services: the first database has libpq's names and $DATABASE_URL, every service its own."""
    given: dict[str, str] = {}
    for service in services:
        if service.login is None:
            given[service.variable] = service.filled(service.section.url)
            continue
        if "DATABASE_URL" not in given:
            given |= service.login.variables
        has_url = "url" in service.section.model_fields_set
        given[service.variable] = service.filled(service.section.url) if has_url else service.login.url
    return given


def _free_ports(count: int) -> list[int]:
    """Different ports that nobody uses now. Raises WorkspaceError."""
    found: list[int] = []
    for port in random.sample(PORTS, 500):
        if len(found) == count:
            break
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    if len(found) < count:
        raise WorkspaceError(f"no free port between {PORTS.start} and {PORTS.stop}", hint="stop what listens there")
    return found


def _connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _answers(service: _Service) -> bool:
    """Whether it is there: 2xx for `ready`, or else a connection."""
    if service.section.ready is None:
        return _connects(service.port)
    from http.client import HTTPConnection, HTTPException  # 30 ms to import, and not needed by most gates

    connection = HTTPConnection("127.0.0.1", service.port, timeout=2.0)
    try:
        connection.request("GET", service.section.ready, headers={"User-Agent": "forge-services", "Connection": "close"})
        return 200 <= connection.getresponse().status < 300
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _how(result: ProcessResult) -> str:
    if result.ended == "missing":
        return "could not be started"
    return f"ended with {result.exit_code}" if result.ended == "exited" else f"ended ({result.ended})"


def _hint(service: _Service) -> str:
    return f"it must listen on 127.0.0.1:$PORT (now {service.port}); correct its command in forge.toml, or raise start_timeout"
