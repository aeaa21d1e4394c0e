"""The graph of gates, one value: Dagster's assets and `forge check` are both made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from forge_dagster.domain.outcomes import Outcome


class Stage(StrEnum):
    """The eight stages of the specification; a stage is an asset group in Dagster."""

    FAST = "fast"
    TESTS = "tests"
    ANALYSIS = "analysis"
    PREVIEW = "preview"
    E2E = "e2e"
    DECISION = "decision"
    DELIVERY = "delivery"
    MONITORING = "monitoring"

    @property
    def number(self) -> int:
        """1 to 8, as the specification counts."""
        return list(Stage).index(self) + 1

    @property
    def group(self) -> str:
        """Name of the asset group, numbered so that the lineage reads from left to right."""
        return f"stage_{self.number}_{self.value}"


class Job(StrEnum):
    """Which run of Forge a gate takes part in."""

    CHANGE = "change"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """A node of the graph. `local` gates also run in `forge check`, with no server."""

    name: str
    stage: Stage
    description: str
    waits_for: tuple[str, ...] = ()
    jobs: frozenset[Job] = frozenset({Job.CHANGE})
    local: bool = False
    always_run: bool = False


_FAST = ("format", "lint", "types", "secrets")
_BOTH = frozenset({Job.CHANGE, Job.RELEASE})
_RELEASE = frozenset({Job.RELEASE})
_BEFORE_VERDICT = (*_FAST, "unit", "coverage", "integrity", "build", "preview", "smoke")

GATES: tuple[GateSpec, ...] = (
    GateSpec(
        name="format", stage=Stage.FAST, local=True, description="Code is laid out as the repository's formatter wants it."
    ),
    GateSpec(name="lint", stage=Stage.FAST, local=True, description="The repository's linter has nothing to say."),
    GateSpec(name="types", stage=Stage.FAST, local=True, description="The repository's type checker accepts the code."),
    GateSpec(name="secrets", stage=Stage.FAST, local=True, description="No commit of the change adds a credential."),
    GateSpec(
        name="unit", stage=Stage.TESTS, waits_for=_FAST, local=True, description="Every unit test passes, and there are some."
    ),
    GateSpec(
        name="coverage",
        stage=Stage.TESTS,
        waits_for=("unit",),
        local=True,
        description="New code is covered (90% of lines, 80% of branches) and overall coverage does not fall.",
    ),
    GateSpec(
        name="integrity",
        stage=Stage.ANALYSIS,
        waits_for=_FAST,
        local=True,
        description="The change is by whom it says it is, and does not touch what it is judged by.",
    ),
    GateSpec(
        name="build",
        stage=Stage.PREVIEW,
        waits_for=("coverage", "integrity"),
        jobs=_BOTH,
        description="The artifact that would be deployed can be built.",
    ),
    GateSpec(
        name="preview", stage=Stage.PREVIEW, waits_for=("build",), description="The artifact runs, at an address of its own."
    ),
    GateSpec(
        name="smoke",
        stage=Stage.E2E,
        waits_for=("preview",),
        description="The preview answers its health check and its critical paths.",
    ),
    GateSpec(
        name="verdict",
        stage=Stage.DECISION,
        waits_for=_BEFORE_VERDICT,
        always_run=True,
        description="Merge, ask a person, or reject: by outcome, risk and the agent's trust.",
    ),
    GateSpec(
        name="canary",
        stage=Stage.DELIVERY,
        waits_for=("build", "verdict"),
        jobs=_RELEASE,
        description="The release takes 5, 25, then 100% of the traffic, or is rolled back.",
    ),
    GateSpec(
        name="health",
        stage=Stage.MONITORING,
        waits_for=("canary",),
        jobs=_RELEASE,
        description="The promoted release answers its health check.",
    ),
)

_BY_NAME = {spec.name: spec for spec in GATES}


def gate_spec(name: str) -> GateSpec:
    """The node called `name`. Raises KeyError when there is none."""
    return _BY_NAME[name]


def gates_of(job: Job) -> tuple[GateSpec, ...]:
    """The gates of a job, in an order in which each follows what it waits for."""
    return tuple(spec for spec in GATES if job in spec.jobs)


def ready(specs: tuple[GateSpec, ...], outcomes: Mapping[str, Outcome], started: frozenset[str]) -> tuple[GateSpec, ...]:
    """The gates that may start now. Waits outside `specs` count as met (a job, or `--gate`, left them out).

    An `always_run` gate starts once all it waits for is resolved; any other needs that to have let it through.
    """
    names = {spec.name for spec in specs}
    due = []
    for spec in specs:
        waits = [outcomes.get(name) for name in spec.waits_for if name in names]
        if spec.name in started or any(outcome is None for outcome in waits):
            continue
        if spec.always_run or all(outcome is not None and outcome.lets_through for outcome in waits):
            due.append(spec)
    return tuple(due)


def blocked(specs: tuple[GateSpec, ...], outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Gates that can no longer start -> the gate that stopped the line (their outcome is NOT_RUN)."""
    names = {spec.name for spec in specs}
    stopped: dict[str, str] = {}
    for spec in specs:
        if spec.always_run or spec.name in outcomes:
            continue
        for name in spec.waits_for:
            outcome = outcomes.get(name)
            if name in names and (name in stopped or (outcome is not None and not outcome.lets_through)):
                stopped[spec.name] = stopped.get(name, name)
                break
    return stopped
