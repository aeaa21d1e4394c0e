"""Attempts: the rows that make one run, and only one, the effective one for a head and policy."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.graph import Job
from forge_dagster.errors import ForgeError, LedgerError, Superseded
from forge_dagster.ledger.database import Database
from forge_dagster.ledger.tables import attempts

_ORDER = (AttemptState.PENDING, AttemptState.REQUESTED, AttemptState.RUNNING)
_SEARCHED = ("repository", "base_ref", "head_sha", "policy_digest", "round", "run_id", "tested_tree", "base_sha")


class Attempts:
    """The `attempts` part of ports.Ledger."""

    _database: Database

    def open_attempt(self, attempt: Attempt) -> Attempt | None:
        """See ports.Ledger."""
        body = attempt.model_dump(mode="json", exclude={"id", "state", "job", "number", *_SEARCHED})
        values = {name: getattr(attempt, name) for name in _SEARCHED}
        row = insert(attempts).values(
            **values,
            job=attempt.job.value,
            number=attempt.number or 0,
            state=attempt.state.value,
            body=self._database.dump(body),
        )
        try:
            with self._database.write() as connection:
                made = connection.execute(row.returning(attempts.c.id)).scalar_one()
                return attempt.model_copy(update={"id": made})
        except LedgerError as error:
            if isinstance(error.__cause__, IntegrityError):
                return None
            raise

    def attempt(self, attempt_id: int) -> Attempt:
        """See ports.Ledger. Raises ForgeError when there is no such attempt."""
        with self._database.read() as connection:
            return _get(connection, attempt_id)

    def attempts(
        self,
        *,
        repository: str | None = None,
        job: Job | None = None,
        number: int | None = None,
        head_sha: str | None = None,
        states: Sequence[AttemptState] = (),
        limit: int = 100,
    ) -> tuple[Attempt, ...]:
        """See ports.Ledger."""
        query = select(attempts).order_by(attempts.c.id.desc()).limit(limit)
        wanted = {"repository": repository, "job": job and job.value, "number": number, "head_sha": head_sha}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(attempts.c[name] == value)
        if states:
            query = query.where(attempts.c.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            return tuple(_attempt(row) for row in connection.execute(query))

    def claim(self, attempt_id: int, run_id: str) -> Attempt:
        """See ports.Ledger."""
        with self._database.write() as connection:
            found = _get(connection, attempt_id)
            if found.state.is_final:
                raise Superseded(f"attempt {attempt_id} ({found.partition}) is over: {found.state.value}")
            if found.run_id not in (None, run_id):
                raise Superseded(f"attempt {attempt_id} ({found.partition}) belongs to run {found.run_id}")
            if found.state is AttemptState.RUNNING and found.run_id == run_id:
                return found
            return _set(connection, found, state=AttemptState.RUNNING, run_id=run_id)

    def release_claim(self, attempt_id: int) -> Attempt:
        """See ports.Ledger."""
        with self._database.write() as connection:
            found = _get(connection, attempt_id)
            return found if found.state.is_final else _set(connection, found, state=AttemptState.PENDING, run_id=None)

    def advance(
        self, attempt_id: int, state: AttemptState, *, tested_tree: str | None = None, base_sha: str | None = None
    ) -> Attempt:
        """See ports.Ledger. Never goes back: a RUNNING attempt does not become REQUESTED again."""
        with self._database.write() as connection:
            found = _get(connection, attempt_id)
            if found.state.is_final:
                return found
            changes: dict[str, Any] = {"tested_tree": tested_tree, "base_sha": base_sha}
            changes = {name: value for name, value in changes.items() if value is not None}
            if state.is_final or _ORDER.index(state) > _ORDER.index(found.state):
                changes["state"] = state
            return _set(connection, found, **changes) if changes else found


def _get(connection: Connection, attempt_id: int) -> Attempt:
    row = connection.execute(select(attempts).where(attempts.c.id == attempt_id)).first()
    if row is None:
        raise ForgeError(f"the ledger has no attempt {attempt_id}", hint="`forge status` lists the attempts")
    return _attempt(row)


def _set(connection: Connection, attempt: Attempt, **changes: Any) -> Attempt:
    values = {name: value.value if isinstance(value, AttemptState) else value for name, value in changes.items()}
    connection.execute(update(attempts).where(attempts.c.id == attempt.id).values(**values))
    return attempt.model_copy(update=changes)


def _attempt(row: Row[Any]) -> Attempt:
    columns = {name: getattr(row, name) for name in _SEARCHED}
    return Attempt.model_validate(
        {**json.loads(row.body), **columns, "id": row.id, "job": row.job, "number": row.number or None, "state": row.state}
    )
