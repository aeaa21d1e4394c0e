"""A rollout as a state machine: what was seen goes in, what to do comes out. It ends promoted or stable.

    deploying -> baking (step by step) -> promoting -> draining -> promoted
        any of these but the last two -> rolling back -> stable;   baking -> paused -> baking, promoting or rolling back

Every action may be done twice: what has been reached is read from the platform, never assumed, so any worker can go on from a
stored state.
"""

from collections.abc import Mapping

from forge_dagster.domain.judge import Alarm, StageOutcome, end_of_stage, look
from forge_dagster.domain.rollout_state import Action, ActionKind, Cause, Observation, Phase, Rollout

UNHEALTHY_LOOKS = 2
"""Looks in a row without health before a release goes (a look is at most a second)."""

OVER_LIMIT_LOOKS = 3
"""Looks in a row over the cpu or memory limit before a release goes."""

MAX_STARTS = 3
"""Times a release that came up is started again before it is given up."""

APPROVAL_LIMIT_S = 24 * 3600.0
"""A paused rollout that nobody approves is rolled back after this time."""

Decided = tuple[Rollout, tuple[Action, ...]]


def decide(rollout: Rollout, seen: Observation) -> Decided:
    """The next state and what to do now."""
    if rollout.ended or seen.weights is None:
        return rollout, ()
    if rollout.phase is Phase.ROLLING_BACK:
        return _rolling_back(rollout, seen, seen.weights)
    if rollout.phase is Phase.DRAINING:
        return _draining(rollout, seen.weights)
    if seen.cancel:
        return _back(rollout, seen, Cause.CANCELLED, seen.cancel)
    if rollout.phase is Phase.DEPLOYING:
        return _deploying(rollout, seen, seen.weights)
    rollout, ill = _examined(rollout, seen)
    if ill is not None:
        return _back(rollout, seen, *ill)
    if rollout.phase is Phase.PAUSED and seen.approved is False:
        return _back(rollout, seen, Cause.REJECTED, "a person rejected it")
    if _positive(seen.weights) != rollout.weights:
        return rollout, (Action(kind=ActionKind.ROUTE, weights=rollout.weights),)
    if rollout.phase is Phase.PROMOTING:
        return _promoting(rollout, seen)
    return _baking(rollout, seen)


def _positive(weights: Mapping[str, int]) -> dict[str, int]:
    return {name: weight for name, weight in weights.items() if weight}


def _deploying(rollout: Rollout, seen: Observation, weights: Mapping[str, int]) -> Decided:
    if seen.fault:
        return _back(rollout, seen, Cause.START if seen.fault_is_release else Cause.PLATFORM, seen.fault)
    up = seen.canary is not None and seen.canary.running and seen.canary.healthy
    if rollout.release.name in weights and up:
        if rollout.previous is None:
            said = (
                "first release of this environment: there is nothing to compare it with, so it takes all traffic once healthy"
            )
            return _enter(rollout.model_copy(update={"notes": (*rollout.notes, said)}), len(rollout.steps))
        return _enter(rollout, 0)
    if rollout.starts >= MAX_STARTS:
        return _back(rollout, seen, Cause.START, f"started {rollout.starts} times, and each time it was soon no longer healthy")
    return rollout.model_copy(update={"starts": rollout.starts + 1}), (
        Action(kind=ActionKind.DEPLOY, release=rollout.release.name),
    )


def _enter(rollout: Rollout, step: int) -> Decided:
    """Begin the bake of `step`; the step after the last is promotion."""
    last = step >= len(rollout.steps)
    entered = rollout.model_copy(
        update={
            "phase": Phase.PROMOTING if last else Phase.BAKING,
            "step": step,
            "baked_s": 0.0,
            "waited_s": 0.0,
            "extended": False,
            "reason": "",
            "judge": rollout.judge.next_stage(),
        }
    )
    return entered, (Action(kind=ActionKind.ROUTE, weights=entered.weights),)


def _examined(rollout: Rollout, seen: Observation) -> tuple[Rollout, tuple[Cause, str] | None]:
    """Count what the platform says of the canary's health; with a reason if it has to go."""
    vitals = seen.canary
    if vitals is None:
        return rollout, None
    limits = rollout.deploy.rollback
    old = seen.previous
    hungry = vitals.memory is not None and vitals.memory > limits.memory
    busy = vitals.cpu is not None and vitals.cpu > limits.cpu and not (old and old.cpu is not None and old.cpu > limits.cpu)
    counted = rollout.model_copy(
        update={
            "unhealthy": 0 if vitals.healthy else rollout.unhealthy + 1,
            "over_limit": rollout.over_limit + 1 if hungry or busy else 0,
        }
    )
    if not vitals.running or vitals.restarts > 0:
        return counted, (Cause.HEALTH, f"its process ended by itself ({max(1, vitals.restarts)} times)")
    if counted.unhealthy >= UNHEALTHY_LOOKS:
        return counted, (Cause.HEALTH, f"{rollout.deploy.health} failed {counted.unhealthy} looks in a row")
    if counted.over_limit >= OVER_LIMIT_LOOKS:
        what = f"memory {vitals.memory:.0%}" if hungry else f"cpu {vitals.cpu:.0%}"
        limit = limits.memory if hungry else limits.cpu
        return counted, (Cause.RESOURCES, f"{what} of the machine (limit {limit:.0%}) {counted.over_limit} looks in a row")
    return counted, None


