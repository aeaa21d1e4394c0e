"""Drive a rollout to its end: look, decide, store, act, again and again, until it is promoted or stable."""

import time
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.decisions import Approval
from forge_dagster.domain.judge import Totals
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.rollout import decide
from forge_dagster.domain.rollout_state import Action, ActionKind, Observation, Phase, ReleaseRef, Rollout, Vitals
from forge_dagster.errors import EvidenceError, ForgeError, HostError, Interrupted, PlatformError, ReleaseFailed
from forge_dagster.ports import Platform, Run, Services
from forge_dagster.usecases.environments import LAST_WORD_S, EnvironmentRecord
from forge_dagster.usecases.evidence import Proofs
from forge_dagster.usecases.promote import RELEASE_NUMBER
from forge_dagster.usecases.prove_release import prove_build, prove_release

LONGEST_TICK_S = 1.0
"""Health is looked at this often, however rarely the judge looks: weighted clusters do not fail over by themselves."""

DRAIN_LIMIT_S = 45.0
"""Longer than the proxy lets a request take."""

HURRIED_DRAIN_S = 5.0
"""When the run was cancelled, its worker is killed after a minute."""

STUCK_LIMIT_S = 600.0
"""A platform that fails every action for so long needs a person; the rollout stays open and is taken up by the next run."""


