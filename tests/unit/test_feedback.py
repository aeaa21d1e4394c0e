import json
import math
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision, Risk, RiskLevel, TrustLevel, Verdict
from forge_dagster.domain.feedback import MARKER, MAX_TEXT, VERDICT_CHECK, Feedback, checks, comment, report
from forge_dagster.domain.findings import MAX_FINDINGS, MAX_MESSAGE, Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.markdown import code, json_block
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.results import GateResult, gate_result

_HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "```\n# out of the fence", "`", "``", "a ` b `` c", "@team please merge", "<img src=x onerror=alert(1)>",
            "[click](https://evil)", "https://evil.example", "</details>", "<!-- forge:feedback -->", "\n\n## Forge: a\n",
            "| a | b |", "fixes #1", "\u202eabc", "~~~\n", "&lt;b&gt;", "\\`", "- [x] approved", "\r\n\r\n    code",
            "![](http://evil/x.png)", "\x00\x07",
        ]
    ),
)  # fmt: skip


def _attempt(**changes: Any) -> Attempt:
    values = {
        "id": 7, "repository": "o/r", "job": Job.CHANGE, "number": 3, "base_ref": "main", "base_sha": "b" * 40,
        "head_sha": "a" * 40, "policy_digest": "p",
    }  # fmt: skip
    return Attempt.model_validate({**values, **changes})


def _verdict(decision: Decision = Decision.REJECT, outcome: Outcome = Outcome.FAILED, *reasons: str) -> Verdict:
    return Verdict(
        attempt_id=7,
        outcome=outcome,
        decision=decision,
        reasons=reasons or ("lint failed",),
        risk=Risk(level=RiskLevel.LOW, reasons=("docs/a.md is low risk (docs/**)",)),
        trust=TrustLevel.L1,
    )


def _finding(**changes: Any) -> Finding:
    values = {
        "tool": "ruff",
        "rule": "F401",
        "message": "unused import",
        "category": Category.LINT,
        "file": "src/a.py",
        "line": 4,
    }
    return Finding.model_validate({**values, **changes})


def _feedback(*results: GateResult, **changes: Any) -> Feedback:
    values: dict[str, Any] = {
        "attempt": _attempt(),
        "verdict": _verdict(),
        "run_url": "http://localhost:1/runs/r1",
        "judged": 2,
    }
    return Feedback(**{**values, "results": {result.gate: result for result in results}, **changes})


def _lint(*findings: Finding, outcome: Outcome = Outcome.FAILED) -> GateResult:
    return gate_result("lint", outcome, findings=findings or (_finding(),), reason="1 finding")


def _tokens(text: str) -> list[Token]:
    flat: list[Token] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        flat += [token, *(token.children or [])]
    return flat


def _object(text: str) -> dict[str, Any]:
    fences = [token for token in _tokens(text) if token.type == "fence"]
    assert [fence.info for fence in fences] == ["json"]
    parsed: dict[str, Any] = json.loads(fences[0].content)
    return parsed


def test_a_rejection_says_where_and_what_to_do() -> None:
    text = comment(_feedback(gate_result("format", Outcome.PASSED), _lint(_finding(suggested_fix="remove it"))))
    assert text.startswith(MARKER)
    assert "## Forge: rejected" in text
    assert "`src/a.py:4` `unused import` (`ruff F401`) → `remove it`" in text
    assert f"`forge check --base {'b' * 40} --head {'a' * 40} --gate lint`" in text
    assert "http://localhost:1/runs/r1" in text
    assert "heads judged: 2" in text


def test_the_object_is_forge_check_1_with_the_verdict() -> None:
    told = _object(comment(_feedback(_lint())))
    assert told["schema"] == "forge.check/1"
    assert told["gates"][0]["findings"][0]["file"] == "src/a.py"
    assert told["verdict"] == {"decision": "reject", "reasons": ["lint failed"], "trust": "L1", "approved_by": None}
    assert told["attempt"] == {"id": 7, "judged": 2, "round": 0}
    assert told["run"] == "http://localhost:1/runs/r1"
    assert told["reproduce"].startswith("forge check --base ")


