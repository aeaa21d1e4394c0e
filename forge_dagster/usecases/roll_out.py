"""Bring a built release to its users step by step, or take it back; and look after it once all traffic is on it."""

from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.judge import Evidence
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.policy import POLICY_FILE, Policy, parse_policy
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.rollout_state import Cause, Phase, ReleaseRef, Rollout
from forge_dagster.errors import ForgeError, Interrupted, PlatformError, Superseded
from forge_dagster.platforms.artifacts import read_manifest
from forge_dagster.ports import Platform, Services
from forge_dagster.usecases.drive import Drive
from forge_dagster.usecases.evidence import keep_result
from forge_dagster.usecases.lease import held
from forge_dagster.usecases.promote import RELEASE_NUMBER
from forge_dagster.usecases.prove_release import prove_release

Log = Callable[[str], None]

HEALTH_LOOKS = 15
"""Looks, a second apart, in which the promoted release has to be found healthy GOOD_LOOKS times in a row."""

GOOD_LOOKS = 3


def roll_out(services: Services, attempt_id: int, *, run_id: str, log: Log) -> GateResult:
    """Gate `canary`: deploy, bake step by step, promote, or roll back. Another worker goes on where one was killed.

    FAILED: the release was rolled back through its own fault. Raises Interrupted (the run was cancelled; the environment is
    back on the previous release by then) and Superseded (another run works on this attempt).
    """
    attempt = services.ledger.claim(attempt_id, run_id)
    earlier = services.ledger.results(attempt_id).get("canary")
    return earlier or _kept(services, attempt, "canary", lambda: _rolled_out(services, attempt, run_id, log))


def check_health(services: Services, attempt_id: int, *, run_id: str, log: Log) -> GateResult:
    """Gate `health`: the promoted release answers its health check; if not, the previous release is brought back."""
    attempt = services.ledger.claim(attempt_id, run_id)
    earlier = services.ledger.results(attempt_id).get("health")
    return earlier or _kept(services, attempt, "health", lambda: _checked(services, attempt, run_id, log))


def environment_of(services: Services, attempt: Attempt) -> str:
    """The environment a release goes to, as platforms know it: "owner/repo/production"."""
    name = services.settings.production_branches.get(attempt.base_ref, attempt.base_ref)
    return f"{attempt.repository}/{name}"


def rollout_key(attempt: Attempt) -> str:
    """Identifies the one rollout of an attempt in the ledger."""
    return f"rollout:{attempt.repository}:{attempt.id}"


def _kept(services: Services, attempt: Attempt, gate: str, judge: Callable[[], GateResult]) -> GateResult:
    begun = services.clock.monotonic()
    try:
        result = judge()
    except (Superseded, Interrupted):
        raise
    except ForgeError as error:
        result = gate_result(gate, Outcome.ERRORED, reason=str(error))
    except Exception as error:  # noqa: BLE001 - every fault of the machinery becomes an answer
        result = gate_result(gate, Outcome.ERRORED, reason=f"a fault in Forge: {type(error).__name__}: {error}")
    result = result.model_copy(update={"duration_s": services.clock.monotonic() - begun})
    keep_result(services, attempt, result)
    return result


# --- canary --------------------------------------------------------------------------------------------------------------


def _rolled_out(services: Services, attempt: Attempt, run_id: str, log: Log) -> GateResult:
    environment = environment_of(services, attempt)
    with held(services, f"deploy:{environment}", owner=run_id, run=services.run_for(run_id), log=log):
        stored = services.ledger.rollout(rollout_key(attempt))
        if stored is not None:
            rollout = Rollout.model_validate(stored)
            log(f"going on with {rollout.release.name}: {rollout.place}")
            platform = _platform(services, rollout.deploy.platform)
        else:
            begun = _begin(services, attempt, environment, run_id, log)
            if isinstance(begun, GateResult):
                return begun
            rollout, platform = begun
        if not rollout.ended:
            rollout = Drive(services, platform, run_id=run_id, log=log).to_end(rollout)
        return _result(rollout, platform)


