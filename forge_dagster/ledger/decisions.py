"""What was found, decided and approved."""

import json

from sqlalchemy import select

from forge_dagster.domain.decisions import Approval, Verdict
from forge_dagster.domain.results import GateResult
from forge_dagster.ledger.database import Database
from forge_dagster.ledger.log import LogWriter
from forge_dagster.ledger.tables import approvals, results, verdicts
from forge_dagster.ports import Attestation


class Decisions:
    """The `results and verdicts` part of ports.Ledger."""

    _database: Database
    _log: LogWriter

    def put_result(self, attempt_id: int, result: GateResult, *, attestation: Attestation | None = None) -> None:
        """See ports.Ledger. The same gate again replaces its result."""
        values = {"attempt_id": attempt_id, "gate": result.gate, "body": self._database.dump(result.model_dump(mode="python"))}
        with self._database.write() as connection:
            connection.execute(self._database.upsert(results, values))
            if attestation is not None:
                self._log.attest(connection, attestation)

    def results(self, attempt_id: int) -> dict[str, GateResult]:
        """See ports.Ledger."""
        query = select(results.c.gate, results.c.body).where(results.c.attempt_id == attempt_id)
        with self._database.read() as connection:
            return {row.gate: GateResult.model_validate(json.loads(row.body)) for row in connection.execute(query)}

    def put_verdict(self, verdict: Verdict, at: float, *, attestation: Attestation | None = None) -> None:
        """See ports.Ledger. A later verdict (after an approval) replaces the one before; the audit log keeps both."""
        values = {"attempt_id": verdict.attempt_id, "body": self._database.dump(verdict.model_dump(mode="json")), "at": at}
        with self._database.write() as connection:
            connection.execute(self._database.upsert(verdicts, values))
            if attestation is not None:
                self._log.attest(connection, attestation)

    def verdict(self, attempt_id: int) -> Verdict | None:
        """See ports.Ledger."""
        with self._database.read() as connection:
            body = connection.execute(select(verdicts.c.body).where(verdicts.c.attempt_id == attempt_id)).scalar()
        return None if body is None else Verdict.model_validate(json.loads(body))

    def put_approval(self, approval: Approval) -> None:
        """See ports.Ledger. A person's later word on the same head replaces the earlier one."""
        values = {
            "repository": approval.repository,
            "number": approval.number,
            "head_sha": approval.head_sha,
            "person": approval.by.casefold(),
            "body": self._database.dump(approval.model_dump(mode="json")),
            "at": approval.at,
        }
        with self._database.write() as connection:
            connection.execute(self._database.upsert(approvals, values))

    def approvals(self, repository: str, number: int, head_sha: str) -> tuple[Approval, ...]:
        """See ports.Ledger. Oldest first, one per person."""
        query = (
            select(approvals.c.body)
            .where(approvals.c.repository == repository, approvals.c.number == number, approvals.c.head_sha == head_sha)
            .order_by(approvals.c.at, approvals.c.person)
        )
        with self._database.read() as connection:
            return tuple(Approval.model_validate(json.loads(row.body)) for row in connection.execute(query))
