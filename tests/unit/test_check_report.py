"""The forge.check/1 object and the outcome of a whole check."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_dagster.domain.check_report import NO_LANGUAGE, NOTHING_EXAMINED, check_report, overall_outcome
from forge_dagster.domain.decisions import Risk, RiskLevel
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from tests.fakes.gate_results import results

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "forge.check-1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
RISK = Risk(level=RiskLevel.HIGH, reasons=("forge.toml is high risk",))


def report(results: list[GateResult], outcome: Outcome = Outcome.FAILED) -> dict[str, Any]:
    return check_report(repository="o/r", base="a" * 40, head=None, outcome=outcome, risk=RISK, results=results)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(results, max_size=4), st.sampled_from([Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED]))
def test_every_report_is_valid_json_of_the_published_schema(given_results: list[GateResult], outcome: Outcome) -> None:
    VALIDATOR.validate(json.loads(json.dumps(report(given_results, outcome))))


def test_schema_refuses_what_is_not_a_report() -> None:
    bad = report([gate_result("lint", Outcome.PASSED)])
    bad["gates"][0]["outcome"] = "great"
    with pytest.raises(jsonschema.ValidationError, match="great"):
        VALIDATOR.validate(bad)


def test_report_has_exactly_the_promised_members_and_no_snippet() -> None:
    finding = Finding(tool="ruff", rule="F401", message="unused", category=Category.LINT, file="a.py", line=4, snippet="hush")
    tool = ToolRun(tool="ruff", version="1", outcome=Outcome.FAILED, exit_code=1, examined=15)
    made = report([gate_result("lint", Outcome.FAILED, findings=[finding], tools=(tool,))])
    assert list(made) == ["schema", "repository", "base", "head", "outcome", "risk", "gates"]
    gate = made["gates"][0]
    assert gate["tools"] == [{"tool": "ruff", "version": "1", "outcome": "failed", "exit_code": 1, "examined": 15}]
    assert (gate["findings"][0]["file"], gate["findings"][0]["line"], gate["findings_total"]) == ("a.py", 4, 1)
    assert "hush" not in json.dumps(made)
    assert made["risk"] == {"level": "high", "reasons": ["forge.toml is high risk"]}


def test_gates_are_in_the_order_of_the_graph() -> None:
    made = report([gate_result("unit", Outcome.NOT_RUN, reason="lint failed"), gate_result("lint", Outcome.FAILED)])
    assert [(g["gate"], g["outcome"], g["reason"]) for g in made["gates"]] == [
        ("lint", "failed", ""),
        ("unit", "not_run", "lint failed"),
    ]


def test_a_check_is_not_skipped() -> None:
    with pytest.raises(ValueError, match="skipped"):
        report([], Outcome.SKIPPED)


def of(**outcomes: Outcome) -> list[GateResult]:
    return [gate_result(name, outcome) for name, outcome in outcomes.items()]


P, F, E, S, N = Outcome.PASSED, Outcome.FAILED, Outcome.ERRORED, Outcome.SKIPPED, Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("outcomes", "expected", "said"),
    [
        ({"lint": F, "types": E, "unit": N}, F, ""),
        ({"lint": P, "types": E, "unit": N}, E, "types, unit"),
        ({"lint": P, "types": S, "secrets": P}, P, ""),
        ({"format": S, "lint": S, "secrets": P, "unit": S}, E, NO_LANGUAGE),
        ({"lint": S, "secrets": S}, E, NOTHING_EXAMINED),
        ({}, E, NOTHING_EXAMINED),
        ({"secrets": P}, P, ""),
        ({"secrets": P, "integrity": P}, P, ""),
        ({"lint": P, "unit": N}, E, "unit"),
    ],
)
def test_overall_outcome(outcomes: dict[str, Outcome], expected: Outcome, said: str) -> None:
    outcome, reason = overall_outcome(of(**outcomes))
    assert outcome is expected
    assert said in reason


def test_a_declared_kind_may_have_no_code_but_not_nothing_at_all() -> None:
    assert overall_outcome(of(lint=S, secrets=P), kind_declared=True)[0] is P
    assert overall_outcome(of(lint=S, secrets=S), kind_declared=True)[0] is E


def test_documents_alone_need_nobody_to_look_at_code_but_somebody() -> None:
    assert overall_outcome(of(lint=S, secrets=P), light=True)[0] is P
    assert overall_outcome(of(lint=S, secrets=S), light=True)[0] is E
    assert overall_outcome(of(lint=S, secrets=F), light=True)[0] is F


@pytest.mark.parametrize("opinion", [P, F, E, S, N])
def test_an_advisory_gate_counts_for_nothing(opinion: Outcome) -> None:
    assert overall_outcome(of(lint=P, review=opinion))[0] is P
    assert overall_outcome(of(secrets=P, lint=S, review=opinion)) == (E, NO_LANGUAGE)
    assert overall_outcome(of(review=opinion)) == (E, NOTHING_EXAMINED)
    assert overall_outcome(of(lint=F, review=opinion))[0] is F


@given(st.lists(results, max_size=5))
def test_errored_and_missing_never_pass(given_results: list[GateResult]) -> None:
    outcome, reason = overall_outcome(given_results)
    has = {result.outcome for result in given_results if result.gate != "review"}
    assert (outcome is F) == (F in has)
    if outcome is P:
        assert P in has
        assert not has & {F, E, N}
    if outcome is E:
        assert reason