def _baking(rollout: Rollout, seen: Observation) -> Decided:
    weight, bake = rollout.steps[rollout.step]
    interval = max(rollout.deploy.rollout.interval, 0.05)
    if seen.looked_s is not None:
        rollout, alarm = _looked(rollout, seen, min(max(seen.looked_s, 0.0), 2 * interval))
        if alarm is not None:
            return _back(rollout, seen, Cause(alarm.kind), alarm.message, alarm)
    if rollout.phase is Phase.PAUSED:
        if seen.approved:
            heard = _noted(rollout, f"{weight}%: a person approved going on").model_copy(update={"heard_at": seen.said_at})
            return _enter(heard, rollout.step + 1)
        if rollout.waited_s >= APPROVAL_LIMIT_S:
            return _back(
                rollout, seen, Cause.UNAPPROVED, f"{rollout.reason}; nobody approved it within {APPROVAL_LIMIT_S / 3600:.0f} h"
            )
        return rollout, ()
    if rollout.baked_s >= bake:
        return _baked(rollout)
    if rollout.waited_s >= 2 * bake + 5 * interval:
        return _pause(rollout, "no telemetry")
    return rollout, ()


def _looked(rollout: Rollout, seen: Observation, passed: float) -> tuple[Rollout, Alarm | None]:
    """One look of the judge. Bake time counts only while there is something to see."""
    if not rollout.weighted:
        sees = seen.canary is not None and seen.canary.healthy
        judge, alarm = rollout.judge, None
    else:
        sees = seen.canary_totals is not None and seen.previous_totals is not None
        judge, alarm = look(
            rollout.judge, canary=seen.canary_totals, baseline=seen.previous_totals, limits=rollout.deploy.rollback
        )
    counted = {"waited_s": rollout.waited_s + passed, "baked_s": rollout.baked_s + (passed if sees else 0.0), "judge": judge}
    return rollout.model_copy(update=counted), alarm


def _baked(rollout: Rollout) -> Decided:
    """The bake is complete: on, longer, or wait for a person."""
    weight, bake = rollout.steps[rollout.step]
    if not rollout.weighted:
        said = "no traffic can be split, so only its health was watched"
        return _enter(_noted(rollout, said), rollout.step + 1)
    if bake == 0:
        return _enter(_noted(rollout, f"{weight}%: no bake asked for"), rollout.step + 1)
    end = end_of_stage(rollout.judge, rollout.deploy.rollback)
    if end.outcome is StageOutcome.PASSED:
        return _enter(_noted(rollout, f"{weight}%: {end.reason}"), rollout.step + 1)
    if not rollout.extended:
        again = {"extended": True, "baked_s": 0.0, "waited_s": 0.0}
        return _noted(rollout, f"{weight}%: {end.reason}; baking once more").model_copy(update=again), ()
    return _pause(rollout, end.reason)


def _pause(rollout: Rollout, reason: str) -> Decided:
    paused = _noted(rollout, f"{rollout.steps[rollout.step][0]}%: {reason}; waiting for a person")
    return paused.model_copy(update={"phase": Phase.PAUSED, "reason": reason, "waited_s": 0.0}), ()


def _promoting(rollout: Rollout, seen: Observation) -> Decided:
    """All traffic is on the new release; the old one stands by for the bake of the last step."""
    bake = next((step.bake for step in rollout.deploy.rollout.steps if step.weight == 100), 0.0)
    if seen.looked_s is not None and seen.canary is not None and seen.canary.healthy:
        passed = min(max(seen.looked_s, 0.0), 2 * max(rollout.deploy.rollout.interval, 0.05))
        rollout = rollout.model_copy(update={"baked_s": rollout.baked_s + passed})
    if rollout.baked_s < bake or seen.canary is None or not seen.canary.healthy:
        return rollout, ()
    return _draining(rollout.model_copy(update={"phase": Phase.DRAINING}), seen.weights or {})


def _draining(rollout: Rollout, weights: Mapping[str, int]) -> Decided:
    if _positive(weights) != rollout.weights:
        return rollout, (Action(kind=ActionKind.ROUTE, weights=rollout.weights),)
    others = [name for name in weights if name != rollout.release.name]
    if not others:
        return rollout.model_copy(update={"phase": Phase.PROMOTED}), ()
    return rollout, _retire(others)


def _retire(names: list[str]) -> tuple[Action, ...]:
    kinds = (ActionKind.DRAIN, ActionKind.STOP)
    return tuple(Action(kind=kind, release=name) for name in names for kind in kinds)


def _rolling_back(rollout: Rollout, seen: Observation, weights: Mapping[str, int]) -> Decided:
    """The old release gets all traffic (started again if it is gone), then the new one goes."""
    old = rollout.previous
    if old is not None and (old.name not in weights or (seen.previous is not None and not seen.previous.running)):
        return rollout, (Action(kind=ActionKind.DEPLOY, release=old.name),)
    if _positive(weights) != rollout.weights:
        return rollout, (Action(kind=ActionKind.ROUTE, weights=rollout.weights),)
    others = [name for name in weights if old is None or name != old.name]
    if others:
        return rollout, _retire(others)
    return rollout.model_copy(update={"phase": Phase.STABLE}), ()


def _back(rollout: Rollout, seen: Observation, cause: Cause, reason: str, alarm: Alarm | None = None) -> Decided:
    """Turn back, at once."""
    turned = rollout.model_copy(update={"phase": Phase.ROLLING_BACK, "cause": cause, "reason": reason, "alarm": alarm})
    return _rolling_back(turned, seen, seen.weights or {})


def _noted(rollout: Rollout, note: str) -> Rollout:
    return rollout.model_copy(update={"notes": (*rollout.notes, note)[-50:]})
