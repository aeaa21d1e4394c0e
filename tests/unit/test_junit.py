"""JUnit reports, honest and hostile."""

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.tools.tests.junit import parse_junit

REPORT = b"""<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite failures="1" errors="1" tests="4">
<testcase classname="tests.test_a.TestX" name="test_one" file="tests/test_a.py" line="4">
<failure message="assert 0">E assert 0</failure></testcase>
<testcase classname="tests.test_a" name="test_two" file="tests/test_a.py" line="9"/>
<testcase classname="" name="tests.test_b"><error message="collection failure">ImportError</error></testcase>
<testcase classname="tests.test_a" name="test_three"><skipped message="later"/></testcase>
</testsuite></testsuites>"""


def test_cases_and_counters() -> None:
    report = parse_junit(REPORT)
    assert report is not None
    assert [case.state for case in report.cases] == ["failed", "passed", "error", "skipped"]
    assert (report.cases[0].file, report.cases[0].line, report.cases[0].message) == ("tests/test_a.py", 5, "assert 0")
    assert report.claimed_faults == 2
    assert len(report.of("failed", "error")) == 2


def test_a_bare_testsuite_is_read() -> None:
    report = parse_junit(b'<testsuite failures="0"><testcase name="a"/></testsuite>')
    assert report is not None
    assert report.of("passed")


def test_entities_are_never_expanded() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuites>&b;</testsuites>'
    assert parse_junit(bomb) is None
    assert parse_junit(b"<!-- c --><!doctype x><testsuites/>") is None


def test_what_is_no_junit_is_none() -> None:
    for data in (b"", b"<html/>", b"not xml", REPORT[:-5], b"\xff\xfe<\x00"):
        assert parse_junit(data) is None


@given(st.binary(max_size=300) | st.text(alphabet='<>/!?="testsuicaflr ', max_size=200).map(str.encode))
def test_noise_never_raises(data: bytes) -> None:
    report = parse_junit(data)
    assert report is None or report.claimed_faults >= 0
