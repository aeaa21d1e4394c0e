"""SARIF output, against the standard's own schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.findings import MAX_FINDINGS, Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.domain.sarif import MAX_RESULTS, MAX_RUNS, sarif
from tests.fakes.gate_results import results

SCHEMA = json.loads((Path(__file__).parents[1] / "golden" / "sarif-schema-2.1.0.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


def by_tool(gates: list[GateResult]) -> dict[str, Any]:
    log = sarif(gates)
    VALIDATOR.validate(log)
    return {run["tool"]["driver"]["name"]: run for run in log["runs"]}


@settings(max_examples=40)
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


def _finding(number: int, **changes: Any) -> Finding:
    values = {"tool": "ruff", "rule": "F401", "message": f"m{number}", "category": Category.LINT, "file": "a.py", "line": 1}
    return Finding.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("attribution", "state"),
    [
        (Attribution.NEW, "new"),
        (Attribution.PREEXISTING, "unchanged"),
        (Attribution.FLAKY, None),
        (Attribution.INFRASTRUCTURE, None),
        (Attribution.UNKNOWN, None),
    ],
)
def test_attribution_is_told_as_baseline_state_where_the_standard_has_a_word(attribution: Attribution, state: str) -> None:
    result = by_tool([gate_result("lint", Outcome.FAILED, findings=[_finding(1, attribution=attribution)])])["ruff"]["results"][
        0
    ]
    assert result.get("baselineState") == state
    assert result["properties"]["attribution"] == attribution.value
    assert "suppressions" not in result, "what the base has too is to be seen"


def _told(run: dict[str, Any]) -> list[str]:
    return [note["message"]["text"] for i in run["invocations"] for note in i.get("toolExecutionNotifications", ())]


def test_a_gate_that_was_cut_says_so() -> None:
    gate = gate_result("lint", Outcome.FAILED, findings=[_finding(n) for n in range(MAX_FINDINGS + 7)])
    assert _told(by_tool([gate])["ruff"]) == ["lint: 200 of 207 findings are listed"]


def test_results_beyond_the_limit_are_left_out_and_counted_the_weightiest_kept() -> None:
    notes = tuple(_finding(n, severity=Severity.NOTE, fingerprint=str(n)) for n in range(MAX_RESULTS + 2))
    whole = gate_result("lint", Outcome.FAILED).model_copy(update={"findings": (*notes, _finding(-1, fingerprint="x"))})
    runs = {one["tool"]["driver"]["name"]: one for one in sarif([whole])["runs"]}
    assert len(runs["ruff"]["results"]) == MAX_RESULTS
    assert runs["ruff"]["results"][0]["level"] == "error"
    assert _told(runs["ruff"]) == [f"{MAX_RESULTS} of {MAX_RESULTS + 3} results are listed"]


def test_runs_beyond_the_limit_are_left_out_and_named() -> None:
    silent = [ToolRun(tool=f"quiet-{n}", outcome=Outcome.PASSED, examined=1) for n in range(MAX_RUNS + 3)]
    loud = ToolRun(tool="loud", outcome=Outcome.FAILED)
    broken = ToolRun(tool="broken", outcome=Outcome.ERRORED, reason="crashed")
    gate = gate_result("lint", Outcome.FAILED, findings=[_finding(1, tool="loud")], tools=(*silent, loud, broken))
    runs = by_tool([gate])
    assert len(runs) == MAX_RUNS
    assert {"loud", "broken", "forge: left out"} <= set(runs)
    (told,) = _told(runs["forge: left out"])
    assert told.startswith("6 of 25 runs are left out, with 0 results: quiet-")
    assert runs["forge: left out"]["invocations"][0]["executionSuccessful"] is True


def test_a_run_left_out_that_was_not_successful_is_not_silent() -> None:
    broken = [ToolRun(tool=f"broken-{n}", outcome=Outcome.ERRORED, reason="crashed") for n in range(MAX_RUNS + 1)]
    runs = by_tool([gate_result("lint", Outcome.ERRORED, tools=tuple(broken))])
    assert runs["forge: left out"]["invocations"][0]["executionSuccessful"] is False


def test_a_red_baseline_is_told_though_the_tool_passed() -> None:
    red = ToolRun(tool="ruff", outcome=Outcome.PASSED, reason="baseline red: 1 finding that the base has too", examined=1)
    assert _told(by_tool([gate_result("lint", Outcome.PASSED, tools=(red,))])["ruff"]) == [f"lint passed: {red.reason}"]
