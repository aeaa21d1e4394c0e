"""What a repository's own settings leave out of its coverage."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.coverage import judge_coverage
from forge_dagster.domain.coverage_settings import SETTINGS, left_out
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy_gates import CoverageSection

C8 = json.dumps({"c8": {"exclude": ["source/vendor", "**/*.gen.js"]}})
OMIT = '[tool.coverage.run]\nomit = ["*/_vendor/*", "src/shop/_version.py"]\n'


@pytest.mark.parametrize(
    ("path", "name", "text", "expected"),
    [
        ("source/vendor/a/index.js", "package.json", C8, True),
        ("source/index.js", "package.json", C8, False),
        ("lib/deep/a.gen.js", "package.json", C8, True),
        ("source/vendor/a.py", "package.json", C8, False),
        ("web/source/vendor/a.js", "package.json", C8, False),
        ("web/source/vendor/a.js", "web/package.json", C8, True),
        ("lib/a.js", ".nycrc.json", '{"exclude": ["lib/*.js"]}', True),
        ("lib/a.js", ".c8rc.json", '{"exclude": ["!lib/a.js"]}', False),
        ("src/shop/_vendor/six.py", "pyproject.toml", OMIT, True),
        ("_vendor/six.py", "pyproject.toml", OMIT, True),
        ("src/shop/_version.py", "pyproject.toml", OMIT, True),
        ("src/shop/price.py", "pyproject.toml", OMIT, False),
        ("a/b.py", ".coveragerc", "[run]\nomit =\n    a/*\n", True),
        ("a/b.py", "setup.cfg", "[coverage:run]\nomit = x/*, a/*\n", True),
        ("a/b.py", "setup.cfg", "[run]\nomit = a/*\n", False),
        ("a/b.py", "tox.ini", "[coverage:run\nomit = a/*", False),
        ("a/b.py", "pyproject.toml", "no toml", False),
        ("a/b.js", "package.json", "[]", False),
    ],
)
def test_what_settings_leave_out(path: str, name: str, text: str, expected: bool) -> None:
    assert left_out(path, {name: text}) is expected


@given(st.sampled_from(SETTINGS), st.text(max_size=80))
def test_nothing_is_left_out_by_what_cannot_be_read(name: str, text: str) -> None:
    assert not left_out("src/a.py", {name: f"\0{text}"})


def test_new_lines_of_a_file_that_is_not_measured_are_shown_and_do_not_fail() -> None:
    change = Change(
        repository="o/r", files=(ChangedFile(path="_vendor/a.py", status="modified", added_lines=frozenset({1, 2})),)
    )
    texts = {"_vendor/a.py": "a = 1\nb = 2\n"}
    judged = judge_coverage(change, {}, None, CoverageSection(), lambda _: True, texts, left_out=("_vendor/a.py",))
    assert judged.outcome is Outcome.SKIPPED
    assert [(f.rule, f.severity) for f in judged.findings] == [("excluded-lines", Severity.WARNING)]
    assert judge_coverage(change, {}, None, CoverageSection(), lambda _: True, texts).outcome is Outcome.FAILED
