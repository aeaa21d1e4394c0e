"""What a hostile change may put into a result, and what of it people see."""

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Attempt, Identity
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.orchestration.metadata import MAX_CELL, MAX_ROWS, attempt_metadata, gate_metadata, link, markdown, plain
from tests.fakes.gate_results import results

ATTEMPT = Attempt(
    id=1,
    repository="acme/shop",
    job=Job.CHANGE,
    number=7,
    base_ref="main",
    head_sha="a" * 40,
    policy_digest="",
    identity=Identity(agent="builder-01", task="T-1"),
)


def finding(message: str, **fields: object) -> Finding:
    return Finding.model_validate({"tool": "t", "rule": "r", "message": message, "category": Category.LINT, **fields})


@given(results)
def test_any_result_can_be_shown(result: GateResult) -> None:
    shown = gate_metadata(result)
    assert shown["outcome"].value == result.outcome.value
    dg.MaterializeResult(metadata=shown)
    table = shown.get("findings")
    assert (table is not None) == bool(result.findings)


def test_the_table_is_bounded_starts_with_errors_and_says_what_is_missing() -> None:
    many = [finding(f"note {n}" + "x" * 2000, severity=Severity.NOTE) for n in range(300)]
    result = gate_result("lint", Outcome.FAILED, findings=[*many, finding("the error", file="src/a.py", line=3)])
    shown = gate_metadata(result)
    table = shown["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    assert len(table.records) == MAX_ROWS
    first = table.records[0].data
    assert (first["message"], first["file"], first["line"]) == ("the error", "src/a.py", 3)
    assert all(len(str(value)) <= MAX_CELL for record in table.records for value in record.data.values())
    assert f"{MAX_ROWS} of 301 findings are shown" in str(shown["summary"].value)
    assert shown["findings_total"].value == 301


def test_metrics_are_numbers_that_dagster_can_draw_and_cannot_pose_as_something_else() -> None:
    metrics = {"new_line_coverage": 97.5, "nan": float("nan"), "outcome": 1.0}
    shown = gate_metadata(gate_result("coverage", Outcome.PASSED, metrics=metrics))
    assert shown["new_line_coverage"].value == 97.5
    assert shown["outcome"].value == "passed"
    assert "nan" not in shown


def test_tools_are_listed() -> None:
    tool = ToolRun(tool="ruff", version="0.17", outcome=Outcome.PASSED, examined=4, exit_code=0)
    table = gate_metadata(gate_result("lint", Outcome.PASSED, tools=(tool,)))["tools"]
    assert isinstance(table, dg.TableMetadataValue)
    assert (table.records[0].data["tool"], table.records[0].data["examined"]) == ("ruff", 4)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/", "https://example.com/a?b=c"])
def test_links_are_links(address: str) -> None:
    assert isinstance(link(address), dg.UrlMetadataValue)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//example.com", "http://", "x" * 9000, "file:///etc"]
)
def test_what_is_no_link_stays_text(address: str) -> None:
    assert isinstance(link(address), dg.TextMetadataValue)


@given(st.text(max_size=60))
def test_foreign_text_cannot_become_markup(text: str) -> None:
    shown = markdown(text)
    bare = shown.replace("\\\\", "")
    for special in "[]<`*_#!|":
        assert bare.count(special) == bare.count(f"\\{special}")


def test_invisible_and_direction_changing_characters_are_shown() -> None:
    assert plain("a\u202eb\x00\x1b[31m") == "a\ufffdb\ufffd\ufffd[31m"


def test_a_pull_request_is_a_link_where_its_host_has_pages() -> None:
    assert attempt_metadata(ATTEMPT, repository_url="https://github.com/acme/shop")["pull_request"] == dg.MetadataValue.url(
        "https://github.com/acme/shop/pull/7"
    )
    assert attempt_metadata(ATTEMPT)["pull_request"].value == "acme/shop#7"
    assert attempt_metadata(ATTEMPT)["task"].value == "T-1"


def test_the_stage_s_target_is_shown_and_what_took_longer_is_said() -> None:
    slow = gate_result("lint", Outcome.PASSED).model_copy(update={"duration_s": 41.0})
    shown = gate_metadata(slow)
    assert (shown["stage_target_s"].value, shown["over_target"].value) == (30.0, True)
    assert "over the stage's target of 30 s" in str(shown["summary"].value)
    assert "stage_target_s" not in gate_metadata(gate_result("unit", Outcome.PASSED))
