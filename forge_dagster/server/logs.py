"""The server's log: every record whole, but for secrets."""

import logging

from forge_dagster.domain.redaction import Redactor


class DiscreetFormatter(logging.Formatter):
    """Formats a record, its exception included, and blanks what `redaction` knows."""

    def __init__(self, pattern: str, redaction: Redactor) -> None:
        super().__init__(pattern)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The text of the record."""
        return self._redaction().text(super().format(record))
