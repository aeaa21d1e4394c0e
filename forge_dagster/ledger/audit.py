"""The append-only log of decisions, each entry chained to the one before, and the signed statements that it names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select, update

from forge_dagster.domain.attestations import Kind
from forge_dagster.ledger.database import Database
from forge_dagster.ledger.log import LogWriter
from forge_dagster.ledger.tables import attestations, audit
from forge_dagster.ports import Attestation, AuditEntry, Keyring, StoredStatement

_PAGE = 500


class AuditLog:
    """The `audit` and `evidence` parts of ports.Ledger."""

    _database: Database
    _log: LogWriter
    _keyring: Keyring | None

    def record(self, kind: str, body: Mapping[str, Any], at: float) -> AuditEntry:
        """See ports.Ledger. Raises ValueError for a body that is not plain JSON (NaN, infinity)."""
        with self._database.write() as connection:
            return self._log.append(connection, kind, body, at)

    def audit(self, limit: int | None = None, *, kinds: Sequence[str] = ()) -> Iterator[AuditEntry]:
        """See ports.Ledger. Oldest first; with `limit`, only the newest that many (still oldest first)."""
        wanted = [audit.c.kind.in_(list(kinds))] if kinds else []
        after = 0
        if limit is not None:
            newest = select(audit.c.sequence).where(*wanted).order_by(audit.c.sequence.desc()).offset(limit).limit(1)
            with self._database.read() as connection:
                after = connection.execute(newest).scalar() or 0
        while True:
            query = select(audit).where(audit.c.sequence > after, *wanted).order_by(audit.c.sequence).limit(_PAGE)
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from map(_entry, rows)
            after = rows[-1].sequence

    def entry(self, sequence: int) -> AuditEntry | None:
        """See ports.Ledger."""
        with self._database.read() as connection:
            row = connection.execute(select(audit).where(audit.c.sequence == sequence)).first()
        return None if row is None else _entry(row)

    def attest(self, attestation: Attestation) -> AuditEntry:
        """See ports.Ledger."""
        with self._database.write() as connection:
            return self._log.attest(connection, attestation)

    def statements(
        self,
        kind: Kind,
        *,
        repository: str,
        attempt_id: int | None = None,
        name: str | None = None,
        head_sha: str | None = None,
        tree: str | None = None,
        limit: int = 100,
    ) -> tuple[StoredStatement, ...]:
        """See ports.Ledger."""
        rows = attestations.c
        query = select(attestations).where(rows.kind == kind.value, rows.repository == repository)
        for column, value in ((rows.attempt_id, attempt_id), (rows.name, name), (rows.head_sha, head_sha), (rows.tree, tree)):
            if value is not None:
                query = query.where(column == value)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(rows.sequence.desc()).limit(limit)).all()
        return tuple(map(_statement, found))

    def envelope(self, digest: str) -> StoredStatement | None:
        """See ports.Ledger."""
        with self._database.read() as connection:
            row = connection.execute(select(attestations).where(attestations.c.digest == digest)).first()
        return None if row is None else _statement(row)

    def put_bundle(self, digest: str, bundle: str) -> None:
        """See ports.Ledger."""
        with self._database.write() as connection:
            connection.execute(update(attestations).where(attestations.c.digest == digest).values(bundle=bundle))

    def key_in_force(self) -> str | None:
        """See ports.Ledger."""
        with self._database.read() as connection:
            return self._log.in_force(connection)

    def rotate_key(self, *, by: str, at: float, lost: bool = False) -> AuditEntry:
        """See ports.Ledger. Killed at any point, either the old key is in force or the new one."""
        with self._database.write() as connection:
            entry, former = self._log.rotate(connection, by=by, at=at, lost=lost)
        if self._keyring is not None:
            self._keyring.publish(str(entry.body["key"]))
            if former is not None:
                self._keyring.retire(former)
        return entry


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        sequence=row.sequence,
        at=row.at,
        kind=row.kind,
        body=json.loads(row.body),
        previous=row.previous,
        digest=row.digest,
        seal=row.seal,
    )


def _statement(row: Row[Any]) -> StoredStatement:
    return StoredStatement(digest=row.digest, envelope=row.envelope, sequence=row.sequence, bundle=row.bundle)
