"""How much an agent may merge without a person (specification, "Graduated Trust Model")."""

from collections.abc import Mapping
from typing import Any

from forge_dagster.domain.decisions import Risk, RiskLevel, TrustLevel

TRUST_SET = "trust.set"
"""Kind of the audit log's entries that say how far an agent is trusted in a repository; the newest one counts."""

_ALONE: dict[TrustLevel, frozenset[RiskLevel]] = {
    TrustLevel.L0: frozenset(),
    TrustLevel.L1: frozenset({RiskLevel.LOW}),
    TrustLevel.L2: frozenset({RiskLevel.LOW, RiskLevel.MEDIUM}),
    TrustLevel.L3: frozenset(RiskLevel),
}


def merges_alone(level: TrustLevel, risk: Risk) -> bool:
    """Whether a change of this risk by an agent of this level merges without a person.

    L0 nothing; L1 docs, tests and formatting, but no configuration; L2 low and medium; L3 all but critical paths.
    """
    if risk.critical or (risk.config_only and level < TrustLevel.L2):
        return False
    return risk.level in _ALONE[level]


def level_said(body: Mapping[str, Any], *, agent: str, repository: str) -> TrustLevel | None:
    """The level that the body of such an entry gives this agent; None: it is about another, or cannot be read."""
    if (body.get("agent"), body.get("repository")) != (agent, repository):
        return None
    level = body.get("level")
    return TrustLevel(level) if level in list(TrustLevel) else None


def why_not(level: TrustLevel, risk: Risk) -> str:
    """Why a person is asked, for a pair that does not merge alone."""
    if risk.critical:
        return "it touches critical paths, which nobody merges alone"
    if level is TrustLevel.L0:
        return "the author is at trust level L0 (new): every change needs a person"
    kind = "configuration" if risk.config_only else f"{risk.level.value} risk"
    return f"the author is at trust level L{level.value}, which does not merge {kind} alone"