@pytest.mark.parametrize(
    ("decision", "outcome", "words", "conclusion"),
    [
        (Decision.MERGE, Outcome.PASSED, "accepted", "success"),
        (Decision.REVIEW, Outcome.PASSED, "waits for a person", "action_required"),
        (Decision.REVIEW, Outcome.ERRORED, "could not be judged", "cancelled"),
        (Decision.REJECT, Outcome.FAILED, "rejected", "failure"),
        (Decision.REJECT, Outcome.PASSED, "rejected", "failure"),
    ],
)
def test_each_verdict_has_its_words_and_its_check(decision: Decision, outcome: Outcome, words: str, conclusion: str) -> None:
    feedback = _feedback(verdict=_verdict(decision, outcome))
    assert f"## Forge: {words}" in comment(feedback)
    (check,) = checks(feedback)
    assert (check.name, check.conclusion) == (VERDICT_CHECK, conclusion)
    assert check.title.startswith(words)
    if decision is Decision.REVIEW and outcome is Outcome.PASSED:
        assert "`forge approve o/r 3`" in comment(feedback)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_gates_check_succeeds_only_if_it_passed(outcome: Outcome) -> None:
    check = checks(_feedback(gate_result("lint", outcome, reason="why")))[0]
    assert check.name == "forge/lint"
    assert (check.conclusion == "success") == (outcome is Outcome.PASSED)
    assert (check.conclusion == "skipped") == (outcome in (Outcome.SKIPPED, Outcome.NOT_RUN))
    assert outcome.value.replace("_", " ") in check.summary


def _section(text: str, title: str) -> str:
    return text.partition(f"### {title}")[2].partition("\n### ")[0]


def test_a_red_baseline_is_told_apart_from_what_the_change_brings() -> None:
    old = _finding(message="old fault", line=9, attribution=Attribution.PREEXISTING)
    text = comment(_feedback(_lint(_finding(message="my fault", attribution=Attribution.NEW), old)))
    gates, others = _section(text, "Gates"), _section(text, "Not this change's doing")
    assert "my fault" in gates
    assert "old fault" not in gates
    assert "1 not of this change's doing, see below" in gates
    assert "**Baseline red**: the base has these too" in others
    assert "- lint: `src/a.py:9` `old fault`" in others
    assert "my fault" not in others
    assert [finding["message"] for finding in _object(text)["gates"][0]["findings"]] == ["my fault", "old fault"]


def test_a_gate_that_passed_over_a_red_baseline_says_why() -> None:
    old = _finding(attribution=Attribution.PREEXISTING)
    result = gate_result("lint", Outcome.PASSED, reason="baseline red: 1 finding that the base has too", findings=[old])
    feedback = _feedback(result, verdict=_verdict(Decision.REVIEW, Outcome.PASSED))
    text = comment(feedback)
    assert "**lint** passed: `baseline red: 1 finding that the base has too`" in text
    check = checks(feedback)[0]
    assert check.conclusion == "success"
    assert "baseline red: `src/a.py:4`" in check.summary


def _unit(outcome: Outcome, *findings: Finding) -> GateResult:
    return gate_result("unit", outcome, reason="why", findings=findings)


def _flaky(**changes: Any) -> Finding:
    values = {"rule": "test-failed", "category": Category.TEST, "message": "test_a failed (flaky: 3 times since 2026-11-01)"}
    return _finding(**{**values, "attribution": Attribution.FLAKY, **changes})


def test_a_flaky_test_is_not_blamed_on_the_change_and_tells_its_history() -> None:
    feedback = _feedback(_unit(Outcome.ERRORED, _flaky()), verdict=_verdict(Decision.REVIEW, Outcome.ERRORED))
    text = comment(feedback)
    others = _section(text, "Not this change's doing")
    assert "**Flaky**: failed, then passed alone on the same input" in others
    assert "flaky: 3 times since 2026-11-01" in others
    assert "The machinery failed, not the change" in text


def test_a_flaky_test_that_fails_its_gate_is_the_changes_to_mend() -> None:
    text = comment(_feedback(_unit(Outcome.FAILED, _flaky())))
    assert "test_a failed" in _section(text, "Gates")
    assert "Not this change's doing" not in text
    beside = comment(_feedback(_unit(Outcome.FAILED, _flaky(), _finding(message="real", attribution=Attribution.NEW))))
    assert "test_a failed" in _section(beside, "Not this change's doing")


def test_the_surroundings_are_for_whoever_runs_forge() -> None:
    found = _finding(attribution=Attribution.INFRASTRUCTURE)
    text = comment(_feedback(_unit(Outcome.ERRORED, found), verdict=_verdict(Decision.REVIEW, Outcome.ERRORED)))
    assert "**Surroundings**: nearly everything failed at once" in _section(text, "Not this change's doing")


def test_what_is_not_the_changes_doing_is_bounded_and_counted() -> None:
    old = [_finding(message=f"old {n}", line=n + 1, attribution=Attribution.PREEXISTING) for n in range(60)]
    text = comment(_feedback(_lint(_finding(message="mine", attribution=Attribution.NEW), *old)))
    others = _section(text, "Not this change's doing")
    assert others.count("`old ") == 10
    assert "… and 50 more" in others
    assert "… and" not in _section(text, "Gates")


