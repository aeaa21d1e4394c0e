"""A finding: one thing that is wrong, where it is, and what to do about it."""

import hashlib
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from forge_dagster.domain.outcomes import Attribution, Category, Severity

MAX_FINDINGS = 200
"""Findings kept per gate; more are counted, not kept (GateResult.findings_total, truncated)."""

MAX_MESSAGE = 2_000
"""Characters kept of a finding's message."""


class Finding(BaseModel):
    """One fault. `file` is relative to the repository's root with forward slashes; lines and columns count from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    rule: str
    message: str
    category: Category
    file: str | None = None
    line: int | None = Field(default=None, ge=1)
    column: int | None = Field(default=None, ge=1)
    severity: Severity = Severity.ERROR
    attribution: Attribution = Attribution.UNKNOWN
    suggested_fix: str = ""
    snippet: str = Field(default="", exclude=True)
    """Text of the line, used for the fingerprint only: never shown, since it may hold a secret."""
    fingerprint: str = ""

    @property
    def place(self) -> str:
        """`file:line`, as far as known; empty for a finding about no file."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"


def fingerprinted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give each finding a fingerprint that survives moved lines, in order, without duplicates.

    The digest covers tool, rule, file and the line's text (or, lacking it, the message), and the ordinal among equals:
    the recipe of SARIF's partialFingerprints "primaryLocationLineHash".
    """
    seen: Counter[str] = Counter()
    done: dict[str, Finding] = {}
    for finding in dict.fromkeys(findings):
        text = finding.snippet.strip() or finding.message
        stem = "\0".join((finding.tool, finding.rule, finding.file or "", text))
        seen[stem] += 1
        digest = hashlib.sha256(f"{stem}\0{seen[stem]}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
        done[digest] = finding.model_copy(update={"fingerprint": digest, "message": finding.message[:MAX_MESSAGE]})
    return tuple(done.values())
