"""The rules of gate `sast`, as data: each says what to do and which weakness it is, and has cases for and against it."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.support.rule_cases import rules, sayings

RULES = rules()
SAYINGS = list(sayings())
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["id"])


def test_there_are_rules_for_both_languages_and_no_id_twice() -> None:
    assert max(Counter(rule["id"] for rule in RULES).values()) == 1
    assert Counter(rule["folder"] for rule in RULES).keys() == {"python", "javascript"}
    assert all(count >= 25 for count in Counter(rule["folder"] for rule in RULES).values())


@every_rule
def test_a_rule_says_what_to_do_and_which_weakness_it_is(rule: dict[str, Any]) -> None:
    prefix, languages = {"python": ("py-", ["python"]), "javascript": ("js-", ["javascript", "typescript"])}[rule["folder"]]
    assert rule["id"].startswith(prefix)
    assert rule["languages"] == languages
    assert rule["severity"] in ("ERROR", "WARNING")
    assert re.fullmatch(r"CWE-\d+", rule["metadata"]["cwe"])
    assert len(re.findall(r"[.](?: |$)", rule["message"].strip())) >= 2, "what is wrong, then what to do"


@every_rule
def test_a_rule_has_cases_for_and_against_it(rule: dict[str, Any]) -> None:
    assert {saying.found for saying in SAYINGS if saying.rule == rule["id"]} == {True, False}


def test_no_case_is_about_a_rule_that_is_not_there() -> None:
    assert {saying.rule for saying in SAYINGS} <= {rule["id"] for rule in RULES}