def _begin(
    services: Services, attempt: Attempt, environment: str, run_id: str, log: Log
) -> tuple[Rollout, Platform] | GateResult:
    """A new rollout, or why there is none."""
    policy = _policy(services, attempt)
    if not policy.gate("canary").enabled:
        return gate_result("canary", Outcome.SKIPPED, reason="disabled by policy")
    build = services.ledger.results(attempt.id).get("build")
    if build is not None and build.outcome is Outcome.SKIPPED:
        return gate_result("canary", Outcome.SKIPPED, reason=f"nothing to deploy ({build.reason})")
    if build is None or build.outcome is not Outcome.PASSED or "artifact" not in build.artifacts:
        return gate_result("canary", Outcome.ERRORED, reason="there is no built artifact to deploy\n  -> run the release again")
    artifact = Path(build.artifacts["artifact"])
    manifest = read_manifest(artifact)
    if manifest.kind == "library":
        return gate_result("canary", Outcome.SKIPPED, reason="nothing to deploy: it is a library")
    platform = _platform(services, policy.deploy.platform)
    newer = _finish_others(services, attempt, environment, run_id, log)
    live = newer or _live(services, platform, environment)
    if live is not None and live.attempt_id > attempt.id:
        return gate_result("canary", Outcome.SKIPPED, reason=f"superseded by newer release {live.sha[:12]}")
    prove_release(services, attempt, artifact, first=live is None, log=log)
    release = ReleaseRef(
        name=f"{attempt.head_sha[:12]}-{attempt.id}",
        sha=attempt.head_sha,
        artifact=str(artifact),
        digest=build.artifacts.get("digest", ""),
        attempt_id=attempt.id,
    )
    words = services.ledger.approvals(attempt.repository, RELEASE_NUMBER, attempt.head_sha)
    rollout = Rollout(
        key=rollout_key(attempt),
        heard_at=max((word.at for word in words), default=0.0),
        repository=attempt.repository,
        environment=environment,
        release=release,
        previous=live,
        deploy=policy.deploy,
        weighted=platform.weighted and manifest.takes_traffic,
    )
    return rollout, platform


def _finish_others(services: Services, attempt: Attempt, environment: str, run_id: str, log: Log) -> ReleaseRef | None:
    """Take back what killed workers left half done here; a newer release that is under way, if there is one."""
    newer: ReleaseRef | None = None
    for stored in services.ledger.rollouts(environment=environment, open_only=True):
        other = Rollout.model_validate(stored)
        if other.release.attempt_id > attempt.id:
            newer = other.release
        elif other.release.attempt_id < attempt.id:
            log(f"taking back {other.release.name}, which was left {other.place}")
            platform = _platform(services, other.deploy.platform)
            Drive(services, platform, run_id=run_id, cancel="a newer release took over", log=log).to_end(other)
    return newer


def _live(services: Services, platform: Platform, environment: str) -> ReleaseRef | None:
    """The release that has most of the traffic now."""
    weights = platform.weights(environment)
    name = max(weights, key=lambda release: weights[release], default=None)
    if name is None or weights[name] == 0:
        return None
    for stored in services.ledger.rollouts(environment=environment, limit=1000):
        known = Rollout.model_validate(stored).release
        if known.name == name:
            return known
    return ReleaseRef(name=name)


def _policy(services: Services, attempt: Attempt) -> Policy:
    text = services.host_of(attempt.repository).file_text(attempt.repository, POLICY_FILE, attempt.head_sha)
    return parse_policy(text or "", platforms=frozenset(services.platforms))


def _platform(services: Services, name: str) -> Platform:
    platform = services.platforms.get(name)
    if platform is None:
        known = ", ".join(sorted(services.platforms))
        raise PlatformError(f'there is no platform "{name}"', hint=f"known platforms: {known}")
    return platform


def _result(rollout: Rollout, platform: Platform) -> GateResult:
    metrics = _metrics(rollout)
    live: ReleaseRef | None
    if rollout.phase is Phase.PROMOTED:
        live, outcome = rollout.release, Outcome.PASSED
        reason = f"{rollout.release.sha[:12]} has all traffic; " + "; ".join(rollout.notes)
    else:
        live = rollout.previous
        blamed = rollout.cause is not None and rollout.cause.blames_release
        outcome = Outcome.FAILED if blamed else Outcome.ERRORED
        reason = f"rolled back: {rollout.reason}; {_after(rollout, platform)}"
    findings = () if outcome is Outcome.PASSED else (_finding(rollout, reason),)
    artifacts = {"release": rollout.release.name, "live": live.name if live else ""}
    try:
        links = {"environment": platform.url(rollout.environment)}
    except PlatformError:
        links = {}
    return gate_result("canary", outcome, reason=reason, findings=findings, metrics=metrics, artifacts=artifacts, links=links)


