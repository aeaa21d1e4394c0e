"""The JSON report that jest made and vitest copied: files with their tests, and what became of snapshots."""

from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests.javascript_suite import Case, Fault, State, Suite, warning
from forge_dagster.tools.tests.javascript_text import line_in, place, without_escapes

_STATES: Mapping[object, State] = {"passed": "passed", "failed": "failed"}
_OBSOLETE = "Obsolete snapshots found"
"""How vitest fails a file for nothing but its obsolete snapshots."""
_MOST_KEYS = 100
"""Obsolete snapshots of one report that are shown."""


def read_jest_report(tool: str, request: ToolRequest, data: bytes) -> Suite | None:
    """The report as a suite; None when it is none. Never raises."""
    try:
        report = load_json(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(report, dict) or not isinstance(report.get("testResults"), list):
        return None
    files = tuple(_dicts(report["testResults"]))
    snapshots = report.get("snapshot")
    warnings, metrics, obsolete = _snapshots(tool, request, snapshots if isinstance(snapshots, dict) else {})
    return Suite(
        cases=tuple(_case(request, file, test) for file in files for test in _dicts(file.get("assertionResults"))),
        faults=tuple(_broken(request, files)),
        warnings=warnings,
        metrics=metrics,
        success=report.get("success") is True,
        obsolete=obsolete,
    )


def _case(request: ToolRequest, file: Mapping[str, Any], test: Mapping[str, Any]) -> Case:
    messages = test.get("failureMessages")
    location = test.get("location")
    line = location.get("line") if isinstance(location, dict) else None
    return Case(
        file=place(request, file.get("name")),
        name=without_escapes(test.get("fullName")) or without_escapes(test.get("title")),
        state=_STATES.get(test.get("status") if isinstance(test.get("status"), str) else None, "skipped"),
        text="\n".join(without_escapes(message) for message in messages) if isinstance(messages, list) else "",
        line=line if isinstance(line, int) and line > 0 else None,
    )


def _broken(request: ToolRequest, files: tuple[Mapping[str, Any], ...]) -> Iterator[Fault]:
    """Test files that failed as a whole: they do not parse, or an import or a hook of theirs failed."""
    for file in files:
        message = without_escapes(file.get("message")).strip()
        if file.get("status") != "failed" or _OBSOLETE in message[:200]:
            continue
        if any(test.get("status") == "failed" for test in _dicts(file.get("assertionResults"))):
            continue
        path = place(request, file.get("name"))
        text = message.removeprefix("● Test suite failed to run").strip()
        rule = canaries.BROKEN if canaries.is_canary(file.get("name")) else "collection-error"
        yield Fault(rule=rule, file=path, line=line_in(request, message, path), text=text)


def _snapshots(
    tool: str, request: ToolRequest, snapshots: Mapping[str, Any]
) -> tuple[tuple[Finding, ...], dict[str, float], bool]:
    """Findings about snapshots (they fail the gate `snapshot`, not the tests), counts, and whether any is obsolete."""
    unasked = [
        (place(request, file.get("filePath")), file.get("keys")) for file in _dicts(snapshots.get("uncheckedKeysByFile"))
    ]
    keys = [(path, without_escapes(key)) for path, found in unasked if isinstance(found, list) for key in found]
    gone = snapshots.get("filesRemovedList")
    files = [place(request, name) for name in gone] if isinstance(gone, list) else []
    written = _number(snapshots.get("added")) + _number(snapshots.get("updated"))
    unchecked = max(_number(snapshots.get("unchecked")) - len(keys), 0)
    fix = f"remove it by: npx {tool} -u, if what it tested is really gone"
    found = [
        warning(
            tool,
            "snapshot-obsolete",
            f"{path or 'a test file'}: no test asks for the snapshot {key!r} any more",
            file=path,
            snippet=f"{path}::{key}",
            fix=fix,
        )
        for path, key in keys[:_MOST_KEYS]
    ]
    found += [
        warning(tool, "snapshot-obsolete", f"{path}: its test file is gone", file=path, snippet=f"{path}", fix=fix)
        for path in files[:_MOST_KEYS]
        if path is not None
    ]
    for rule, count, why in (
        ("snapshot-unchecked", unchecked, "were not compared with anything"),
        ("snapshot-written", written, "were written by the run, and so compared with nothing"),
    ):
        if count:
            text = f"{int(count)} snapshots {why}"
            found.append(warning(tool, rule, text, file=None, snippet=rule, fix="commit the snapshots with the tests"))
    metrics = {
        "snapshots": _number(snapshots.get("total")),
        "snapshots_obsolete": float(len(keys) + len(files)),
        "snapshots_unchecked": unchecked,
        "snapshots_written": written,
    }
    return tuple(found), metrics, bool(keys or files)


def _dicts(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0.0
