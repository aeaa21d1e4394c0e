"""SARIF output, against the standard's own schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.domain.sarif import sarif
from tests.fakes.gate_results import results

SCHEMA = json.loads((Path(__file__).parents[1] / "golden" / "sarif-schema-2.1.0.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


def by_tool(gates: list[GateResult]) -> dict[str, Any]:
    log = sarif(gates)
    VALIDATOR.validate(log)
    return {run["tool"]["driver"]["name"]: run for run in log["runs"]}


@settings(deadline=None, max_examples=40)
@given(st.lists(results, max_size=3))
def test_every_log_is_valid(gates: list[GateResult]) -> None:
    log = json.loads(json.dumps(sarif(gates)))
    VALIDATOR.validate(log)
    assert sum(len(run["results"]) for run in log["runs"]) == sum(len(gate.findings) for gate in gates)


def test_schema_refuses_what_is_not_sarif() -> None:
    log = sarif([gate_result("lint", Outcome.PASSED)])
    del log["runs"][0]["tool"]
    assert not VALIDATOR.is_valid(log)


def test_one_run_per_tool_with_place_rule_and_fingerprint() -> None:
    finding = Finding(
        tool="ruff", rule="F401", message="unused", category=Category.LINT, file="src/a b.py", line=4, column=1,
        attribution=Attribution.NEW, suggested_fix="remove it",
    )  # fmt: skip
    lint = gate_result(
        "lint",
        Outcome.FAILED,
        findings=[finding, finding.model_copy(update={"line": 9, "snippet": "other"})],
        tools=(
            ToolRun(tool="ruff", version="0.17.1", outcome=Outcome.FAILED, exit_code=1, examined=3),
            ToolRun(tool="eslint", version="10", outcome=Outcome.PASSED, exit_code=0, examined=2),
        ),
    )
    runs = by_tool([lint])
    assert list(runs) == ["ruff", "eslint"]
    assert runs["eslint"]["results"] == []
    assert runs["ruff"]["tool"]["driver"] == {"name": "ruff", "version": "0.17.1", "rules": [{"id": "F401"}]}
    result = runs["ruff"]["results"][0]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/a%20b.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 4, "startColumn": 1},
    }
    assert (result["ruleId"], result["ruleIndex"], result["level"], result["baselineState"]) == ("F401", 0, "error", "new")
    assert result["partialFingerprints"] == {"primaryLocationLineHash": lint.findings[0].fingerprint}
    assert result["properties"]["suggestedFix"] == "remove it"


def test_an_errored_tool_was_not_successful() -> None:
    tool = ToolRun(tool="mypy", outcome=Outcome.ERRORED, reason="no such program")
    invocation = by_tool([gate_result("types", Outcome.ERRORED, tools=(tool,))])["mypy"]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "types errored: no such program"


def test_a_gate_without_tools_shows_under_forge() -> None:
    runs = by_tool([gate_result("unit", Outcome.NOT_RUN, reason="lint failed")])
    assert runs["forge"]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "unit not_run: lint failed"
