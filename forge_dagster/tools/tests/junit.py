"""JUnit XML, as test runners write it. The file comes from a process that ran code under judgement: nothing here trusts it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from forge_dagster.domain.foreign import load_xml

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

State = Literal["passed", "failed", "error", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase:
    """One test case of the report. `line` counts from 1 and is where the test begins."""

    __test__ = False

    name: str
    suite: str
    state: State
    message: str = ""
    text: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnitReport:
    """A whole report. `claimed_faults` is what the suites' own counters say, to be compared with the cases."""

    cases: tuple[TestCase, ...]
    claimed_faults: int

    def of(self, *states: State) -> tuple[TestCase, ...]:
        """The cases in one of these states."""
        return tuple(case for case in self.cases if case.state in states)


def parse_junit(data: bytes) -> JUnitReport | None:
    """Read a report; None when it is not JUnit XML. Never raises.

    A document with a DOCTYPE is refused, so that no entity is ever expanded (no test runner writes one).
    """
    try:
        root = load_xml(data)
    except ValueError:
        return None
    if root.tag not in ("testsuites", "testsuite"):
        return None
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    faults = sum(_number(suite.get(key)) or 0 for suite in suites for key in ("failures", "errors"))
    return JUnitReport(cases=tuple(_cases(root)), claimed_faults=faults)


def _cases(root: "ET.Element") -> Iterator[TestCase]:
    for element in root.iter("testcase"):
        state: State = "passed"
        message = text = ""
        for tag in ("error", "failure", "skipped"):
            found = element.find(tag)
            if found is not None:
                state = "failed" if tag == "failure" else "error" if tag == "error" else "skipped"
                message, text = found.get("message") or "", found.text or ""
                break
        line = _number(element.get("line"))
        yield TestCase(
            name=element.get("name") or "",
            suite=element.get("classname") or "",
            state=state,
            message=message,
            text=text,
            file=element.get("file"),
            line=None if line is None else line + 1,
        )


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 10 else None