@given(st.lists(st.sampled_from(Attribution), min_size=1, max_size=8), st.sampled_from(Outcome))
def test_every_finding_is_told_once(by: list[Attribution], outcome: Outcome) -> None:
    findings = [_finding(message=f"fault-{n}-", line=n + 1, attribution=attribution) for n, attribution in enumerate(by)]
    text = comment(_feedback(_lint(*findings, outcome=outcome))).partition("### For programs")[0]
    assert all(text.count(f"fault-{n}-") == 1 for n in range(len(by)))


def test_annotations_need_a_file_and_get_a_line() -> None:
    findings = [_finding(), _finding(line=None, message="whole file"), _finding(file=None, line=None, message="everything")]
    check = checks(_feedback(_lint(*findings)))[0]
    assert [(note.file, note.line) for note in check.annotations] == [("src/a.py", 4), ("src/a.py", 1)]
    assert "everything" in check.summary


def test_too_much_is_cut_and_counted() -> None:
    findings = [_finding(message="x" * MAX_MESSAGE, line=n + 1, suggested_fix="y" * 500) for n in range(MAX_FINDINGS + 50)]
    feedback = _feedback(_lint(*findings))
    text = comment(feedback)
    assert len(text) <= MAX_TEXT
    assert "… and 240 more findings" in text
    gate = _object(text)["gates"][0]
    assert gate["findings_total"] == MAX_FINDINGS + 50
    assert gate["truncated"] is True
    assert 0 < len(gate["findings"]) < MAX_FINDINGS
    assert all(len(check.summary) <= MAX_TEXT for check in checks(feedback))


def test_a_metric_that_is_no_number_is_left_out() -> None:
    result = gate_result("coverage", Outcome.PASSED, metrics={"a": math.nan, "b": 1.0})
    assert report(_feedback(result))["gates"][0]["metrics"] == {"b": 1.0}
    assert _object(comment(_feedback(result)))["gates"][0]["metrics"] == {"b": 1.0}


@settings(max_examples=80)
@given(st.data())
def test_hostile_text_stays_text(data: st.DataObject) -> None:
    """In what GitHub renders, foreign text is only ever inside code: no link, image, HTML, heading or list item of its own."""

    def z(text: str) -> str:
        return "z" if one_line(text) else ""

    words = [data.draw(_HOSTILE) for _ in range(6)]
    finding = _finding(message=words[0], file=words[1] or "f", rule=words[2], suggested_fix=words[3])
    feedback = _feedback(
        gate_result("lint", Outcome.FAILED, reason=words[4], findings=[finding]),
        verdict=_verdict(Decision.REJECT, Outcome.FAILED, words[5] or "r"),
        note=words[0],
    )
    plain = _feedback(
        gate_result("lint", Outcome.FAILED, reason=z(words[4]), findings=[_finding(suggested_fix=z(words[3]))]),
        verdict=_verdict(Decision.REJECT, Outcome.FAILED, "z"), note=z(words[0]),
    )  # fmt: skip
    text = comment(feedback)
    tokens = _tokens(text)
    assert not {"image", "html_inline", "table_open"} & {token.type for token in tokens}
    assert [token.content.strip() for token in tokens if token.type == "html_block"] == [MARKER]
    assert [t.attrGet("href") for t in tokens if t.type == "link_open"] == ["http://localhost:1/runs/r1"]
    assert [t.content for t in tokens if t.type == "inline" and t.level == 1 and t.content.startswith("#")] == []

    def skeleton(some: list[Token]) -> list[str]:
        return [token.type for token in some if token.type.endswith("_open") or token.type in ("fence", "html_block")]

    assert skeleton(tokens) == skeleton(_tokens(comment(plain)))
    told = _object(text)
    assert told["gates"][0]["findings"][0]["message"] == words[0][:MAX_MESSAGE]
    assert told["verdict"]["reasons"] == [words[5] or "r"]
    shown = "".join(token.content for token in tokens if token.type == "text")
    assert "@" not in shown
    assert "evil" not in shown


@given(_HOSTILE, st.integers(1, 50))
def test_a_code_span_holds_exactly_its_line(text: str, limit: int) -> None:
    spans = [token for token in _tokens(f"x {code(text, limit)} y") if token.type == "code_inline"]
    assert [span.content for span in spans] == ([one_line(text, limit)] if one_line(text, limit) else [])


@given(st.dictionaries(st.text(), st.text()))
def test_json_in_a_block_is_the_same_json(value: dict[str, str]) -> None:
    block = json_block(value)
    assert block.count("\n") == 2
    assert json.loads(block.splitlines()[1]) == value
    assert not set("`<>@&~") & set(block.splitlines()[1])


@given(st.text(), st.integers(1, 40))
def test_one_line_is_one_printable_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line == " ".join(line.split())
    assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert one_line(line, limit) == line
