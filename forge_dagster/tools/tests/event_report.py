"""The JSON lines that Forge's own reporters for mocha and node:test write (mocha_reporter.cjs, node_test_reporter.mjs)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests.javascript_suite import Case, Fault, State, Suite, warning
from forge_dagster.tools.tests.javascript_text import crash_of, line_in, place, without_escapes
from forge_dagster.tools.tests.reruns import TEST_ERROR

_STATES: Mapping[object, State] = {"passed": "passed", "failed": "failed", "skipped": "skipped"}
_CALLED_TEST = re.compile(r"[._-](test|spec)\.[cm]?[jt]s$")
_OF_CHILDREN = "subtestsFailed"
"""node:test's reason for the failure of what only holds other tests."""


def read_events(tool: str, request: ToolRequest, data: bytes) -> Suite | None:
    """The report as a suite; None when it is none. Never raises. A report without its last line is not `whole`."""
    entries = list(_entries(data))
    if not entries:
        return None
    ends = [entry for entry in entries if entry.get("type") == "end"]
    tests = [entry for entry in entries if entry.get("type") == "test" and _state(entry) is not None]
    known = {(entry.get("file"), _path(entry)) for entry in tests}
    told = {entry.get("file") for entry in tests}
    faults = [fault for entry in entries if _state(entry) == "failed" for fault in _faults(request, entry, told)]
    silent = [entry for entry in entries if entry.get("type") == "file" and entry.get("file") not in told]
    return Suite(
        cases=tuple(_case(request, entry, known) for entry in tests if not _only_holds(entry)),
        faults=tuple(faults),
        warnings=tuple(_without_tests(tool, request, silent)),
        whole=entries[-1].get("type") == "end" and len(ends) == 1 and not ends[0].get("dry"),
    )


def _entries(data: bytes) -> Iterator[Mapping[str, Any]]:
    for line in data.splitlines():
        try:
            entry = load_json(line)
        except (ValueError, RecursionError):
            entry = {"type": "unreadable"}
        if isinstance(entry, dict):
            yield entry if isinstance(entry.get("file", ""), str) else {**entry, "file": None}


def _case(request: ToolRequest, entry: Mapping[str, Any], known: set[tuple[object, tuple[str, ...]]]) -> Case:
    path = _path(entry)
    name = entry.get("name")
    # a test within a test runs only with it
    holder = next((path[:n] for n in range(1, len(path)) if (entry.get("file"), path[:n]) in known), path)
    line = entry.get("line")
    return Case(
        file=place(request, entry.get("file")),
        name=without_escapes(name) if isinstance(name, str) else " > ".join(path),
        state=_state(entry) or "skipped",
        text=without_escapes(entry.get("text")),
        line=line if isinstance(line, int) and 0 < line < 10**7 else None,
        handle="" if isinstance(name, str) else holder[-1] if holder else "",
    )


def _without_tests(tool: str, request: ToolRequest, entries: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Files that are called tests, ended well, and told of none. What lies beside tests to help them is called otherwise."""
    for entry in entries:
        file = place(request, entry.get("file"))
        if file is not None and _state(entry) == "passed" and _CALLED_TEST.search(file):
            text = f"{file} ended well and ran no test"
            yield warning(tool, "no-tests-in-file", text, file=file, snippet=file, fix="see whether it ends too early")


def _faults(request: ToolRequest, entry: Mapping[str, Any], told: set[object]) -> Iterator[Fault]:
    """What failed and is no test: a file as a whole, a hook, the body of a `describe`."""
    kind, text = entry.get("type"), without_escapes(entry.get("text")).strip()
    file = place(request, entry.get("file"))
    if kind != "test" and canaries.is_canary(entry.get("file")) and entry.get("why") != _OF_CHILDREN:
        yield Fault(rule=canaries.BROKEN, text=text)
    elif kind == "file" and entry.get("file") in told:
        if entry.get("why") != _OF_CHILDREN:
            line = line_in(request, text, file)
            yield Fault(rule="unhandled-error", file=file, line=line, text=text)
    elif kind == "file" and entry.get("why") != _OF_CHILDREN:
        crash = crash_of(request, text)
        where = crash if crash is not None else (file, None, text or "no reason given")
        yield Fault(rule="collection-error", file=file or where[0], line=where[1] if where[0] == file else None, text=where[2])
    elif kind in ("hook", "suite") and entry.get("why") != _OF_CHILDREN:
        name = " > ".join(_path(entry))
        yield Fault(rule=TEST_ERROR, file=file, line=line_in(request, text, file), text=f"{name} failed: {text}")


def _only_holds(entry: Mapping[str, Any]) -> bool:
    return entry.get("why") == _OF_CHILDREN


def _path(entry: Mapping[str, Any]) -> tuple[str, ...]:
    path: Sequence[object] = entry["path"] if isinstance(entry.get("path"), list) else []
    return tuple(without_escapes(part) for part in path if isinstance(part, str))


def _state(entry: Mapping[str, Any]) -> State | None:
    state = entry.get("state")
    return _STATES.get(state) if isinstance(state, str) else None
