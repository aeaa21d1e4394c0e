"""Writes entries of the audit log, inside the transaction of what they are about: chained, sealed, with their attestation."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from forge_dagster.domain.attestations import PAYLOAD_TYPE, Kind, content_digest
from forge_dagster.domain.audit import GENESIS, canonical_json, link_digest
from forge_dagster.domain.log_keys import KEY_CREATED, KEY_KINDS, KEY_ROTATED, seal_message
from forge_dagster.domain.redaction import Redaction, Redactor
from forge_dagster.errors import UsageError
from forge_dagster.ledger.tables import attestations, audit
from forge_dagster.ports import Attestation, AuditEntry, Keyring


class LogWriter:
    """Appends to the log through a connection that has the database to itself, so that which key is in force is certain."""

    def __init__(self, keyring: Keyring | None, redaction: Redactor = Redaction) -> None:
        self._keyring = keyring
        self._redaction = redaction

    def append(self, connection: Connection, kind: str, body: Mapping[str, Any], at: float) -> AuditEntry:
        """Append and seal. Raises ValueError for a body that is not plain JSON, ConfigurationError for unusable keys."""
        plain = json.loads(canonical_json(self._redaction().value(dict(body))))
        return self._append(connection, kind, plain, at, key=self._key(connection, at))

    def attest(self, connection: Connection, attestation: Attestation) -> AuditEntry:
        """Sign and store the statement, and append the entry that names it."""
        statement = attestation.statement
        kind = statement.kind
        assert kind is not None
        body = dict(attestation.body)
        key = self._key(connection, attestation.at)
        if key is None or self._keyring is None:
            return self.append(connection, kind, body, attestation.at)
        text = self._keyring.envelope(key, statement.payload(), PAYLOAD_TYPE)
        body["attestation"] = content_digest(text)
        entry = self.append(connection, kind, body, attestation.at)
        facts = statement.facts
        values = {
            "kind": kind.value,
            "name": statement.gate.gate if kind is Kind.GATE else "",
            "repository": facts.repository,
            "attempt_id": facts.attempt,
            "head_sha": facts.head,
            "tree": facts.tree,
            "sequence": entry.sequence,
            "envelope": text,
        }
        known = select(attestations.c.digest).where(attestations.c.digest == body["attestation"])
        if connection.execute(known).first() is None:  # signing is deterministic: the same said twice is one envelope
            connection.execute(insert(attestations).values(digest=body["attestation"], **values))
        return entry

    def rotate(self, connection: Connection, *, by: str, at: float, lost: bool) -> tuple[AuditEntry, str | None]:
        """Put a new key in force: its entry, and the id of the key before it."""
        if self._keyring is None:
            raise UsageError("this ledger has no keys", hint="open it through Forge's home")
        former = self._key(connection, at) if not lost else _newest_key(connection)
        key, public = self._keyring.create()
        body = {"key": key, "public": public, "former": former, "by": by}
        kind, sealed_by = (KEY_CREATED, key) if lost or former is None else (KEY_ROTATED, former)
        return self._append(connection, kind, body, at, key=sealed_by), former

    def in_force(self, connection: Connection) -> str | None:
        """The key that the committed log names last, its public part published: never before, since a transaction may fail."""
        key = _newest_key(connection) if self._keyring is not None else None
        if key is not None and self._keyring is not None:
            self._keyring.publish(key)
        return key

    def _key(self, connection: Connection, at: float) -> str | None:
        """The key in force. The first one is made when it is first needed."""
        if self._keyring is None:
            return None
        key = self.in_force(connection)
        if key is None:
            key, public = self._keyring.create()
            self._append(connection, KEY_CREATED, {"key": key, "public": public, "former": None, "by": ""}, at, key=key)
        return key

    def _append(self, connection: Connection, kind: str, body: Mapping[str, Any], at: float, *, key: str | None) -> AuditEntry:
        last = connection.execute(select(audit.c.sequence, audit.c.digest).order_by(audit.c.sequence.desc()).limit(1)).first()
        sequence, previous = (1, GENESIS) if last is None else (last.sequence + 1, last.digest)
        at = float(at)
        digest = link_digest(sequence=sequence, at=at, kind=kind, body=body, previous=previous)
        seal = None
        if key is not None and self._keyring is not None:
            seal = f"{key}:{self._keyring.sign(key, seal_message(digest))}"
        entry = AuditEntry(sequence=sequence, at=at, kind=kind, body=body, previous=previous, digest=digest, seal=seal)
        values = {"sequence": sequence, "at": at, "kind": kind, "previous": previous, "digest": digest, "seal": seal}
        connection.execute(insert(audit).values(**values, body=canonical_json(body)))
        return entry


def _newest_key(connection: Connection) -> str | None:
    newest = select(audit.c.body).where(audit.c.kind.in_(KEY_KINDS)).order_by(audit.c.sequence.desc()).limit(1)
    body = connection.execute(newest).scalar()
    return None if body is None else str(json.loads(body)["key"])
