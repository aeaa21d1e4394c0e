"""Reviews: untrusted text stays quoted, answers are read strictly, and nothing in them rejects or approves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.review import (
    INSTRUCTIONS,
    MAX_ANSWER,
    MAX_REMARKS,
    Answer,
    Remark,
    parse_answer,
    question,
    review_findings,
)

CHANGE = Change(
    repository="o/r",
    title="feat: x",
    base_sha="b" * 40,
    files=(ChangedFile(path="src/a.py", added_lines=frozenset({3, 4})), ChangedFile(path="gone.py", status="removed")),
)


def remark(file: str = "src/a.py", line: int = 3, severity: str = "high", message: str = "wrong") -> dict[str, object]:
    return {"file": file, "line": line, "severity": severity, "kind": "bug", "message": message, "suggestion": "mend it"}


@given(st.text(max_size=300), st.text(max_size=2_000))
def test_what_is_untrusted_is_one_json_value_and_comes_back_as_it_was(title: str, diff: str) -> None:
    asked = question(CHANGE.model_copy(update={"title": title}), diff, limit=10_000)
    assert asked.isascii()
    assert "\n" not in asked
    assert json.loads(asked)["diff"] == diff.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


def test_a_long_diff_is_cut_and_says_so() -> None:
    asked = json.loads(question(CHANGE, "x" * 5_000, limit=1_000))
    assert (len(asked["diff"]), asked["cut"]) == (1_000, True)


def test_the_instructions_hold_nothing_of_the_change() -> None:
    assert "{" in INSTRUCTIONS
    assert CHANGE.title not in INSTRUCTIONS


@pytest.mark.parametrize(
    "text",
    [
        "", "LGTM", "null", "[]", '"approve"', '{"summary": "s", "approve": true}', '{"remarks": [{"file": "a"}]}',
        json.dumps({"remarks": [remark(severity="blocker")]}), json.dumps({"remarks": [{**remark(), "line": -1}]}),
        "```json\n{}\n```", "{}" + " " * MAX_ANSWER, "[" * 100_000,
    ],
)  # fmt: skip
def test_anything_but_the_json_asked_for_is_no_answer(text: str) -> None:
    assert parse_answer(text) is None


@given(st.text(max_size=500))
def test_reading_an_answer_never_raises(text: str) -> None:
    parse_answer(text)


def test_remarks_become_findings_in_order_of_weight_and_only_about_the_change() -> None:
    answer = parse_answer(
        json.dumps(
            {
                "summary": "s",
                "remarks": [
                    remark(severity="low"), remark(line=99, severity="medium"), remark(), remark(file="/etc/passwd"),
                    remark(file="gone.py"), remark(file="src/other.py"),
                ],
            }
        )
    )  # fmt: skip
    assert answer is not None
    found = review_findings("model", answer, CHANGE)
    assert [(f.file, f.line, f.severity) for f in found] == [
        ("src/a.py", 3, Severity.ERROR),
        ("src/a.py", None, Severity.WARNING),
        ("src/a.py", 3, Severity.NOTE),
    ]
    assert {f.category.value for f in found} == {"review"}


def test_an_endless_answer_is_bounded() -> None:
    many = Answer(remarks=tuple(Remark(file="src/a.py", line=3, severity="low", message=f"m{n}") for n in range(400)))
    assert len(review_findings("model", many, CHANGE)) == MAX_REMARKS
