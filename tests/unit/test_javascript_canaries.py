"""What is believed of a JavaScript runner whose canary passed, failed, or is nowhere: on recorded reports with one in them."""

import json
from dataclasses import replace

import pytest

from forge_dagster import registry
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.ports import ToolOutput, ToolReport
from forge_dagster.tools.tests.javascript_canaries import file
from tests.support.golden import load

CANARY = "0123456789ab"
NAME = f"test_{CANARY}"
JSON = {"vitest": "vitest.json", "jest": "jest.json"}
EVENTS = {"mocha": "mocha.jsonl", "node_test": "node-test.jsonl", "jasmine": "jasmine.jsonl"}
runners = pytest.mark.parametrize("tool", [*JSON, *EVENTS])


def judged(
    tool: str, state: str | None, *, code: int, note: dict[str, object] | None = None, case: str = "clean", stdout: bytes = b""
) -> ToolReport:
    """The adapter's answer to a recorded case with the canary in that state (None: it is not there)."""
    recorded = load(tool, case)
    adapter = registry.tools()[tool]
    request = replace(recorded.request(adapter), canary=CANARY)
    first, *rest = recorded.outputs
    name = (JSON | EVENTS)[tool]
    reports = {**first.reports, name: with_canary(tool, first.reports[name], state)}
    if note is not None:
        reports["canary-0.json"] = json.dumps(note).encode()
    result = replace(first.result, exit_code=code, stdout=first.result.stdout + stdout)
    return adapter.judge(request, (ToolOutput(result=result, reports=reports), *rest))


def with_canary(tool: str, content: bytes, state: str | None) -> bytes:
    if state is None:
        return content
    if tool in JSON:
        report = json.loads(content)
        test = {"fullName": f" {NAME}", "title": NAME, "status": state, "failureMessages": ["Error: the canary"]}
        canary = {"name": str(file("forge_canary.cjs")), "status": state, "message": "", "assertionResults": [test]}
        report["testResults"].append(canary)
        report["success"] = report["success"] and state != "failed"
        return json.dumps(report).encode()
    entry = {"type": "test", "state": state, "path": [NAME], "name": NAME, "text": "Error: the canary"}
    *lines, end = content.splitlines()
    return b"\n".join([*lines, json.dumps(entry).encode(), end])


@runners
def test_a_canary_that_failed_is_left_out_of_everything(tool: str) -> None:
    plain = load(tool, "clean")
    report = judged(tool, "failed", code=1, note={"tests": 1})
    assert (report.outcome, report.examined, report.exit_code) == (Outcome.PASSED, plain.examined, 0), report.reason
    assert not report.findings
    assert report.metrics["tests"] == plain.examined


@runners
@pytest.mark.parametrize(("state", "code"), [("passed", 0), ("passed", 1), ("failed", 0)])
def test_a_canary_that_passed_or_was_not_minded_fails_the_gate(tool: str, state: str, code: int) -> None:
    report = judged(tool, state, code=code, note={"tests": 1})
    assert report.outcome is Outcome.FAILED
    assert [finding.rule for finding in report.findings] == ["canary-survived"]


@runners
def test_a_canary_that_is_missing_is_errored_unless_there_was_a_reason(tool: str) -> None:
    assert judged(tool, None, code=0, note={"tests": 1}).outcome is Outcome.ERRORED
    assert judged(tool, None, code=0).outcome is Outcome.ERRORED
    assert judged(tool, "failed", code=1, note={"tests": 2}).outcome is Outcome.ERRORED
    report = judged(tool, None, code=0, note={"tests": 0, "why": "its tests run elsewhere"})
    assert report.outcome is Outcome.PASSED
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("canary-not-run", Severity.WARNING)
    assert finding.message.endswith("its tests run elsewhere")


@runners
@pytest.mark.parametrize("note", [b"", b"[]", b"{", b'{"tests": true}', b'{"tests": -1}', b'{"tests": 1e99}'])
def test_any_note_can_be_read(tool: str, note: bytes) -> None:
    recorded = load(tool, "clean")
    adapter = registry.tools()[tool]
    first, *rest = recorded.outputs
    outputs = (replace(first, reports={**first.reports, "canary-0.json": note}), *rest)
    assert adapter.judge(replace(recorded.request(adapter), canary=CANARY), outputs).outcome is Outcome.ERRORED