class Drive:
    """One worker's way through one rollout. When the run is cancelled it raises Interrupted, once the rollout is stable."""

    def __init__(
        self, services: Services, platform: Platform, *, run_id: str, cancel: str = "", log: Callable[[str], None]
    ) -> None:
        self._services, self._platform, self._log = services, platform, log
        self._run: Run = services.run_for(run_id)
        # Its own Run: what is recorded of a rollback must be written although the run it belongs to was cancelled.
        self._record = EnvironmentRecord(services, run=services.run_for(f"{run_id}-environments"), log=log)
        self._cancel = cancel
        self._interrupted: Interrupted | None = None
        self._fault: ForgeError | None = None
        self._looked_at: float | None = None
        self._working_since = services.clock.monotonic()

    def to_end(self, rollout: Rollout) -> Rollout:
        """Go on until the rollout has ended; its last state. Raises PlatformError when the platform fails for too long."""
        self._store(rollout)
        if rollout.phase is Phase.DEPLOYING and rollout.starts == 0:
            self._record.add(rollout)
        before: tuple[Action, ...] = ()
        try:
            while not rollout.ended:
                seen = self._observe(rollout)
                after, actions = decide(rollout, seen)
                if after != rollout:
                    self._changed(rollout, after)
                    rollout = after
                done = bool(actions) and all(self._perform(rollout, action) for action in actions)
                if not rollout.ended and (not done or actions == before):
                    self._wait(rollout)
                before = actions
        finally:
            self._record.close(limit_s=HURRIED_DRAIN_S if self._interrupted else LAST_WORD_S)
        if self._interrupted is not None:
            raise self._interrupted
        return rollout

    # --- looking -------------------------------------------------------------------------------------------------------------

    def _observe(self, rollout: Rollout) -> Observation:
        fault, self._fault = self._fault, None
        now = self._services.clock.monotonic()
        due = self._looked_at is None or now - self._looked_at >= rollout.deploy.rollout.interval
        looked_s = None if not due else 0.0 if self._looked_at is None else now - self._looked_at
        try:
            weights = dict(self._platform.weights(rollout.environment))
        except PlatformError as error:
            self._log(f"the platform does not say what it has: {error.message}")
            return Observation()
        word = self._word(rollout) if rollout.phase is Phase.PAUSED else None
        baking = rollout.phase in (Phase.BAKING, Phase.PAUSED)
        if due:
            self._looked_at = now
        return Observation(
            weights=weights,
            canary=self._vitals(rollout, rollout.release),
            previous=self._vitals(rollout, rollout.previous),
            looked_s=looked_s,
            canary_totals=self._totals(rollout, rollout.release) if due and baking else None,
            previous_totals=self._totals(rollout, rollout.previous) if due and baking else None,
            fault=str(fault) if fault else "",
            fault_is_release=isinstance(fault, ReleaseFailed),
            approved=None if word is None else word.approved,
            said_at=0.0 if word is None else word.at,
            cancel=self._cancel,
        )

    def _vitals(self, rollout: Rollout, release: ReleaseRef | None) -> Vitals | None:
        if release is None:
            return None
        try:
            health = self._platform.health(environment=rollout.environment, release=release.name)
        except PlatformError:
            return None
        return Vitals(
            running=health.running, healthy=health.healthy, restarts=health.restarts, cpu=health.cpu, memory=health.memory
        )

    def _totals(self, rollout: Rollout, release: ReleaseRef | None) -> Totals | None:
        if release is None:
            return None
        traffic = self._services.signals.traffic(environment=rollout.environment, release=release.name)
        if traffic is None:
            return None
        return Totals(requests=traffic.requests, errors=traffic.errors, latency=traffic.latency)

    def _word(self, rollout: Rollout) -> Approval | None:
        """The latest word of a person on this very commit that was not acted upon yet."""
        words = self._services.ledger.approvals(rollout.repository, RELEASE_NUMBER, rollout.release.sha)
        return max((word for word in words if word.at > rollout.heard_at), key=lambda word: word.at, default=None)

    # --- acting --------------------------------------------------------------------------------------------------------------

    def _changed(self, before: Rollout, after: Rollout) -> None:
        """Store what was decided before it is done, so that whoever takes over does it (again)."""
        self._store(after)
        self._working_since = self._services.clock.monotonic()
        for note in after.notes[len(before.notes) :]:
            self._log(note)
        if (before.phase, before.step) == (after.phase, after.step):
            return
        self._log(f"{after.release.name}: {after.place}" + (f" ({after.reason})" if after.reason else ""))
        self._record.add(after)

    def _store(self, rollout: Rollout) -> None:
        self._services.ledger.put_rollout(
            key=rollout.key,
            repository=rollout.repository,
            environment=rollout.environment,
            release=rollout.release.name,
            state=rollout.model_dump(mode="json"),
            ended=rollout.ended,
            at=self._services.clock.now(),
        )

    def _perform(self, rollout: Rollout, action: Action) -> bool:
        """Whether it worked."""
        try:
            self._act(rollout, action)
        except PlatformError as error:
            self._log(f"{action.kind.value} {action.release}: {error}")
            if action.kind is ActionKind.DEPLOY and action.release == rollout.release.name:
                self._fault = error
            if self._services.clock.monotonic() - self._working_since > STUCK_LIMIT_S:
                raise PlatformError(
                    f"{rollout.environment} is {rollout.place} and cannot go on: {error.message}",
                    hint="put the platform right; the next release, or a new run of this one, takes the rollout up again",
                ) from error
            return False
        return True

    def _act(self, rollout: Rollout, action: Action) -> None:
        environment = rollout.environment
        if action.kind is ActionKind.DEPLOY:
            self._deploy(rollout, rollout.release if action.release == rollout.release.name else rollout.previous)
        elif action.kind is ActionKind.ROUTE:
            self._platform.route(environment=environment, weights=action.weights)
        elif action.kind is ActionKind.DRAIN:
            limit = HURRIED_DRAIN_S if self._interrupted else DRAIN_LIMIT_S
            if not self._platform.drain(environment=environment, release=action.release, timeout_s=limit):
                self._log(f"{action.release} still answers requests after {limit:.0f} s; it is stopped nevertheless")
        else:
            self._platform.stop(environment=environment, release=action.release)
            self._log(f"{action.release} is drained and stopped")

    def _deploy(self, rollout: Rollout, release: ReleaseRef | None) -> None:
        if release is None or not release.artifact:
            raise PlatformError("the previous release cannot be started again: its artifact is not known")
        artifact = Path(release.artifact)
        try:
            attempt = self._services.ledger.attempt(release.attempt_id)
            if release is rollout.release:
                prove_release(self._services, attempt, artifact, first=False, log=self._log)
            else:  # it was proven when it came; to bring it back, its artifact has to be the same
                prove_build(Proofs(self._services), attempt, artifact)
        except (EvidenceError, HostError) as error:
            raise PlatformError(error.message, hint=error.hint) from error
        self._platform.deploy(
            environment=rollout.environment,
            release=release.name,
            artifact=artifact,
            policy=Policy(deploy=rollout.deploy),
            log=self._log,
        )

    def _wait(self, rollout: Rollout) -> None:
        tick = max(0.05, min(LONGEST_TICK_S, rollout.deploy.rollout.interval))
        if self._interrupted is not None:
            time.sleep(min(tick, 0.2))
            return
        try:
            self._run.wait(tick)
        except Interrupted as interrupted:
            self._interrupted = interrupted
            self._cancel = self._cancel or "the run was cancelled"
            self._log("cancelled: going back to the previous release first")
