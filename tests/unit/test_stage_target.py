"""The target of the fast stage is shown where results are shown, and fails nothing."""

import io

from forge_dagster.cli.check_text import gate_line
from forge_dagster.cli.terminal import Terminal
from forge_dagster.domain.graph import FAST_TARGET_S, Stage
from forge_dagster.domain.memo import recalled
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import INSTALLING, GateResult, gate_result


def took(seconds: float, *, gate: str = "lint", cached: bool = False) -> GateResult:
    return gate_result(gate, Outcome.PASSED).model_copy(update={"duration_s": seconds, "cached": cached})


def test_only_the_fast_stage_has_one() -> None:
    assert {stage: stage.target_s for stage in Stage if stage.target_s is not None} == {Stage.FAST: FAST_TARGET_S}


def test_it_is_said_of_what_took_longer() -> None:
    assert took(FAST_TARGET_S).over_target == ""
    assert took(FAST_TARGET_S + 9).over_target == "took 39 s, over the stage's target of 30 s"
    assert took(500, gate="unit").over_target == ""
    assert took(500, cached=True).over_target == ""
    assert took(500).outcome is Outcome.PASSED


def test_what_it_waited_for_an_installation_does_not_count() -> None:
    waited = took(FAST_TARGET_S + 9).model_copy(update={"metrics": {INSTALLING: 20.0}})
    assert waited.over_target == ""
    assert "seconds installing 20" in gate_line(Terminal(io.StringIO()), waited)
    slow = took(FAST_TARGET_S + 29).model_copy(update={"metrics": {INSTALLING: 20.0}})
    assert slow.over_target == "took 39 s, over the stage's target of 30 s"
    assert INSTALLING not in recalled(slow, when="then", run="", elapsed_s=0.1).metrics


def test_forge_check_shows_it() -> None:
    assert "over the stage's target of 30 s" in gate_line(Terminal(io.StringIO()), took(39))
    assert "target" not in gate_line(Terminal(io.StringIO()), took(3))
