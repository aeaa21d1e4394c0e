"""What pyright and basedpyright have in common: how the repository calls them, and reading `--outputjson`.

Exit codes (microsoft.github.io/pyright, "Command-line"): 0 no errors, 1 errors (and warnings, by `--warnings`, or by default in
basedpyright), 2 a crash, 3 a configuration file that cannot be read, over which it goes on with its defaults (basedpyright then
ends with 0), 4 bad usage. It ends with 0 over no file at all, so the number of files decides too.
"""

import re
from collections.abc import Sequence
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_of
from forge_dagster.tools.fast.ruff import python_directory
from forge_dagster.tools.reading import Unreadable, complaint, counted, json_object, place, report, text
from forge_dagster.tools.scripts import invocations, kept
from forge_dagster.tools.tasks import python_calls

_WITH_VALUE = frozenset(
    (
        "--project", "-p", "--pythonplatform", "--pythonversion", "--typeshedpath", "-t", "--verifytypes", "--baselinefile",
        "--baseline-file",
    )
)  # fmt: skip
_ALONE = frozenset(("--warnings", "--skipunannotated", "--ignoreexternal"))
_DROPPED = frozenset(
    ("--level", "--pythonpath", "--venvpath", "--venv-path", "-v", "--threads", "--createstub", "--writebaseline")
)
_MODES = frozenset(
    ("--watch", "-w", "--version", "--help", "-h", "--createstub", "--writebaseline", "--stats", "--dependencies")
)
_BASELINE = ".basedpyright/baseline.json"
_UNREAD = re.compile(r"[Cc]onfig(?:uration)? file .* could not be (?:parsed|read)|could not be parsed\. Verify that")
"""What basedpyright says of such a file, before it ends with 0."""
_SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING}


def commands(request: ToolRequest, program: str) -> Sequence[Command]:
    """A command per different call in the repository's tasks, hooks and scripts; a plain one where there is none."""
    if not request.project.files_ending(".py", ".pyi"):
        return ()
    calls = []
    for arguments in _own(request, program):
        options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
        calls.append((*options, *targets))
    return [_command(request, program, call) for call in dict.fromkeys(calls)]


def _own(request: ToolRequest, program: str) -> list[tuple[str, ...]]:
    node = request.project.node
    calls = [*python_calls(request.project, program), *(invocations(node.scripts, program) if node is not None else ())]
    found = [call.arguments for call in calls if not call.has(*_MODES)]
    hook = hook_of(request.project, program)
    return found or ([hook.args] if hook is not None else [()])


def _command(request: ToolRequest, program: str, arguments: tuple[str, ...]) -> Command:
    fixed = ["--outputjson"]
    if request.environment is not None and request.environment.python is not None and "--verifytypes" not in arguments:
        fixed += ["--pythonpath", str(request.environment.python)]
    if program == "basedpyright" and _BASELINE in request.project.files:
        fixed += ["--baselinemode", "discard"]
    return Command(
        argv=(str(request.executable), *fixed, *arguments),
        cwd=request.root / python_directory(request),
        environment={"NO_COLOR": "1", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "PYRIGHT_PYTHON_GLOBAL_NODE": "1"},
        timeout_s=request.timeout_s,
    )


def judged(request: ToolRequest, outputs: Sequence[ToolOutput], program: str) -> ToolReport:
    """A finding per diagnostic; warnings are errors where the exit code says so. Raises Unreadable."""
    if len(outputs) < len(commands(request, program)):
        raise Unreadable(f"{program} did not run as often as it was asked to")
    findings: dict[Finding, None] = {}
    examined = 0
    for output in outputs:
        found, looked = _read(request, output, program)
        findings |= dict.fromkeys(found)
        examined += looked
    failed = any(finding.severity is Severity.ERROR for finding in findings)
    worst = max(outputs, key=lambda output: output.result.exit_code or 0)
    return report(Outcome.FAILED if failed else Outcome.PASSED, worst, examined=examined, findings=tuple(findings))


def _read(request: ToolRequest, output: ToolOutput, program: str) -> tuple[list[Finding], int]:
    code = output.result.exit_code
    if code not in (0, 1):
        raise Unreadable(f"{program} ended with {code}: {complaint(output)}")
    content = output.result.stdout
    spoken = text(output.result.stderr + content[: max(content.find(b"\n{"), 0)])
    unread = next((line for line in spoken.splitlines() if _UNREAD.search(line)), None)
    if unread is not None:
        raise Unreadable(f"{program} could not read its configuration: {unread.strip()}")
    data = json_object(content[max(content.find(b"{"), 0) :], f"{program}'s report")
    summary, entries = data["summary"], data["generalDiagnostics"]
    levels = [_SEVERITIES.get(str(entry["severity"]), Severity.NOTE) for entry in entries]
    errors, warnings = (sum(level is which for level in levels) for which in (Severity.ERROR, Severity.WARNING))
    if errors < counted(summary["errorCount"]) or (code == 0 and errors) or (code == 1 and not errors and not warnings):
        raise Unreadable(f"{program} ended with {code}, counted {summary['errorCount']} errors and reported {errors}")
    if code == 1 and not errors:
        levels = [Severity.ERROR if level is Severity.WARNING else level for level in levels]
    looked = counted(summary["filesAnalyzed"])
    if "typeCompleteness" in data:
        looked = sum(counted(number) for number in data["typeCompleteness"]["exportedSymbolCounts"].values())
        if looked == 0:
            raise Unreadable(f"{program} --verifytypes found no symbol: {_said(entries) or complaint(output)}")
    if looked == 0:
        raise Unreadable(f"{program} looked at no file: {complaint(output)}")
    return [_finding(request, entry, level, program) for entry, level in zip(entries, levels, strict=True)], looked


def _said(entries: Sequence[dict[str, Any]]) -> str:
    return "; ".join(str(entry["message"]) for entry in entries[:3])


def _finding(request: ToolRequest, entry: dict[str, Any], level: Severity, program: str) -> Finding:
    name = entry.get("file") or entry.get("uri")
    start = (entry.get("range") or {}).get("start") or {}
    line, column = start.get("line"), start.get("character")
    return Finding(
        tool=program,
        rule=str(entry.get("rule") or program),
        message=str(entry["message"]),
        category=Category.TYPE,
        severity=level,
        file=place(request, str(name), directory=python_directory(request)) if name else None,
        line=line + 1 if isinstance(line, int) and line >= 0 else None,
        column=column + 1 if isinstance(column, int) and column >= 0 else None,
    )
