"""Rollouts and the leases that keep two of them (or two merges) from happening at once."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update

from forge_dagster.ledger.database import Database
from forge_dagster.ledger.tables import leases, rollouts


class Delivery:
    """The `rollouts` part of ports.Ledger."""

    _database: Database

    def put_rollout(
        self, *, key: str, repository: str, environment: str, release: str, state: Mapping[str, Any], ended: bool, at: float
    ) -> None:
        """See ports.Ledger."""
        values = {"repository": repository, "environment": environment, "release": release, "ended": ended, "at": at}
        values["body"] = self._database.dump(dict(state))
        with self._database.write() as connection:
            done = connection.execute(update(rollouts).where(rollouts.c.key == key).values(**values))
            if done.rowcount == 0:
                connection.execute(insert(rollouts).values(key=key, **values))

    def rollout(self, key: str) -> Mapping[str, Any] | None:
        """See ports.Ledger."""
        with self._database.read() as connection:
            body = connection.execute(select(rollouts.c.body).where(rollouts.c.key == key)).scalar()
        return None if body is None else _state(body)

    def rollouts(
        self, *, environment: str | None = None, open_only: bool = False, limit: int = 50
    ) -> tuple[Mapping[str, Any], ...]:
        """See ports.Ledger. Newest first."""
        query = select(rollouts.c.body).order_by(rollouts.c.id.desc()).limit(limit)
        if environment is not None:
            query = query.where(rollouts.c.environment == environment)
        if open_only:
            query = query.where(rollouts.c.ended.is_(False))
        with self._database.read() as connection:
            return tuple(_state(row.body) for row in connection.execute(query))

    def lock(self, name: str, *, owner: str, ttl_s: float, at: float) -> bool:
        """See ports.Ledger. A lease ends by itself `ttl_s` seconds after `at`."""
        with self._database.write() as connection:
            held = connection.execute(select(leases.c.owner, leases.c.until).where(leases.c.name == name)).first()
            if held is not None and held.owner != owner and held.until > at:
                return False
            values = {"name": name, "owner": owner, "until": at + ttl_s}
            connection.execute(self._database.upsert(leases, values))
            return True

    def unlock(self, name: str, *, owner: str) -> None:
        """See ports.Ledger. Another owner's lease is left alone."""
        with self._database.write() as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))


def _state(body: str) -> Mapping[str, Any]:
    state: Mapping[str, Any] = json.loads(body)
    return state
