"""External writes that are due."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update

from forge_dagster.ledger.database import Database
from forge_dagster.ledger.tables import outbox
from forge_dagster.ports import Errand


class Outbox:
    """The `outbox` part of ports.Ledger."""

    _database: Database

    def post(self, *, key: str, kind: str, repository: str, body: Mapping[str, Any], at: float) -> None:
        """See ports.Ledger. One that was given up is due again, whatever its body."""
        text = self._database.dump(dict(body))
        with self._database.write() as connection:
            known = connection.execute(select(outbox.c.body, outbox.c.state).where(outbox.c.key == key)).first()
            if known is not None:
                if known.body == text and known.state != "failed":
                    return
                connection.execute(delete(outbox).where(outbox.c.key == key))
            values = {"key": key, "kind": kind, "repository": repository, "body": text, "due_at": at}
            connection.execute(insert(outbox).values(**values, state="due", tries=0))

    def due_errands(self, at: float, limit: int = 50) -> tuple[Errand, ...]:
        """See ports.Ledger. Oldest first."""
        query = select(outbox).where(outbox.c.state == "due", outbox.c.due_at <= at).order_by(outbox.c.id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            Errand(id=r.id, key=r.key, kind=r.kind, repository=r.repository, body=json.loads(r.body), tries=r.tries)
            for r in rows
        )

    def finish_errand(self, errand: int, *, error: str | None = None, retry_at: float | None = None) -> None:
        """See ports.Ledger. Without error: sent. With `retry_at`: due again then. With an error alone: given up.

        An errand whose body was replaced meanwhile is another one: finishing the old one changes nothing.
        """
        state = "due" if retry_at is not None else "sent" if error is None else "failed"
        values: dict[str, Any] = {"state": state, "error": error and self._database.redaction().text(error)}
        if error is not None:
            values["tries"] = outbox.c.tries + 1
        if retry_at is not None:
            values["due_at"] = retry_at
        with self._database.write() as connection:
            connection.execute(update(outbox).where(outbox.c.id == errand).values(**values))
