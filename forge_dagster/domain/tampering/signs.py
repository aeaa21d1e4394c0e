"""A sign of tampering in one version of a file, and which of them a change brings."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Severity
from forge_dagster.domain.plain_text import one_line

TOOL = "integrity"
MAX_LOOK = 20
"""Signs of one rule in one file that are told one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something suspicious. `key` says what it is without its place: the same rule and key in the base make it nothing new."""

    rule: str
    key: str
    message: str
    fix: str = "a person looks at it"
    line: int | None = None
    severity: Severity = Severity.WARNING


def asks(rule: str, message: str, *, key: str = "", line: int | None = None, fix: str = "a person looks at it") -> Sign:
    """A sign that asks for a person."""
    return Sign(rule=rule, key=key or message, message=message, line=line, fix=fix)


def rejects(rule: str, message: str, *, fix: str, key: str = "", line: int | None = None) -> Sign:
    """A sign of what hides a failure or cannot be honest."""
    return Sign(rule=rule, key=key or message, message=message, line=line, fix=fix, severity=Severity.ERROR)


def found(sign: Sign, path: str | None) -> Finding:
    """The sign as a finding about the file at `path`."""
    return Finding(
        tool=TOOL,
        rule=sign.rule,
        message=one_line(sign.message, 600),
        category=Category.INTEGRITY,
        severity=sign.severity,
        attribution=Attribution.NEW,
        file=path,
        line=sign.line,
        suggested_fix=sign.fix,
    )


def fresh(base: Iterable[Sign], head: Iterable[tuple[str, Sign]]) -> tuple[Finding, ...]:
    """The head's signs (each with its file) that the base has not, or has fewer of: code that only moved is nothing new."""
    left = Counter((sign.rule, sign.key) for sign in base)
    told: Counter[tuple[str, str]] = Counter()
    findings = []
    for path, sign in head:
        left[sign.rule, sign.key] -= 1
        if left[sign.rule, sign.key] >= 0:
            continue
        told[path, sign.rule] += 1
        if told[path, sign.rule] <= MAX_LOOK:
            findings.append(found(sign, path))
    return tuple(findings)
