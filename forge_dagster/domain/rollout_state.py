"""The values of a rollout: its stored state, what a worker sees, and what it can do."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.judge import Alarm, Judge, Totals
from forge_dagster.domain.policy import DeploySection


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(StrEnum):
    """Where a rollout is."""

    DEPLOYING = "deploying"
    BAKING = "baking"
    PAUSED = "paused"
    PROMOTING = "promoting"
    DRAINING = "draining"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling_back"
    STABLE = "stable"


class Cause(StrEnum):
    """Why a rollout was rolled back."""

    START = "start"
    """The release ended, or never became healthy: its own fault."""
    PLATFORM = "platform"
    HEALTH = "health"
    ERROR_RATE = "error-rate"
    LATENCY = "latency"
    RESOURCES = "resources"
    REJECTED = "rejected"
    UNAPPROVED = "unapproved"
    """Nothing conclusive was seen and nobody said to go on."""
    CANCELLED = "cancelled"

    @property
    def blames_release(self) -> bool:
        """Whether the change is at fault, not the machinery."""
        return self not in (Cause.PLATFORM, Cause.UNAPPROVED, Cause.CANCELLED)


class ReleaseRef(_Value):
    """A release that can be deployed (again)."""

    name: str
    sha: str = ""
    artifact: str = ""
    digest: str = ""
    attempt_id: int = 0


class Rollout(_Value):
    """One rollout, as stored after every look."""

    key: str
    repository: str
    environment: str
    release: ReleaseRef
    previous: ReleaseRef | None = None
    deploy: DeploySection = DeploySection()
    weighted: bool = True
    """False: the platform or the artifact cannot split traffic; the new release bakes beside the old one, then takes over."""
    phase: Phase = Phase.DEPLOYING
    step: int = 0
    baked_s: float = 0.0
    waited_s: float = 0.0
    extended: bool = False
    starts: int = 0
    unhealthy: int = 0
    over_limit: int = 0
    heard_at: float = 0.0
    """When the last word of a person was given that was acted upon: an older one says nothing of a later pause."""
    judge: Judge = Judge()
    cause: Cause | None = None
    alarm: Alarm | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in (Phase.PROMOTED, Phase.STABLE)

    @property
    def steps(self) -> tuple[tuple[int, float], ...]:
        """(weight, bake in seconds) of the steps below 100, rising."""
        rising: list[tuple[int, float]] = []
        for step in self.deploy.rollout.steps:
            if step.weight < 100 and (not rising or step.weight > rising[-1][0]):
                rising.append((step.weight, step.bake))
        return tuple(rising)

    @property
    def weights(self) -> dict[str, int]:
        """The split of the traffic that this phase wants: 100 in all, or none at all."""
        mine = 0
        if self.phase in (Phase.PROMOTING, Phase.DRAINING, Phase.PROMOTED):
            mine = 100
        elif self.phase in (Phase.BAKING, Phase.PAUSED) and self.weighted:
            mine = self.steps[self.step][0]
        split = {self.release.name: mine}
        if self.previous is not None:
            split[self.previous.name] = 100 - mine
        return {name: weight for name, weight in split.items() if weight}

    @property
    def place(self) -> str:
        """Phase and weight for people: "baking at 5%"."""
        at = f" at {self.weights.get(self.release.name, 0)}%" if self.phase in (Phase.BAKING, Phase.PAUSED) else ""
        return f"{self.phase.value.replace('_', ' ')}{at}"


class Vitals(_Value):
    """Health of one release as the platform sees it."""

    running: bool
    healthy: bool
    restarts: int = 0
    cpu: float | None = None
    memory: float | None = None


class Observation(_Value):
    """What a worker saw. None stands for "could not be seen", which never counts for or against a release."""

    weights: Mapping[str, int] | None = None
    """Every release the platform has -> its percent."""
    canary: Vitals | None = None
    previous: Vitals | None = None
    looked_s: float | None = None
    """Set when this is a look of the judge: seconds of this worker's monotonic clock since its last one (0 for its first)."""
    canary_totals: Totals | None = None
    previous_totals: Totals | None = None
    fault: str = ""
    """Why the last Deploy failed."""
    fault_is_release: bool = False
    approved: bool | None = None
    """A person's word, given (`said_at`) after Rollout.heard_at."""
    said_at: float = 0.0
    cancel: str = ""


class ActionKind(StrEnum):
    """What can be done on a platform."""

    DEPLOY = "deploy"
    ROUTE = "route"
    DRAIN = "drain"
    STOP = "stop"


class Action(_Value):
    """One thing to do; doing it twice does no harm."""

    kind: ActionKind
    release: str = ""
    weights: Mapping[str, int] = {}
