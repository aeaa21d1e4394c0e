"""Waiting for what Forge does by itself, by looking where anybody may look: ledger, host and platform."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from forge_dagster.cli.demo.failing import DemoFailed
from forge_dagster.cli.demo.timeline import Timeline
from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Verdict
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.rollout_state import Rollout
from forge_dagster.ports import Services
from forge_dagster.usecases.roll_out import rollout_key

T = TypeVar("T")

LOOK_S = 0.2


def until(look: Callable[[], T | None], *, what: str, limit_s: float, timeline: Timeline, run_url: str = "") -> T:
    """What `look` gives once it gives something. Raises DemoFailed at the time limit."""
    deadline = time.monotonic() + limit_s
    with timeline.waiting(f"waiting for {what}"):
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {limit_s:.0f}s for {what}, in vain", run_url=run_url)
            time.sleep(LOOK_S)


def attempt_at(services: Services, repository: str, job: Job, head: str, timeline: Timeline) -> Attempt:
    """The attempt on `head`, once Forge has taken it in."""

    def look() -> Attempt | None:
        found = services.ledger.attempts(repository=repository, job=job, head_sha=head, limit=1)
        return found[0] if found else None

    return until(look, what=f"Forge to take in {head[:12]}", limit_s=60, timeline=timeline)


def judged(services: Services, attempt: Attempt, timeline: Timeline) -> Verdict:
    """The verdict on a change; each gate is told of as it ends. Raises DemoFailed when Forge itself failed."""
    told: set[str] = set()

    def look() -> Verdict | None:
        _tell_gates(services, attempt, told, timeline)
        return services.ledger.verdict(attempt.id)

    verdict = until(look, what="the gates", limit_s=600, timeline=timeline, run_url=link(services, attempt))
    _tell_gates(services, attempt, told, timeline)
    if verdict.outcome is Outcome.ERRORED:
        raise DemoFailed(
            f"Forge could not judge {attempt.head_sha[:12]}: {'; '.join(verdict.reasons)}", run_url=link(services, attempt)
        )
    return verdict


def _tell_gates(services: Services, attempt: Attempt, told: set[str], timeline: Timeline) -> None:
    results = services.ledger.results(attempt.id)
    for spec in gates_of(attempt.job):
        result = results.get(spec.name)
        if result is None or spec.name in told or result.outcome is Outcome.NOT_RUN:
            continue
        told.add(spec.name)
        style = {Outcome.PASSED: "good", Outcome.FAILED: "bad", Outcome.ERRORED: "odd"}.get(result.outcome, "dim")
        text = f"  {spec.name} {result.outcome.value} in {result.duration_s:.1f}s"
        timeline.event(
            text if result.outcome is not Outcome.SKIPPED else f"  {spec.name} skipped: {result.reason}",
            style=style,
            keep=False,
        )


def merged(services: Services, repository: str, number: int, timeline: Timeline) -> str:
    """The merge commit of a pull request, once it is merged."""

    def look() -> str | None:
        pull = services.host_of(repository).pull_request(repository, number)
        return pull.merge_sha if pull.merged else None

    return until(look, what="the merge", limit_s=120, timeline=timeline)


def rolled_out(services: Services, attempt: Attempt, timeline: Timeline) -> Rollout:
    """A rollout at its end; each step is told of as it begins. Raises DemoFailed when the release never got that far."""
    told: set[str] = set()

    def look() -> Rollout | None:
        _tell_gates(services, attempt, told, timeline)
        _refuse_dead_end(services, attempt)
        rollout = _rollout(services, attempt)
        if rollout is None:
            return None
        if rollout.place not in told:
            told.add(rollout.place)
            timeline.event(f"  {rollout.release.name[:16]}: {rollout.place}", keep=False)
        return rollout if rollout.ended else None

    return until(look, what="the rollout", limit_s=300, timeline=timeline, run_url=link(services, attempt))


def _rollout(services: Services, attempt: Attempt) -> Rollout | None:
    stored = services.ledger.rollout(rollout_key(attempt))
    return None if stored is None else Rollout.model_validate(stored)


def _refuse_dead_end(services: Services, attempt: Attempt) -> None:
    """A release whose build failed, or whose run was given up, will never roll out."""
    now = services.ledger.attempt(attempt.id)
    build = services.ledger.results(attempt.id).get("build")
    failed = build is not None and not build.outcome.lets_through
    if failed or now.state in (AttemptState.SUPERSEDED, AttemptState.ABANDONED):
        said = build.summary if build is not None and failed else f"the attempt is {now.state.value}"
        raise DemoFailed(f"the release of {attempt.head_sha[:12]} stopped: {said}", run_url=link(services, now))


def link(services: Services, attempt: Attempt) -> str:
    """The page of the attempt's run, or ""."""
    now = services.ledger.attempt(attempt.id)
    return services.run_url(now.run_id) if now.run_id else ""


def open_rollouts(services: Services, environment: str) -> Iterator[Rollout]:
    """Rollouts of an environment that are still going on."""
    for stored in services.ledger.rollouts(environment=environment, open_only=True):
        yield Rollout.model_validate(stored)