def _after(rollout: Rollout, platform: Platform) -> str:
    """One look at what has the traffic after a rollback."""
    if rollout.previous is None:
        return "there is no previous release, so nothing runs"
    health = platform.health(environment=rollout.environment, release=rollout.previous.name)
    word = "answers its health check" if health.healthy else "does NOT answer its health check"
    return f"all traffic is back on {rollout.previous.sha[:12] or rollout.previous.name}, which {word}"


def _finding(rollout: Rollout, reason: str) -> Finding:
    cause = rollout.cause or Cause.PLATFORM
    judge = rollout.judge
    seen = f" Requests judged: {judge.errors.canary_requests} new, {judge.errors.baseline_requests} previous."
    e_value = f" e-value {rollout.alarm.e_value:.3g} (limit 100)." if rollout.alarm else ""
    return Finding(
        tool="forge",
        rule=f"rollout/{cause.value}",
        message=f"release {rollout.release.sha[:12]} was {reason}.{seen}{e_value}",
        category=Category.DEPLOY,
        attribution=Attribution.NEW if cause.blames_release else Attribution.INFRASTRUCTURE,
        suggested_fix=f"compare commit {rollout.release.sha[:12]} with {_sha(rollout.previous)}, correct it and release again",
    )


def _sha(release: ReleaseRef | None) -> str:
    return release.sha[:12] if release is not None and release.sha else "the one before"


def _metrics(rollout: Rollout) -> dict[str, float]:
    judge = rollout.judge
    metrics: dict[str, float] = {}
    for name, evidence in (("errors", judge.errors), ("slow", judge.slow)):
        metrics |= _of(name, evidence)
    for name, totals in (("before", judge.baseline), ("after", judge.canary)):
        p99 = totals.quantile(0.99)
        if p99 is not None:
            metrics[f"p99_ms_{name}"] = p99
    return metrics


def _of(name: str, evidence: Evidence) -> dict[str, float]:
    return {
        f"{name}_rate_before": evidence.baseline_rate,
        f"{name}_rate_after": evidence.canary_rate,
        f"{name}_e_value": min(evidence.e_value, 1e12),
        f"{name}_requests_after": float(evidence.canary_requests),
    }


# --- health --------------------------------------------------------------------------------------------------------------


def _checked(services: Services, attempt: Attempt, run_id: str, log: Log) -> GateResult:
    stored = services.ledger.rollout(rollout_key(attempt))
    canary = services.ledger.results(attempt.id).get("canary")
    if stored is None and canary is not None and canary.outcome is Outcome.SKIPPED:
        return gate_result("health", Outcome.SKIPPED, reason=f"nothing was rolled out ({canary.reason})")
    if stored is None:
        return gate_result("health", Outcome.ERRORED, reason="there is no rollout to check\n  -> run the release again")
    rollout = Rollout.model_validate(stored)
    if rollout.phase is Phase.STABLE:
        return gate_result("health", Outcome.SKIPPED, reason="the release was rolled back")
    platform = _platform(services, rollout.deploy.platform)
    run = services.run_for(run_id)
    with held(services, f"deploy:{rollout.environment}", owner=run_id, run=run, log=log):
        good = 0
        for look in range(HEALTH_LOOKS):
            if look:
                run.wait(1.0)
            if not platform.weights(rollout.environment).get(rollout.release.name):
                return gate_result("health", Outcome.SKIPPED, reason="a newer release has taken its place")
            health = platform.health(environment=rollout.environment, release=rollout.release.name)
            good = good + 1 if health.running and health.healthy else 0
            if good == GOOD_LOOKS:
                said = f"{rollout.release.sha[:12]} answers {rollout.deploy.health} with all traffic on it"
                return gate_result("health", Outcome.PASSED, reason=said, metrics={"restarts": float(health.restarts)})
        return _brought_back(services, rollout, platform, run_id, log)


def _brought_back(services: Services, rollout: Rollout, platform: Platform, run_id: str, log: Log) -> GateResult:
    """The release was promoted and then fell ill."""
    said = f"it did not answer {rollout.deploy.health} in {HEALTH_LOOKS} looks after its promotion"
    if rollout.previous is None or not rollout.previous.artifact:
        back, reason = rollout, f"{said}, and there is no previous release to go back to"
        back = back.model_copy(update={"cause": Cause.HEALTH, "reason": reason})
    else:
        ill = rollout.model_copy(update={"phase": Phase.ROLLING_BACK, "cause": Cause.HEALTH, "reason": said})
        back = Drive(services, platform, run_id=run_id, log=log).to_end(ill)
        reason = f"rolled back: {said}; {_after(back, platform)}"
    return gate_result("health", Outcome.FAILED, reason=reason, findings=(_finding(back, reason),))
