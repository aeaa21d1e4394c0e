"""Tests that were seen to be flaky, and how often."""

import json
from collections.abc import Mapping

from sqlalchemy import select

from forge_dagster.domain.flaky import FlakyTest, again
from forge_dagster.ledger.database import Database
from forge_dagster.ledger.tables import flaky_tests


class FlakyTests:
    """The part of ports.Ledger about flaky tests."""

    _database: Database

    def note_flaky(
        self, repository: str, tests: Mapping[str, str], *, attempt_id: int, head_sha: str, at: float
    ) -> Mapping[str, FlakyTest]:
        """See ports.Ledger."""
        history: dict[str, FlakyTest] = {}
        if not tests:
            return history
        query = select(flaky_tests).where(flaky_tests.c.repository == repository, flaky_tests.c.fingerprint.in_(list(tests)))
        with self._database.write() as connection:
            rows = {row.fingerprint: row for row in connection.execute(query)}
            for fingerprint, test in tests.items():
                row = rows.get(fingerprint)
                known = None if row is None else FlakyTest.model_validate(json.loads(row.body))
                if row is not None and known is not None and row.last_attempt == attempt_id:
                    history[fingerprint] = known
                    continue
                now = again(known, repository=repository, fingerprint=fingerprint, test=test, head=head_sha, at=at)
                values = {"repository": repository, "fingerprint": fingerprint, "last_attempt": attempt_id}
                body = self._database.dump(now.model_dump(mode="json"))
                connection.execute(self._database.upsert(flaky_tests, {**values, "last_at": now.last_at, "body": body}))
                history[fingerprint] = now
        return history

    def flaky_tests(self, repository: str, limit: int = 50) -> tuple[FlakyTest, ...]:
        """See ports.Ledger."""
        query = select(flaky_tests.c.body).where(flaky_tests.c.repository == repository)
        query = query.order_by(flaky_tests.c.last_at.desc(), flaky_tests.c.fingerprint).limit(limit)
        with self._database.read() as connection:
            return tuple(FlakyTest.model_validate(json.loads(body)) for body in connection.execute(query).scalars())
