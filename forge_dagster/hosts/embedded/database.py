"""The embedded host's SQLite file: WAL, synchronous=FULL, so that what was acknowledged survives a kill or a power cut."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect

from forge_dagster.hosts.embedded.schema import metadata


class Database:
    """Transactions on `path`, which only its owner can read: it holds webhook secrets. Opening it makes the tables.

    `written` is called after every commit.
    """

    def __init__(self, path: Path, *, written: Callable[[], None]) -> None:
        self._written = written
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, pool_size=8, max_overflow=40)
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        with self.writing() as connection:
            metadata.create_all(connection)
            _add_columns(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot to read from."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its start (so it never fails half-way for lack of it)."""
        with self._engine.connect().execution_options(forge_write=True) as connection, connection.begin():
            yield connection
        self._written()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event issues BEGIN itself (docs: SQLite, "Serializable isolation")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA busy_timeout=30000")


def _add_columns(connection: Connection) -> None:
    """Columns that an older Forge did not know yet; a column that is added later must allow null."""
    seen = inspect(connection)
    for table in metadata.sorted_tables:
        known = {column["name"] for column in seen.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}')


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("forge_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
