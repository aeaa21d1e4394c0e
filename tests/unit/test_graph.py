"""The graph of gates: acyclic, stages in order, and the walk over it."""

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.graph import GATES, GateSpec, Job, blocked, gate_spec, gates_of, ready
from forge_dagster.domain.outcomes import Outcome

FINAL = st.sampled_from([Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED, Outcome.SKIPPED])


def walk(specs: tuple[GateSpec, ...], outcome_of: dict[str, Outcome]) -> dict[str, Outcome]:
    """Run the graph to its end, as every runner does."""
    outcomes: dict[str, Outcome] = {}
    while due := ready(specs, outcomes, frozenset(outcomes)):
        for spec in due:
            outcomes[spec.name] = outcome_of[spec.name]
        for name in blocked(specs, outcomes):
            outcomes[name] = Outcome.NOT_RUN
    return outcomes


def test_each_gate_follows_what_it_waits_for() -> None:
    seen: set[str] = set()
    for spec in GATES:
        assert set(spec.waits_for) <= seen, spec.name
        seen.add(spec.name)


def test_no_gate_waits_for_a_later_stage() -> None:
    stage = {spec.name: spec.stage.number for spec in GATES}
    assert all(stage[name] <= stage[spec.name] for spec in GATES for name in spec.waits_for)


def test_verdict_waits_for_every_other_gate_of_a_change() -> None:
    change = gates_of(Job.CHANGE)
    verdict = next(spec for spec in change if spec.name == "verdict")
    assert set(verdict.waits_for) == {spec.name for spec in change} - {"verdict"}


def test_a_release_runs_nothing_a_change_may_write_to_but_build() -> None:
    assert [spec.name for spec in gates_of(Job.RELEASE)] == ["build", "canary", "health"]


@given(st.fixed_dictionaries({spec.name: FINAL for spec in GATES}))
def test_every_gate_is_resolved_and_the_verdict_always_runs(outcome_of: dict[str, Outcome]) -> None:
    specs = gates_of(Job.CHANGE)
    outcomes = walk(specs, outcome_of)
    assert set(outcomes) == {spec.name for spec in specs}
    assert outcomes["verdict"] is outcome_of["verdict"]


@given(st.fixed_dictionaries({spec.name: FINAL for spec in GATES}))
def test_nothing_starts_behind_a_gate_that_did_not_let_through(outcome_of: dict[str, Outcome]) -> None:
    outcomes = walk(gates_of(Job.CHANGE), outcome_of)
    for spec in gates_of(Job.CHANGE):
        if not spec.always_run and any(not outcomes[name].lets_through for name in spec.waits_for):
            assert outcomes[spec.name] is Outcome.NOT_RUN


def test_a_chosen_gate_runs_without_what_was_left_out() -> None:
    coverage = tuple(spec for spec in GATES if spec.name == "coverage")
    assert ready(coverage, {}, frozenset()) == coverage


def test_of_gates_that_cost_the_same_the_one_that_its_stage_ends_with_goes_first() -> None:
    gates = gates_of(Job.CHANGE)
    assert ready(gates, {}, frozenset())[0].name == "types"
    passed = dict.fromkeys(("format", "lint", "types", "secrets"), Outcome.PASSED)
    due = ready(gates, passed, frozenset(passed))
    assert [spec.cost for spec in due] == sorted(spec.cost for spec in due), "cheap before dear"
    assert next(spec.name for spec in due if spec.cost == gate_spec("unit").cost) == "unit"
