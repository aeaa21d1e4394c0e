"""Events that were acknowledged and wait to be acted on."""

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, insert, select, update

from forge_dagster.ledger.database import Database
from forge_dagster.ledger.tables import inbox
from forge_dagster.ports import Event

MAX_TRIES = 5
"""How often an event whose handling fails is tried before it is left alone (and shown as failed)."""


class Inbox:
    """The `inbox` part of ports.Ledger."""

    _database: Database

    def receive(
        self, *, delivery: str, host: str, name: str, action: str, repository: str, payload: Mapping[str, Any], at: float
    ) -> bool:
        """See ports.Ledger."""
        with self._database.write() as connection:
            known = connection.execute(
                select(inbox.c.id, inbox.c.state).where(inbox.c.host == host, inbox.c.delivery == delivery)
            ).first()
            if known is None:
                values = {"delivery": delivery, "host": host, "name": name, "action": action, "repository": repository}
                row = insert(inbox).values(
                    **values, payload=self._database.dump(payload), received_at=at, state="due", due_at=0.0, tries=0
                )
                connection.execute(row)
                return True
            if known.state != "failed":
                return False
            again = update(inbox).where(inbox.c.id == known.id).values(state="due", due_at=0.0, tries=0)
            connection.execute(again)
            return True

    def due_events(self, limit: int = 100, *, at: float | None = None) -> tuple[Event, ...]:
        """See ports.Ledger."""
        now = time.time() if at is None else at
        query = select(inbox).where(inbox.c.state == "due", inbox.c.due_at <= now).order_by(inbox.c.id).limit(limit)
        with self._database.read() as connection:
            return tuple(_event(row) for row in connection.execute(query))

    def finish_event(self, event: int, *, error: str | None = None, retry_at: float | None = None) -> None:
        """See ports.Ledger."""
        error = error and self._database.redaction().text(error)
        with self._database.write() as connection:
            tries = connection.execute(select(inbox.c.tries).where(inbox.c.id == event)).scalar()
            if tries is None:
                return
            values: dict[str, Any] = {"state": "done", "error": error}
            if retry_at is not None:
                values = {"state": "due", "due_at": retry_at, "tries": tries + 1, "error": error}
            elif error is not None:
                values = {"state": "due" if tries + 1 < MAX_TRIES else "failed", "tries": tries + 1, "error": error}
            connection.execute(update(inbox).where(inbox.c.id == event).values(**values))


def _event(row: Row[Any]) -> Event:
    return Event(
        id=row.id,
        delivery=row.delivery,
        host=row.host,
        name=row.name,
        action=row.action,
        repository=row.repository,
        payload=json.loads(row.payload),
        received_at=row.received_at,
        tries=row.tries,
    )
