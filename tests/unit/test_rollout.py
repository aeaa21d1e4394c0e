"""The rollout's state machine in a world that misbehaves: it always ends, and never goes forward without a completed bake."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.judge import Totals
from forge_dagster.domain.policy import DeploySection, RolloutSection, RolloutStep
from forge_dagster.domain.rollout import APPROVAL_LIMIT_S, decide
from forge_dagster.domain.rollout_state import (
    Action,
    ActionKind,
    Cause,
    Observation,
    Phase,
    ReleaseRef,
    Rollout,
    Vitals,
)

NEW, OLD = ReleaseRef(name="new", sha="b" * 40, artifact="/new"), ReleaseRef(name="old", sha="a" * 40, artifact="/old")
STEPS = (RolloutStep(weight=5, bake=30.0), RolloutStep(weight=25, bake=30.0), RolloutStep(weight=100))
WELL = Vitals(running=True, healthy=True)


def rollout(*, previous: ReleaseRef | None = OLD, weighted: bool = True, steps: tuple[RolloutStep, ...] = STEPS) -> Rollout:
    deploy = DeploySection(rollout=RolloutSection(steps=steps, interval=10.0))
    return Rollout(
        key="k",
        repository="a/b",
        environment="a/b/production",
        release=NEW,
        previous=previous,
        deploy=deploy,
        weighted=weighted,
    )


@dataclass
class World:
    """A platform in memory."""

    weights: dict[str, int] = field(default_factory=lambda: {"old": 100})
    requests: int = 0
    errors: int = 0
    new: Vitals = WELL
    deaf: bool = False
    """Every action fails."""
    broken: bool = False
    """The new release never starts."""
    blind: bool = False
    """No telemetry."""
    fault: str = ""
    cancel: str = ""
    approved: bool | None = None
    seen_weights: list[dict[str, int]] = field(default_factory=list)

    def observe(self) -> Observation:
        self.requests += 100
        fault, self.fault = self.fault, ""
        share = self.weights.get("new", 0)
        return Observation(
            weights=dict(self.weights),
            canary=self.new if "new" in self.weights else Vitals(running=False, healthy=False),
            previous=WELL if "old" in self.weights else Vitals(running=False, healthy=False),
            looked_s=10.0,
            canary_totals=None if self.blind else Totals(requests=self.requests * share // 10, errors=self.errors),
            previous_totals=None if self.blind else Totals(requests=self.requests * 10),
            fault=fault,
            fault_is_release=True,
            approved=self.approved,
            cancel=self.cancel,
        )

    def act(self, action: Action) -> bool:
        if self.deaf:
            return False
        if action.kind is ActionKind.DEPLOY:
            if action.release == "new" and self.broken:
                self.fault = "it does not start"
                return False
            self.weights.setdefault(action.release, 0)
        elif action.kind is ActionKind.ROUTE:
            if not set(action.weights) <= set(self.weights):
                return False
            self.weights = {name: action.weights.get(name, 0) for name in self.weights}
            self.seen_weights.append(dict(action.weights))
        elif action.kind is ActionKind.STOP:
            assert self.weights.get(action.release, 0) == 0, "a release with traffic was stopped"
            self.weights.pop(action.release, None)
        return True


def step(state: Rollout, world: World) -> Rollout:
    """One look of a worker, checked against what must always hold."""
    after, actions = decide(state, world.observe())
    again = Rollout.model_validate_json(after.model_dump_json())
    assert again == after
    assert sum(after.weights.values()) in (0, 100)
    assert after.previous is None or sum(after.weights.values()) == 100
    forward = (Phase.BAKING, Phase.PROMOTING)
    if state.phase in (Phase.BAKING, Phase.PAUSED) and after.phase in forward and after.step > state.step:
        bake = state.steps[state.step][1]
        # The last look's seconds are counted in the very decision that completes the bake.
        assert state.phase is Phase.PAUSED or state.baked_s + 20.0 >= bake
    for action in actions:
        if not world.act(action):
            break
    return after


def run(state: Rollout, world: World, looks: int = 200) -> Rollout:
    for _ in range(looks):
        if state.ended:
            break
        state = step(state, world)
    return state


def test_the_good_way() -> None:
    world = World()
    end = run(rollout(), world)
    assert end.phase is Phase.PROMOTED
    assert world.weights == {"new": 100}
    assert [weights.get("new") for weights in world.seen_weights] == [5, 25, 100]
    assert len(end.notes) == 2


def test_the_first_release_takes_all_traffic_once_healthy() -> None:
    world = World(weights={})
    end = run(rollout(previous=None), world)
    assert end.phase is Phase.PROMOTED
    assert "nothing to compare" in end.notes[0]
    assert world.weights == {"new": 100}


def test_a_first_release_that_does_not_start_leaves_nothing() -> None:
    world = World(weights={}, broken=True)
    end = run(rollout(previous=None), world)
    assert (end.phase, end.cause, world.weights) == (Phase.STABLE, Cause.START, {})


def test_errors_turn_it_back() -> None:
    world = World()
    state = rollout()
    while state.phase is not Phase.BAKING or state.baked_s < 10:
        state = step(state, world)
    world.errors = 40
    end = run(state, world)
    assert (end.phase, end.cause, world.weights) == (Phase.STABLE, Cause.ERROR_RATE, {"old": 100})
    assert end.alarm is not None
    assert end.alarm.e_value > 100


@pytest.mark.parametrize(
    ("vitals", "cause", "looks"),
    [
        (Vitals(running=False, healthy=False), Cause.HEALTH, 1),
        (Vitals(running=True, healthy=True, restarts=1), Cause.HEALTH, 1),
        (Vitals(running=True, healthy=False), Cause.HEALTH, 2),
        (Vitals(running=True, healthy=True, memory=0.9), Cause.RESOURCES, 3),
        (Vitals(running=True, healthy=True, cpu=0.95), Cause.RESOURCES, 3),
    ],
)
def test_ill_releases_go_after_so_many_looks(vitals: Vitals, cause: Cause, looks: int) -> None:
    world = World()
    state = rollout()
    while state.phase is not Phase.BAKING:
        state = step(state, world)
    world.new = vitals
    for _ in range(looks):
        assert state.phase is Phase.BAKING
        state = step(state, world)
    assert (state.phase, state.cause) == (Phase.ROLLING_BACK, cause)


def test_without_telemetry_it_waits_for_a_person_and_no_clock_makes_it_go_on() -> None:
    world = World(blind=True)
    state = run(rollout(), world, looks=40)
    assert state.phase is Phase.PAUSED
    assert state.baked_s == 0
    jumped, _ = decide(state, world.observe().model_copy(update={"looked_s": 1e9}))
    assert jumped.phase is Phase.PAUSED
    assert jumped.waited_s <= state.waited_s + 20
    world.approved = True
    assert run(state, world, looks=2).step == 1
    world.approved = False
    assert run(state, world).cause is Cause.REJECTED


def test_nobody_answers() -> None:
    world = World(blind=True)
    paused = run(rollout(), world, looks=40)
    end = run(paused.model_copy(update={"waited_s": APPROVAL_LIMIT_S - 30.0}), world, looks=10)
    assert (end.phase, end.cause) == (Phase.STABLE, Cause.UNAPPROVED)


@pytest.mark.parametrize("jump", [-1e9, 0.0, 1e9])
def test_clock_jumps_promote_nothing_early(jump: float) -> None:
    world = World()
    state = rollout()
    while state.phase is not Phase.BAKING:
        state = step(state, world)
    step(state, world)
    seen = world.observe().model_copy(update={"looked_s": jump})
    after, _ = decide(state, seen)
    assert after.step == 0
    assert after.baked_s <= 20.0


def test_too_little_traffic_bakes_once_more_then_waits() -> None:
    world = World()
    state = rollout()
    looks = []
    while state.phase is not Phase.PAUSED:
        world.requests = 0
        state = step(state, world)
        looks.append(state.phase)
    assert state.extended
    assert looks.count(Phase.BAKING) >= 6


def test_what_cannot_be_weighted_bakes_beside_the_old_one() -> None:
    world = World(blind=True)
    end = run(rollout(weighted=False), world)
    assert end.phase is Phase.PROMOTED
    assert {weights.get("new", 0) for weights in world.seen_weights} == {0, 100}
    assert "no traffic can be split" in end.notes[0]


def test_a_dead_previous_release_is_started_again_for_the_way_back() -> None:
    world = World()
    state = rollout()
    while state.phase is not Phase.PROMOTING:
        state = step(state, world)
    world.weights = {"new": 100}
    world.new = Vitals(running=False, healthy=False)
    end = run(state, world)
    assert (end.phase, world.weights) == (Phase.STABLE, {"old": 100})


def test_what_the_platform_does_not_say_changes_nothing() -> None:
    state = rollout().model_copy(update={"phase": Phase.BAKING})
    assert decide(state, Observation()) == (state, ())


bakes = st.sampled_from([0.0, 10.0, 50.0])


def plan(below: list[tuple[int, float]], last: float) -> tuple[RolloutStep, ...]:
    return tuple(RolloutStep(weight=weight, bake=bake) for weight, bake in [*sorted(below), (100, last)])


plans = st.builds(plan, st.lists(st.tuples(st.integers(1, 99), bakes), max_size=3, unique_by=lambda step: step[0]), bakes)
vitals = st.builds(
    Vitals,
    running=st.booleans(),
    healthy=st.booleans(),
    restarts=st.sampled_from([0, 0, 0, 1]),
    memory=st.none() | st.floats(0, 1),
)
moods = st.lists(
    st.fixed_dictionaries(
        {
            "new": st.just(WELL) | st.just(WELL) | vitals,
            "deaf": st.sampled_from([False, False, True]),
            "broken": st.sampled_from([False, False, False, True]),
            "blind": st.booleans(),
            "errors": st.sampled_from([0, 0, 0, 50, 500]),
            "cancel": st.sampled_from(["", "", "", "", "cancelled"]),
            "approved": st.sampled_from([None, None, True, False]),
            "lost": st.sampled_from([False, False, False, False, True]),
        }
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(moods, st.booleans(), st.booleans(), plans)
def test_it_always_ends_promoted_or_stable(
    story: list[dict[str, object]], first: bool, weighted: bool, steps: tuple[RolloutStep, ...]
) -> None:
    """Workers die between storing and acting ("lost"), actions fail, releases fall ill; then the world calms down."""
    world = World(weights={} if first else {"old": 100})
    state = rollout(previous=None if first else OLD, weighted=weighted, steps=steps)
    for mood in story:
        for name, value in mood.items():
            if name != "lost":
                setattr(world, name, value)
        if mood["lost"]:
            state, _ = decide(state, world.observe())  # stored, and never acted upon
        else:
            state = step(state, world)
    for name, value in {"new": WELL, "deaf": False, "broken": False, "blind": False, "cancel": "", "approved": True}.items():
        setattr(world, name, value)
    end = run(state, world, looks=400)
    assert end.ended
    live = {name: weight for name, weight in world.weights.items() if weight}
    assert live == end.weights
    assert set(world.weights) == set(live)
