"""Judges a canary against the release beside it, with a test that may be looked at at any time.

The specification's triggers (error rate over 2 times, p99 over 3 times the baseline) are effect sizes. Read as a test, once a
minute, they roll back most healthy releases at low traffic. So each is an e-value: the likelihood ratio, averaged over
possible effects, of the canary's share among all bad answers. By Ville's inequality it exceeds 1/ALPHA with probability
below ALPHA for a healthy release, however often one looks (Ramdas et al., "Game-theoretic statistics and safe anytime-valid
inference").
"""

import math
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.policy import RollbackSection

EFFECTS = (2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""How many times worse a bad canary may be: the hypotheses averaged over."""

ALPHA = 0.01
"""Share of healthy releases that may be rolled back by one e-value."""

MIN_EVENTS = 3
MIN_REQUESTS = 10
FLOOR = 0.005
"""Error rate below which nothing is rolled back while the baseline has had fewer than FLOOR_EVENTS errors itself."""

FLOOR_EVENTS = 5
SLOW_SHARE = 0.01
"""p99: more than this share of slow answers is an effect."""

SLOW_RATIO = 2.0
"""And that many times the baseline's share, which on a busy machine may itself be over SLOW_SHARE."""

SLOW_LOOKS = 3
"""Looks in which there were slow answers: they come in bursts, and one stall of the machine is no regression."""

P99_MIN_REQUESTS = 100
"""Baseline answers needed before its p99 means anything."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Totals(_Value):
    """Counters of one release that only rise. `latency`: (upper bound in ms, answers at or below it), bounds rising."""

    requests: int = 0
    errors: int = 0
    latency: tuple[tuple[float, int], ...] = ()

    def since(self, before: "Totals") -> "Totals | None":
        """What was added, or None where the counters were started anew."""
        old = dict(before.latency)
        latency = tuple((bound, count - old.get(bound, 0)) for bound, count in self.latency)
        added = Totals(requests=self.requests - before.requests, errors=self.errors - before.errors, latency=latency)
        if added.requests < 0 or added.errors < 0 or any(count < 0 for _, count in latency):
            return None
        return added

    def plus(self, other: "Totals") -> "Totals":
        """The sum."""
        sums = dict(self.latency)
        for bound, count in other.latency:
            sums[bound] = sums.get(bound, 0) + count
        return Totals(
            requests=self.requests + other.requests, errors=self.errors + other.errors, latency=tuple(sorted(sums.items()))
        )

    @property
    def timed(self) -> int:
        """Answers in the histogram, which may lag behind `requests` by a look (Envoy merges it in the background)."""
        return self.latency[-1][1] if self.latency else 0

    def slower_than(self, bound: float) -> int:
        """Timed answers slower than the bucket bound `bound` (ms)."""
        within = max((count for upper, count in self.latency if upper <= bound), default=0)
        return max(0, self.timed - within)

    def quantile(self, share: float) -> float | None:
        """Upper bound in ms of the bucket that holds the quantile; None without timed answers."""
        if self.timed == 0:
            return None
        return next(bound for bound, count in self.latency if count >= share * self.timed)


class Evidence(_Value):
    """One e-value: log likelihood ratio per effect, and the events and requests it is made of."""

    log_e: tuple[float, ...] = (0.0,) * len(EFFECTS)
    canary_events: int = 0
    baseline_events: int = 0
    canary_requests: int = 0
    baseline_requests: int = 0
    canary_looks: int = 0
    """Looks in which the canary had events."""

    @property
    def e_value(self) -> float:
        """The e-value, at most 1e300."""
        top = max(self.log_e)
        mean = top + math.log(sum(math.exp(value - top) for value in self.log_e) / len(self.log_e))
        return math.exp(min(mean, 690.0))

    @property
    def canary_rate(self) -> float:
        """Bad answers per answer of the canary, 0 to 1."""
        return self.canary_events / self.canary_requests if self.canary_requests else 0.0

    @property
    def baseline_rate(self) -> float:
        """The same for the baseline."""
        return self.baseline_events / self.baseline_requests if self.baseline_requests else 0.0

    def after(self, *, canary: int, baseline: int, canary_requests: int, baseline_requests: int) -> "Evidence":
        """With one look's bad answers and requests of both arms. Without both arms there is nothing to compare."""
        if canary_requests <= 0 or baseline_requests <= 0:
            return self
        all_requests = canary_requests + baseline_requests
        log_e = []
        for effect, before in zip(EFFECTS, self.log_e, strict=True):
            share = effect * canary_requests / (effect * canary_requests + baseline_requests)
            ratio = math.log(share * all_requests / canary_requests)
            rest = math.log((1 - share) * all_requests / baseline_requests)
            log_e.append(before + canary * ratio + baseline * rest)
        return Evidence(
            log_e=tuple(log_e),
            canary_events=self.canary_events + canary,
            baseline_events=self.baseline_events + baseline,
            canary_requests=self.canary_requests + canary_requests,
            baseline_requests=self.baseline_requests + baseline_requests,
            canary_looks=self.canary_looks + (canary > 0),
        )


class Alarm(_Value):
    """Why the canary has to go."""

    kind: str
    """error-rate or latency."""
    message: str
    e_value: float


class StageOutcome(StrEnum):
    """What the end of a stage says."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"


class StageEnd(_Value):
    """A stage's end, with the reason; `detectable`: the smallest error rate of the canary that would have been seen by now."""

    outcome: StageOutcome
    reason: str
    detectable: float | None = None


class Judge(_Value):
    """All that was seen in a rollout so far. Evidence persists across stages; the stage's own counts start anew."""

    errors: Evidence = Evidence()
    slow: Evidence = Evidence()
    slow_bound_ms: float | None = None
    last_canary: Totals | None = None
    last_baseline: Totals | None = None
    canary: Totals = Totals()
    baseline: Totals = Totals()
    """Added up since the rollout began."""
    stage_looks: int = 0
    stage_requests: int = 0

    def next_stage(self) -> "Judge":
        """With the stage's own counts at nought."""
        return self.model_copy(update={"stage_looks": 0, "stage_requests": 0})


def look(
    judge: Judge, *, canary: Totals | None, baseline: Totals | None, limits: RollbackSection
) -> tuple[Judge, Alarm | None]:
    """Take one look at the totals of both releases (None: no telemetry) and say whether the canary has to go.

    The first look, and one after the counters were started anew (the proxy was restarted), only sets the mark.
    """
    if canary is None or baseline is None:
        return judge, None
    marked = judge.model_copy(update={"last_canary": canary, "last_baseline": baseline, "stage_looks": judge.stage_looks + 1})
    if judge.last_canary is None or judge.last_baseline is None:
        return marked, None
    new, old = canary.since(judge.last_canary), baseline.since(judge.last_baseline)
    if new is None or old is None:
        return marked, None
    errors = judge.errors.after(
        canary=min(new.errors, new.requests),
        baseline=min(old.errors, old.requests),
        canary_requests=new.requests,
        baseline_requests=old.requests,
    )
    bound = _slow_bound(judge.baseline, limits)  # of the looks before this one: it must not depend on what is judged now
    slow = judge.slow
    if bound is not None:
        slow = slow.after(
            canary=new.slower_than(bound),
            baseline=old.slower_than(bound),
            canary_requests=new.timed,
            baseline_requests=old.timed,
        )
    seen = marked.model_copy(
        update={
            "errors": errors,
            "slow": slow,
            "slow_bound_ms": bound,
            "canary": judge.canary.plus(new),
            "baseline": judge.baseline.plus(old),
            "stage_requests": judge.stage_requests + new.requests,
        }
    )
    return seen, _alarm(seen, limits)


def _slow_bound(baseline: Totals, limits: RollbackSection) -> float | None:
    """`p99_latency` times the baseline's p99, rounded up to a bucket; None while that is not known, or beyond all buckets."""
    p99 = baseline.quantile(0.99) if baseline.timed >= P99_MIN_REQUESTS else None
    if p99 is None:
        return None
    return next((bound for bound, _ in baseline.latency if bound >= limits.p99_latency * p99), None)


def _error_effect(evidence: Evidence, limits: RollbackSection) -> bool:
    floor = evidence.canary_rate >= FLOOR or evidence.baseline_events >= FLOOR_EVENTS
    return evidence.canary_rate > limits.error_rate * evidence.baseline_rate and floor and _enough(evidence)


def _slow_effect(evidence: Evidence) -> bool:
    worse = evidence.canary_rate > max(SLOW_SHARE, SLOW_RATIO * evidence.baseline_rate)
    return worse and _enough(evidence) and evidence.canary_looks >= SLOW_LOOKS


def _enough(evidence: Evidence) -> bool:
    return evidence.canary_events >= MIN_EVENTS and evidence.canary_requests >= MIN_REQUESTS


def _alarm(judge: Judge, limits: RollbackSection) -> Alarm | None:
    errors, slow = judge.errors, judge.slow
    if errors.e_value > 1 / ALPHA and _error_effect(errors, limits):
        said = (
            f"error rate {errors.canary_rate:.2%} ({errors.canary_events} of {errors.canary_requests} requests), "
            f"previous release {errors.baseline_rate:.2%} ({errors.baseline_events} of {errors.baseline_requests}); "
            f"limit {limits.error_rate:g} times"
        )
        return Alarm(kind="error-rate", message=said, e_value=errors.e_value)
    if slow.e_value > 1 / ALPHA and _slow_effect(slow):
        said = (
            f"{slow.canary_rate:.2%} of answers slower than {judge.slow_bound_ms or 0:g} ms ({limits.p99_latency:g} times the "
            f"previous release's p99), previous release {slow.baseline_rate:.2%}"
        )
        return Alarm(kind="latency", message=said, e_value=slow.e_value)
    return None


def end_of_stage(judge: Judge, limits: RollbackSection) -> StageEnd:
    """What a completed bake says: never passed without telemetry, without requests, or with an unexplained effect."""
    detectable = detectable_rate(judge)
    if judge.stage_looks == 0:
        return StageEnd(outcome=StageOutcome.INCONCLUSIVE, reason="no telemetry", detectable=detectable)
    if judge.stage_requests < MIN_REQUESTS:
        reason = f"only {judge.stage_requests} requests reached the new release (at least {MIN_REQUESTS} are needed)"
        return StageEnd(outcome=StageOutcome.INCONCLUSIVE, reason=reason, detectable=detectable)
    if _error_effect(judge.errors, limits):
        reason = (
            f"error rate {judge.errors.canary_rate:.2%} against {judge.errors.baseline_rate:.2%}: too few events to be sure"
        )
        return StageEnd(outcome=StageOutcome.INCONCLUSIVE, reason=reason, detectable=detectable)
    if _slow_effect(judge.slow):
        reason = f"{judge.slow.canary_rate:.2%} slow answers: too few events to be sure"
        return StageEnd(outcome=StageOutcome.INCONCLUSIVE, reason=reason, detectable=detectable)
    reason = f"{judge.errors.canary_requests} requests seen, nothing found"
    if detectable is not None:
        reason += f" (an error rate of {detectable:.2%} or more would have been)"
    return StageEnd(outcome=StageOutcome.PASSED, reason=reason, detectable=detectable)


def detectable_rate(judge: Judge) -> float | None:
    """The smallest error rate of the canary that the requests seen so far could have shown; None when no rate could."""
    seen = judge.errors
    canary, baseline = seen.canary_requests, seen.baseline_requests
    if canary < MIN_REQUESTS or baseline == 0:
        return None

    def shows(events: int) -> bool:
        imagined = Evidence().after(
            canary=events, baseline=seen.baseline_events, canary_requests=canary, baseline_requests=baseline
        )
        return imagined.e_value > 1 / ALPHA and imagined.canary_rate >= FLOOR

    low, high = MIN_EVENTS, canary
    if not shows(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle + 1, high)
    return low / canary
