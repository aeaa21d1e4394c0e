"""One SQL database: opened when first needed, one writer at a time, every failure explained."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from forge_dagster.domain.redaction import Redaction, Redactor
from forge_dagster.errors import ConfigurationError, LedgerError
from forge_dagster.ledger import tables

BUSY_TIMEOUT_S = 30
"""How long a writer waits for another one."""

_WRITER_KEY = 0x466F7267
"""PostgreSQL advisory lock ("Forg") that makes writers wait for each other, as SQLite does by itself."""

_HINTS = (
    ("disk is full", "free space on the disk that holds the ledger, then try again; nothing acknowledged is lost"),
    ("no space left", "free space on the disk that holds the ledger, then try again; nothing acknowledged is lost"),
    ("readonly", "make the file and its folder writable for the user Forge runs as"),
    ("read-only", "make the database writable for the user Forge runs as"),
    ("unable to open", "make sure that the folder exists and is writable for the user Forge runs as"),
    ("locked", "another process holds the ledger for too long: look for a stuck `forge` or backup process"),
    ("malformed", "the file is damaged: stop Forge and restore ledger.db from a backup"),
    ("not a database", "the file is not a ledger: check the path, or move the file away"),
    ("connect", "check that the database server runs and that the address in settings.toml is right"),
)


class Database:
    """Connections to `url`. Threads and processes may share one object; a forked child gets connections of its own.

    `redaction`: what no text may hold that goes into a column of JSON or of words.
    """

    def __init__(self, url: str, redaction: Redactor = Redaction) -> None:
        self.redaction = redaction
        self._url = url
        self._engine: Engine | None = None
        self._writer: Engine | None = None
        self._pid = 0
        self._lock = threading.Lock()

    @property
    def shown_url(self) -> str:
        """The address without its password."""
        try:
            return make_url(self._url).render_as_string(hide_password=True)
        except ArgumentError:
            return "the ledger's address"

    def dump(self, value: object) -> str:
        """JSON text for a column, without secrets; ASCII, so that any string (lone surrogates, NUL) survives any database."""
        return json.dumps(self.redaction().value(value), ensure_ascii=True, separators=(",", ":"))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Raises LedgerError."""
        with self._explained():
            engine, _ = self._open()
            with engine.begin() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that has the database to itself; committed at the end, dropped on any error. Raises LedgerError."""
        with self._explained():
            _, writer = self._open()
            with writer.begin() as connection:
                yield connection

    def upsert(self, table: Table, values: Mapping[str, Any]) -> Any:
        """An INSERT that replaces the row with the same primary key."""
        dialect = postgresql if self._dialect == "postgresql" else sqlite
        statement: Any = dialect.insert(table).values(**values)
        keys = [column.name for column in table.primary_key.columns]
        return statement.on_conflict_do_update(index_elements=keys, set_={k: v for k, v in values.items() if k not in keys})

    def close(self) -> None:
        """Give the connections back; the next use opens new ones."""
        with self._lock:
            if self._engine is not None and self._pid == os.getpid():
                self._engine.dispose()
            self._engine = self._writer = None

    @property
    def _dialect(self) -> str:
        return self._url.partition(":")[0].partition("+")[0]

    def _open(self) -> tuple[Engine, Engine]:
        with self._lock:
            if self._engine is None or self._writer is None or self._pid != os.getpid():
                if self._engine is not None:
                    self._engine.dispose(close=False)  # the parent's connections are the parent's to close
                engine = self._connected()
                writer = engine.execution_options(forge_writes=True)
                _prepare(writer, self.shown_url)
                self._engine, self._writer, self._pid = engine, writer, os.getpid()
            return self._engine, self._writer

    def _connected(self) -> Engine:
        try:
            url = make_url(self._url)
            if url.get_backend_name() == "postgresql":
                url = url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
                engine = create_engine(url, pool_pre_ping=True)
            elif url.get_backend_name() == "sqlite" and url.database:
                _create_file(Path(url.database))
                engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
                event.listen(engine, "connect", _on_sqlite_connect)
            else:
                raise ConfigurationError(
                    f"the ledger cannot be kept in {self.shown_url}",
                    hint="use sqlite:////path/to/ledger.db or postgresql://...",
                )
        except ModuleNotFoundError as error:
            hint = "install it: pip install 'forge-dagster[postgres]'"
            raise ConfigurationError(f"the database driver {error.name} is not installed", hint=hint) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConfigurationError(
                "the ledger's address cannot be understood", hint="use sqlite:////path/to/ledger.db or postgresql://..."
            ) from error
        event.listen(engine, "begin", _on_begin)
        return engine

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
            reason = cause[0] if cause else type(error).__name__
            hint = next((hint for word, hint in _HINTS if word in reason.lower()), "see `forge doctor`")
            raise LedgerError(f"the ledger {self.shown_url} failed: {reason}", hint=hint) from error


def _create_file(path: Path) -> None:
    """Make the database file readable for its owner only (it holds payloads and audit); SQLite's -wal and -shm follow it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)


def _on_sqlite_connect(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours to send: the driver's own would start readers and writers alike
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("forge_writes", False)
    if connection.dialect.name == "sqlite":
        # IMMEDIATE takes the write lock at once; a reader that turns writer later could fail with "database is locked".
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif writes:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_KEY})


def _prepare(writer: Engine, shown_url: str) -> None:
    """Create the tables, or bring older ones up to date. Raises LedgerError for a newer schema."""
    with writer.begin() as connection:
        tables.metadata.create_all(connection)
        version = connection.execute(select(tables.schema.c.version)).scalar()
        if version is None:
            connection.execute(tables.schema.insert().values(version=tables.SCHEMA_VERSION))
            return
        while version + 1 in tables.MIGRATIONS:
            version += 1
            for statement in tables.MIGRATIONS[version]:
                connection.exec_driver_sql(statement)
            connection.execute(tables.schema.update().values(version=version))
        if version != tables.SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {shown_url} has schema version {version}; this Forge knows version {tables.SCHEMA_VERSION}",
                hint="upgrade Forge" if version > tables.SCHEMA_VERSION else "restore the ledger from a backup of this version",
            )
