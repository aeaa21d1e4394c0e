"""Words of the decision: risk, trust, verdict."""

from enum import IntEnum, StrEnum

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.outcomes import Outcome


class RiskLevel(StrEnum):
    """How much harm a change can do, by the paths it touches (specification, stage 6)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Risk(BaseModel):
    """A level and the paths that led to it. `critical` marks paths that even a veteran may not merge alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: RiskLevel
    reasons: tuple[str, ...] = ()
    critical: bool = False
    config_only: bool = False
    """LOW, but touches configuration: specification's L1 asks a person for "feature code, config"."""


class TrustLevel(IntEnum):
    """L0 (new) to L3 (veteran), per agent and repository (specification, "Graduated Trust Model")."""

    L0 = 0
    L1 = 1
    L2 = 2
    L3 = 3


class Decision(StrEnum):
    """What Forge does with a change."""

    MERGE = "merge"
    REVIEW = "review"
    REJECT = "reject"


class Approval(BaseModel):
    """A person's word on one head revision. `by` is the authenticated login; an approval of another head is void."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    number: int
    head_sha: str
    by: str
    approved: bool
    comment: str = ""
    at: float = 0.0


class Verdict(BaseModel):
    """Forge's answer on one attempt. `outcome` speaks of the gates, `decision` of what follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempt_id: int
    outcome: Outcome
    decision: Decision
    reasons: tuple[str, ...]
    risk: Risk
    trust: TrustLevel
    approved_by: str | None = None
