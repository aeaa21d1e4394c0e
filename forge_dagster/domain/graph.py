"""The graph of gates, one value: Dagster's assets and `forge check` are both made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from forge_dagster.domain.outcomes import Outcome

FAST_TARGET_S = 30.0
"""Seconds for stage 1: its gates run side by side, and an agent waits for them (specification, stage 1)."""


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

    @property
    def target_s(self) -> float | None:
        """Seconds in which each of its gates should be done; a target that is shown and fails nothing. None: there is none."""
        return FAST_TARGET_S if self is Stage.FAST else None


class Job(StrEnum):
    """Which run of Forge a gate takes part in."""

    CHANGE = "change"
    RELEASE = "release"
    NIGHTLY = "nightly"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """A node of the graph. `local` gates also run in `forge check`, with no server.

    `cost`: 1 seconds, 2 a minute, 3 minutes; of gates that may start, the cheaper go first. `share`: the part of scarce
    processors that its tools get against others'; gates that a stage may end with have more, and go first, so that
    nobody waits for less than the longest. `advisory`: its failure blocks nothing and its passing counts for nothing; what it
    finds may only ask for a person.
    """

    name: str
    stage: Stage
    description: str
    waits_for: tuple[str, ...] = ()
    jobs: frozenset[Job] = frozenset({Job.CHANGE})
    local: bool = False
    always_run: bool = False
    cost: int = 1
    share: int = 1
    advisory: bool = False


_FAST = ("format", "lint", "types", "secrets")
_BOTH = frozenset({Job.CHANGE, Job.RELEASE})
_RELEASE = frozenset({Job.RELEASE})
_CHANGE = frozenset({Job.CHANGE})
_WHOLE = frozenset({Job.CHANGE, Job.NIGHTLY})
"""Gates that have something to say of a tree as such; the others judge what a change does to it."""
_TESTS = ("unit", "property", "integration", "snapshot", "coverage")
_ANALYSIS = ("sast", "sca", "mutation", "architecture", "integrity")
_BEFORE_VERDICT = (*_FAST, *_TESTS, *_ANALYSIS, "review", "build", "preview", "smoke")


def _local(
    stage: Stage,
    name: str,
    description: str,
    *,
    waits_for: tuple[str, ...] = _FAST,
    jobs: frozenset[Job] = _WHOLE,
    cost: int = 1,
    share: int = 1,
    advisory: bool = False,
) -> GateSpec:
    return GateSpec(
        name=name,
        stage=stage,
        waits_for=waits_for,
        jobs=jobs,
        local=True,
        cost=cost,
        share=share,
        advisory=advisory,
        description=description,
    )


_fast = partial(_local, Stage.FAST, waits_for=())
_tests = partial(_local, Stage.TESTS, cost=2)
_analysis = partial(_local, Stage.ANALYSIS)

GATES: tuple[GateSpec, ...] = (
    _fast("format", "Code is laid out as the repository's formatter wants it."),
    _fast("lint", "The repository's linter has nothing to say."),
    _fast("types", "The repository's type checker accepts the code.", share=8),
    _fast("secrets", "No commit of the change adds a credential.", share=8),
    _tests("unit", "Every unit test passes, and there are some.", share=4),
    _tests("property", "Property-based tests hold, with a seed that is recorded."),
    _tests("integration", "Tests against real services pass, and the API keeps its OpenAPI contract.", cost=3),
    _tests("snapshot", "No snapshot is obsolete, unchecked or newly written by a test run.", waits_for=("unit",), cost=1),
    _tests(
        "coverage",
        "New code is covered (90% of lines, 80% of branches) and overall coverage does not fall.",
        waits_for=("unit", "integration"),
        cost=1,
    ),
    _analysis("integrity", "The change is by whom it says it is, and does not touch what it is judged by.", jobs=_CHANGE),
    _analysis("architecture", "The change adds no forbidden dependency and no import cycle."),
    _analysis("sast", "Static analysis finds no weakness that the change adds.", cost=2),
    _analysis("sca", "No dependency has a known vulnerability that the change brings in.", cost=2),
    _analysis("mutation", "Tests notice at least 75% of the faults planted in changed code.", waits_for=("unit",), cost=3),
    _analysis(
        "review", "A reviewer's opinion, asked for by policy; it never blocks and never approves.", cost=2, advisory=True
    ),
    GateSpec(
        name="proof",
        stage=Stage.ANALYSIS,
        jobs=frozenset({Job.NIGHTLY}),
        cost=3,
        description="Each gate finds the fault that is planted for it in a scratch copy.",
    ),
    GateSpec(
        name="build",
        stage=Stage.PREVIEW,
        waits_for=(*_TESTS, *_ANALYSIS),
        jobs=_BOTH,
        cost=2,
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

    An `always_run` gate starts once all it waits for is resolved; any other needs that to have let it through. The cheap ones
    come first.
    """
    names = {spec.name for spec in specs}
    due = []
    for spec in specs:
        waits = [outcomes.get(name) for name in spec.waits_for if name in names]
        if spec.name in started or any(outcome is None for outcome in waits):
            continue
        if spec.always_run or all(outcome is not None and outcome.lets_through for outcome in waits):
            due.append(spec)
    return tuple(sorted(due, key=lambda spec: (spec.cost, -spec.share)))


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
