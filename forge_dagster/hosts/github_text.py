"""Findings and texts as GitHub takes them: bounded, and saying so when something was cut."""

from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Severity

BATCH = 50
"""Annotations of one request (docs.github.com, "Create a check run")."""
TEXT_LIMIT = 65_535
"""Characters of a check's summary and of a comment (same source; a comment may have one more)."""
_LEVELS = {Severity.ERROR: "failure", Severity.WARNING: "warning", Severity.NOTE: "notice"}

_NOT_THE_CHANGES = {Attribution.PREEXISTING: "baseline red: ", Attribution.INFRASTRUCTURE: "surroundings: "}


def cut(text: str) -> str:
    """`text` if it fits, else its beginning and a note of how long it was."""
    if len(text) <= TEXT_LIMIT:
        return text
    note = f"\n\n... (cut: the host takes {TEXT_LIMIT} characters, this had {len(text)})"
    return text[: TEXT_LIMIT - len(note)] + note


def annotation(finding: Finding) -> dict[str, Any]:
    """One finding about a file; without a line it is shown at the first. What is not the change's doing is a notice."""
    line = finding.line or 1
    told = _NOT_THE_CHANGES.get(finding.attribution, "")
    body: dict[str, Any] = {
        "path": finding.file,
        "start_line": line,
        "end_line": line,
        "annotation_level": "notice" if told else _LEVELS[finding.severity],
        "message": finding.message[:TEXT_LIMIT] or finding.rule,
        "title": f"{told}{finding.tool} {finding.rule}"[:255],
    }
    if finding.column is not None:
        body |= {"start_column": finding.column, "end_column": finding.column}
    if finding.suggested_fix:
        body["raw_details"] = finding.suggested_fix[:TEXT_LIMIT]
    return body
