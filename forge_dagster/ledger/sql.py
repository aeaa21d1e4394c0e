"""The ledger in one SQL database: SQLite on a small machine, PostgreSQL where there are many."""

from forge_dagster.domain.redaction import Redaction, Redactor
from forge_dagster.ledger.attempts import Attempts
from forge_dagster.ledger.audit import AuditLog
from forge_dagster.ledger.database import Database
from forge_dagster.ledger.decisions import Decisions
from forge_dagster.ledger.delivery import Delivery
from forge_dagster.ledger.flaky import FlakyTests
from forge_dagster.ledger.inbox import Inbox
from forge_dagster.ledger.log import LogWriter
from forge_dagster.ledger.outbox import Outbox
from forge_dagster.ports import Keyring


class SqlLedger(Inbox, Attempts, Decisions, FlakyTests, Delivery, Outbox, AuditLog):
    """ports.Ledger at `url`: `sqlite:////path/ledger.db` or `postgresql://...`.

    `redaction` gives what is blanked in whatever is stored.

    Connects when first used. Safe for threads and processes. Every method raises LedgerError when the database cannot answer.
    Each call is one transaction that has the database to itself, so that calls behave as if made one after another.
    """

    def __init__(self, url: str, *, keyring: Keyring | None = None, redaction: Redactor = Redaction) -> None:
        """`keyring`: signs the log and the statements it names; without one, nothing is signed. `redaction`: see Database."""
        self._database = Database(url, redaction)
        self._keyring = keyring
        self._log = LogWriter(keyring, redaction)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()
