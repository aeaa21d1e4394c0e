"""The append-only log of decisions, each entry chained to the one before."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row, insert, select

from forge_dagster.domain.audit import GENESIS, canonical_json, link_digest
from forge_dagster.ledger.database import Database
from forge_dagster.ledger.tables import audit
from forge_dagster.ports import AuditEntry

_PAGE = 500


class AuditLog:
    """The `audit` part of ports.Ledger."""

    _database: Database

    def record(self, kind: str, body: Mapping[str, Any], at: float) -> AuditEntry:
        """See ports.Ledger. Raises ValueError for a body that is not plain JSON (NaN, infinity)."""
        plain = json.loads(canonical_json(self._database.redaction().value(dict(body))))
        with self._database.write() as connection:
            last = connection.execute(
                select(audit.c.sequence, audit.c.digest).order_by(audit.c.sequence.desc()).limit(1)
            ).first()
            sequence, previous = (1, GENESIS) if last is None else (last.sequence + 1, last.digest)
            at = float(at)
            digest = link_digest(sequence=sequence, at=at, kind=kind, body=plain, previous=previous)
            entry = AuditEntry(sequence=sequence, at=at, kind=kind, body=plain, previous=previous, digest=digest)
            values = {"sequence": sequence, "at": at, "kind": kind, "previous": previous, "digest": digest}
            connection.execute(insert(audit).values(**values, body=canonical_json(plain)))
            return entry

    def audit(self, limit: int | None = None) -> Iterator[AuditEntry]:
        """See ports.Ledger. Oldest first; with `limit`, only the newest that many (still oldest first)."""
        after = 0
        if limit is not None:
            with self._database.read() as connection:
                newest = connection.execute(
                    select(audit.c.sequence).order_by(audit.c.sequence.desc()).offset(limit).limit(1)
                ).scalar()
            after = newest or 0
        while True:
            query = select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(_PAGE)
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from map(_entry, rows)
            after = rows[-1].sequence


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        sequence=row.sequence,
        at=row.at,
        kind=row.kind,
        body=json.loads(row.body),
        previous=row.previous,
        digest=row.digest,
    )
