"""The judge's error rates, by simulation with fixed seeds, and what it never does."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.judge import (
    Alarm,
    Evidence,
    Judge,
    StageEnd,
    StageOutcome,
    Totals,
    detectable_rate,
    end_of_stage,
    look,
)
from forge_dagster.domain.policy import RollbackSection

LIMITS = RollbackSection()
BOUNDS = (5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 100.0, 1000.0)


class Arm:
    """Totals of one release that answers at random."""

    def __init__(self, rng: random.Random, *, errors: float = 0.0, slow: float = 0.0) -> None:
        self.rng, self.errors, self.slow = rng, errors, slow
        self.totals = Totals(latency=tuple((bound, 0) for bound in BOUNDS))

    def answer(self, count: int) -> None:
        bad = sum(self.rng.random() < self.errors for _ in range(count))
        slow = sum(self.rng.random() < self.slow for _ in range(count))
        within = {bound: count - slow if bound < 1000.0 else count for bound in BOUNDS}
        latency = tuple((bound, before + within[bound]) for bound, before in self.totals.latency)
        self.totals = Totals(requests=self.totals.requests + count, errors=self.totals.errors + bad, latency=latency)


def stage(rng: random.Random, rate: float, canary: Arm, baseline: Arm) -> tuple[int | None, StageEnd, Alarm | None]:
    """600 s at 5%, a look every 10 s: when it was rolled back, or None."""
    judge, _ = look(Judge(), canary=canary.totals, baseline=baseline.totals, limits=LIMITS)
    for tick in range(1, 61):
        requests = int(rate * 10)
        share = sum(rng.random() < 0.05 for _ in range(requests))
        canary.answer(share)
        baseline.answer(requests - share)
        judge, alarm = look(judge, canary=canary.totals, baseline=baseline.totals, limits=LIMITS)
        if alarm is not None:
            return tick * 10, end_of_stage(judge, LIMITS), alarm
    return None, end_of_stage(judge, LIMITS), None


def rollbacks(*, rate: float, errors: float, stages: int, slow: float = 0.0, seed: int = 7) -> list[int]:
    """Seconds until each of `stages` canaries was rolled back, of those that were. The baseline fails 1%."""
    rng = random.Random(seed)
    ends = [stage(rng, rate, Arm(rng, errors=errors, slow=slow), Arm(rng, errors=0.01, slow=0.0))[0] for _ in range(stages)]
    return sorted(end for end in ends if end is not None)


def test_a_healthy_release_is_hardly_ever_rolled_back() -> None:
    assert len(rollbacks(rate=10, errors=0.01, stages=150)) <= 0.02 * 150
    assert len(rollbacks(rate=2, errors=0.01, stages=100)) <= 0.02 * 100


def test_ten_times_the_errors_are_found_at_low_traffic() -> None:
    ends = rollbacks(rate=10, errors=0.1, stages=40)
    assert len(ends) >= 39
    assert ends[len(ends) // 2] <= 200


def test_five_times_the_errors_are_mostly_found_at_low_traffic_and_soon_at_high() -> None:
    assert len(rollbacks(rate=10, errors=0.05, stages=50)) >= 0.7 * 50
    high = rollbacks(rate=100, errors=0.05, stages=10)
    assert len(high) == 10
    assert high[-1] <= 120


def test_a_release_that_fails_half_its_requests_goes_quickly() -> None:
    ends = rollbacks(rate=10, errors=0.5, stages=40)
    assert len(ends) == 40
    assert ends[len(ends) // 2] <= 40


def test_a_slow_tail_is_found() -> None:
    ends = rollbacks(rate=20, errors=0.01, slow=0.3, stages=20)
    assert len(ends) == 20
    assert ends[len(ends) // 2] <= 100


def test_without_telemetry_nothing_passes() -> None:
    judge = Judge()
    for _ in range(100):
        judge, alarm = look(judge, canary=None, baseline=Totals(requests=5), limits=LIMITS)
        assert alarm is None
    assert end_of_stage(judge, LIMITS).outcome is StageOutcome.INCONCLUSIVE
    assert end_of_stage(judge, LIMITS).reason == "no telemetry"


def test_too_few_requests_do_not_pass_and_stages_count_anew() -> None:
    judge, _ = look(Judge(), canary=Totals(), baseline=Totals(), limits=LIMITS)
    judge, _ = look(judge, canary=Totals(requests=9), baseline=Totals(requests=200), limits=LIMITS)
    assert end_of_stage(judge, LIMITS).outcome is StageOutcome.INCONCLUSIVE
    judge, _ = look(judge, canary=Totals(requests=10), baseline=Totals(requests=200), limits=LIMITS)
    assert end_of_stage(judge, LIMITS).outcome is StageOutcome.PASSED
    assert end_of_stage(judge.next_stage(), LIMITS).outcome is StageOutcome.INCONCLUSIVE


def test_an_effect_without_certainty_is_inconclusive() -> None:
    judge, _ = look(Judge(), canary=Totals(), baseline=Totals(), limits=LIMITS)
    judge, alarm = look(judge, canary=Totals(requests=100, errors=4), baseline=Totals(requests=1900, errors=19), limits=LIMITS)
    assert alarm is None
    end = end_of_stage(judge, LIMITS)
    assert (end.outcome, "too few events" in end.reason) == (StageOutcome.INCONCLUSIVE, True)


def test_counters_that_start_anew_only_set_the_mark() -> None:
    judge, _ = look(Judge(), canary=Totals(requests=100), baseline=Totals(requests=900), limits=LIMITS)
    judge, _ = look(judge, canary=Totals(requests=5, errors=5), baseline=Totals(requests=9), limits=LIMITS)
    assert judge.errors == Evidence()
    judge, _ = look(judge, canary=Totals(requests=7, errors=5), baseline=Totals(requests=19), limits=LIMITS)
    assert (judge.errors.canary_requests, judge.errors.canary_events) == (2, 0)


def test_answers_that_are_not_timed_yet_are_not_slow() -> None:
    fast = ((10.0, 200), (1000.0, 200))
    judge, _ = look(Judge(), canary=Totals(), baseline=Totals(), limits=LIMITS)
    for factor in (1, 2, 3):
        lagging = tuple((bound, count * factor) for bound, count in fast)
        totals = Totals(requests=250 * factor, latency=lagging)
        judge, alarm = look(judge, canary=totals, baseline=totals, limits=LIMITS)
        assert alarm is None
    assert judge.slow.canary_events == 0
    assert judge.slow.canary_requests == 400


def test_detectable_rate_falls_with_traffic() -> None:
    few, many = (
        Judge(errors=Evidence().after(canary=0, baseline=n // 10, canary_requests=n, baseline_requests=10 * n))
        for n in (30, 3000)
    )
    small, large = detectable_rate(few), detectable_rate(many)
    assert small is not None
    assert large is not None
    assert large < small < 0.5
    assert detectable_rate(Judge()) is None


counts = st.integers(0, 50)


@settings(max_examples=60)
@given(st.lists(st.tuples(counts, counts, counts, counts), max_size=30))
def test_any_history_is_judged_without_accident_and_survives_storage(ticks: list[tuple[int, int, int, int]]) -> None:
    canary = baseline = Totals(latency=((10.0, 0), (1000.0, 0)))
    judge = Judge()
    for good_c, bad_c, good_b, bad_b in ticks:
        canary = Totals(
            requests=canary.requests + good_c + bad_c,
            errors=canary.errors + bad_c,
            latency=((10.0, canary.latency[0][1] + good_c), (1000.0, canary.latency[1][1] + good_c + bad_c)),
        )
        baseline = Totals(
            requests=baseline.requests + good_b + bad_b,
            errors=baseline.errors + bad_b,
            latency=((10.0, baseline.latency[0][1] + good_b), (1000.0, baseline.latency[1][1] + good_b + bad_b)),
        )
        judge, alarm = look(judge, canary=canary, baseline=baseline, limits=LIMITS)
        assert math.isfinite(judge.errors.e_value)
        if alarm is not None and alarm.kind == "error-rate":
            assert judge.errors.canary_events >= 3
            assert judge.errors.canary_rate > 2 * judge.errors.baseline_rate
        again = Judge.model_validate_json(judge.model_dump_json())
        assert again == judge


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_the_e_value_is_fair(share: float) -> None:
    """For a healthy release its expectation is 1: exact, over all outcomes of one look with one event."""
    nc, nb = int(1000 * share), 1000 - int(1000 * share)
    hit = Evidence().after(canary=1, baseline=0, canary_requests=nc, baseline_requests=nb).e_value
    miss = Evidence().after(canary=0, baseline=1, canary_requests=nc, baseline_requests=nb).e_value
    assert nc / 1000 * hit + nb / 1000 * miss == pytest.approx(1.0)
