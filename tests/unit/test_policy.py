"""`forge.toml`: defaults are the specification's, anything unknown is refused by name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.policy import Policy, parse_policy, policy_digest
from forge_dagster.domain.policy_gates import seconds
from forge_dagster.errors import ConfigurationError

TOOLS = frozenset({"ruff", "mypy"})
PLATFORMS = frozenset({"local"})


def parse(text: str) -> Policy:
    return parse_policy(text, tools=TOOLS, platforms=PLATFORMS)


def test_defaults_are_the_specification() -> None:
    policy = parse("")
    assert (policy.coverage.new_lines, policy.coverage.new_branches, policy.coverage.allow_decrease) == (90, 80, False)
    steps = [(step.weight, step.bake) for step in policy.deploy.rollout.steps]
    assert steps == [(5, 600), (25, 600), (100, 0)]
    rollback = policy.deploy.rollback
    assert (rollback.error_rate, rollback.p99_latency, rollback.cpu, rollback.memory) == (2, 3, 0.8, 0.8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gates.lintt]\nenabled=false", 'no gate "lintt" (did you mean "lint"?)'),
        ('[gates.lint]\ntools=["rufff"]', 'no tool "rufff" (did you mean "ruff"?)'),
        ('[deploy]\nplatform="lokal"', 'no platform "lokal" (did you mean "local"?)'),
        ("[deploi]\n", 'unknown key "deploi" (did you mean "deploy"?)'),
        ("[deploy.rollout]\nstep=[]", 'unknown key "deploy.rollout.step" (did you mean "steps"?)'),
        ("[gates.lint]\nenable=false", 'unknown key "gates.lint.enable" (did you mean "enabled"?)'),
        ("[gates.coverage]\nnew_lines=900", "less than or equal to 100"),
        ('[gates.lint]\ntimeout="soon"', "is not a duration"),
        ("[deploy.rollout]\nsteps=[{weight=50}]", "end at 100"),
        ("[deploy.rollout]\nsteps=[{weight=50},{weight=5},{weight=100}]", "must rise"),
        ("[deploy.rollout]\nsteps=[]", "end at 100"),
        ("[deploy.rollout]\ninterval=0", "greater than 0"),
        ("gates=3", "[gates] is not a table"),
        ("[deploy", "not valid TOML"),
        ('[deploy]\nhealth="http://elsewhere"', "deploy.health"),
    ],
)
def test_what_is_wrong_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "->" in str(caught.value), "an error says what to do next"


@given(st.text(max_size=300))
def test_any_text_is_a_policy_or_a_configuration_error(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert parse(text).deploy.rollout.steps[-1].weight == 100


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        parse("a=" + "[" * 100_000)


@pytest.mark.parametrize(("text", "expected"), [("250ms", 0.25), ("90s", 90), ("10m", 600), ("1h", 3600), (7, 7)])
def test_durations(text: object, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", [True, "-1s", "8760h", "1 day", "", None, float("nan"), float("inf")])
def test_durations_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration"):
        seconds(text)


@given(st.text(), st.text())
def test_digests_tell_policies_apart(one: str, other: str) -> None:
    assert (policy_digest(one) == policy_digest(other)) is (one == other)
