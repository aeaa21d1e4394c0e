"""A finding: one thing that is wrong, where it is, and what to do about it."""

import hashlib
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from forge_dagster.domain.outcomes import Attribution, Category, Severity

MAX_FINDINGS = 200
"""Findings kept per gate; more are counted, not kept (GateResult.findings_total, truncated)."""

MAX_MESSAGE = 2_000
"""Characters kept of a finding's message, and of its fix."""
MAX_RULE = 200
MAX_FILE = 4_096
"""Characters kept of a file's name: Linux has none longer (limits.h, PATH_MAX)."""

TEST_RULES = frozenset({"test-failed", "test-error"})
"""Rules of a test that failed, and of one whose set-up or tear-down did; their `snippet` is the test's id."""

FILE_RULES = frozenset({"unformatted"})
"""Rules about a file as a whole: the line they name is only where its first fault is."""


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


def identity(finding: Finding) -> tuple[str, str, str, str]:
    """What makes a finding the same one elsewhere: tool, rule, file and the text of its line (lacking that, its message).

    Nothing in it moves when lines are inserted above. A failed test is known by its id alone, since it may fail in another
    file, or in its set-up, the next time; what is said of a whole file, by the file.
    """
    if finding.file is not None and finding.rule in FILE_RULES:
        return finding.tool, finding.rule, finding.file, ""
    text = finding.snippet.strip()
    if text and finding.category is Category.TEST and finding.rule in TEST_RULES:
        return finding.tool, "test", "", text
    return finding.tool, finding.rule, finding.file or "", text or finding.message


def fingerprinted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give each finding a fingerprint that survives moved lines, in order, without duplicates.

    The digest covers `identity` and the ordinal among equals: the recipe of SARIF's partialFingerprints
    "primaryLocationLineHash". The same fault told twice (by a tool that looks twice, or for two parts of a repository) is one.
    """
    seen: Counter[tuple[str, str, str, str]] = Counter()
    told: set[tuple[object, ...]] = set()
    done: list[Finding] = []
    for finding in findings:
        own = identity(finding)
        told_as = (*own, finding.file, finding.line, finding.column, finding.message)
        if told_as in told:
            continue
        told.add(told_as)
        seen[own] += 1
        stem = "\0".join((*own, str(seen[own])))
        digest = hashlib.sha256(stem.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        cut: dict[str, str | None] = {"rule": finding.rule[:MAX_RULE], "message": finding.message[:MAX_MESSAGE]}
        cut |= {"suggested_fix": finding.suggested_fix[:MAX_MESSAGE], "file": finding.file and finding.file[:MAX_FILE]}
        done.append(finding.model_copy(update={"fingerprint": digest, **cut}))
    return tuple(done)