@runners
def test_a_failed_test_beside_it_is_what_is_told(tool: str) -> None:
    expected = load(tool, "fault")
    report = judged(tool, "failed", code=expected.commands[0].exit_code or 1, note={"tests": 1}, case="fault")
    assert report.outcome is Outcome.FAILED
    assert report.examined == expected.examined
    assert not any(NAME in finding.message for finding in report.findings)
    assert "canary-survived" not in {finding.rule for finding in report.findings}


def test_what_else_the_runner_says_is_not_hidden_by_it() -> None:
    report = judged("vitest", "failed", code=1, note={"tests": 1}, stdout=b"\nVitest caught 1 unhandled error during the run\n")
    assert (report.outcome, [f.rule for f in report.findings]) == (Outcome.FAILED, ["unhandled-error"])
    assert judged("mocha", "failed", code=7, note={"tests": 1}).outcome is not Outcome.PASSED


def test_a_canary_s_file_that_cannot_be_loaded_asks_for_a_person() -> None:
    recorded = load("jest", "clean")
    adapter = registry.tools()["jest"]
    first, *rest = recorded.outputs
    content = json.loads(first.reports["jest.json"])
    broken = {"name": str(file("forge_canary_jest.cjs")), "status": "failed", "message": "no such transform"}
    content["testResults"].append({**broken, "assertionResults": []})
    content["success"] = False
    reports = {"jest.json": json.dumps(content).encode(), "canary-0.json": b'{"tests": 1}'}
    outputs = (ToolOutput(result=replace(first.result, exit_code=1), reports=reports), *rest)
    report = adapter.judge(replace(recorded.request(adapter), canary=CANARY), outputs)
    assert report.outcome is Outcome.PASSED, report.reason
    assert [finding.message for finding in report.findings] == ["jest ran without the test that must fail: no such transform"]


# --- programs, which are run once more and made to fail --------------------------------------------------------------------


def programs(*canaries: tuple[int, dict[str, object] | None]) -> ToolReport:
    """The answer to two programs that passed, of whose further runs these are the exit codes and notes."""
    recorded = load("test_script", "clean")
    adapter = registry.tools()["test_script"]
    request = replace(recorded.request(adapter), canary=CANARY)
    last = recorded.outputs[-1]
    assert [command.environment["FORGE_CANARY"] for command in adapter.follow_up(request, recorded.outputs)] == [NAME] * 2  # type: ignore[attr-defined]
    reports = dict(last.reports)
    outputs = []
    for number, (code, note) in enumerate(canaries):
        reports = {**reports, f"canary-{number}.json": json.dumps(note).encode()} if note is not None else reports
        outputs.append(ToolOutput(result=replace(last.result, exit_code=code), reports=reports))
    return adapter.judge(request, (*recorded.outputs, *outputs))


def test_programs_that_can_fail_pass_and_those_that_cannot_fail_the_gate() -> None:
    assert (programs((1, {"tests": 1}), (7, None)).outcome, programs((1, {"tests": 1}), (7, None)).findings) == (
        Outcome.PASSED,
        (),
    )
    for code, survived in ((0, False), (1, True)):
        report = programs((1, {"tests": 1}), (code, {"tests": 1, "survived": survived}))
        assert report.outcome is Outcome.FAILED
        assert [finding.rule for finding in report.findings] == ["canary-survived"]


def test_a_program_that_hangs_over_it_can_fail_and_what_could_not_be_made_to_is_for_a_person() -> None:
    assert programs((1, {"tests": 1})).findings == ()
    for report in (programs(), programs((1, {"tests": 1}), (0, {"tests": 0, "why": "x"}))):
        assert (report.outcome, [f.rule for f in report.findings]) == (Outcome.PASSED, ["canary-not-run"])
    assert programs((1, {"tests": 1}), (0, None)).outcome is Outcome.ERRORED
