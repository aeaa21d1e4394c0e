"""What is true of every tool, whatever its own adapter says: silence, crashes and contradictions never pass."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.places import inside
from forge_dagster.ports import ProcessResult, Tool, ToolOutput, ToolReport, ToolRequest

_SNIPPET_FILE_LIMIT = 2 * 1024 * 1024
"""Bytes of a source file read for the text of a finding's line."""
_FILES_HELD = 32
"""Source files held at once for that."""


def errored(reason: str, *, hint: str = "", exit_code: int | None = None) -> ToolReport:
    """The machinery is at fault: `reason` says what happened, `hint` what to do."""
    return ToolReport(outcome=Outcome.ERRORED, reason=f"{reason}; {hint}" if hint else reason, exit_code=exit_code)


def crash(tool: Tool, result: ProcessResult, timeout_s: float) -> ToolReport | None:
    """ERRORED when a process did not end by itself, or by a signal; None for one that did what processes do."""
    said = last_words(result)
    if result.ended == "timeout":
        return errored(
            f"{tool.name} was still running after {max(result.duration_s, 0.0):.0f} s and was stopped{said}",
            hint=f"raise [gates.{tool.gate}] timeout in forge.toml (now {timeout_s:.0f} s), or find out why it hangs",
        )
    if result.ended == "missing":
        return errored(f"{tool.name} could not be started: no such program{said}", hint=missing_hint(tool))
    if result.ended == "interrupted":
        return errored(f"{tool.name} was interrupted", hint="run it again")
    if result.exit_code is None:
        return errored(f"{tool.name} ended without an exit code{said}", hint="run it again")
    if result.exit_code < 0:
        name = _signal_name(-result.exit_code)
        hint = "it may have run out of memory; run it again" if name == "SIGKILL" else "run it by hand to see why"
        return errored(f"{tool.name} was killed by {name}{said}", hint=hint, exit_code=result.exit_code)
    return None


def missing_hint(tool: Tool) -> str:
    """What to do about a tool that is nowhere."""
    if tool.package:
        return f"add {tool.package} to the repository's development dependencies, or run `forge doctor`"
    return f"install {tool.program} and put it on PATH"


def last_words(result: ProcessResult) -> str:
    """The last line that a process wrote to stderr, in parentheses."""
    lines = [line.strip() for line in result.stderr[-4096:].decode("utf-8", "replace").splitlines() if line.strip()]
    return f" ({lines[-1][:300]})" if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def judged(tool: Tool, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
    """The adapter's own judgement; one that breaks its promise never to raise is ERRORED."""
    try:
        return tool.judge(request, outputs)
    except Exception as error:  # noqa: BLE001 - a fault in Forge must not pass, nor hide other tools' findings
        reason = f"{tool.name}: its report could not be read ({type(error).__name__}: {error})"
        return errored(reason, hint="this is a fault in Forge: report it", exit_code=outputs[-1].result.exit_code)


def believed(tool: Tool, report: ToolReport, outputs: Sequence[ToolOutput]) -> ToolReport:
    """The report where it does not contradict itself, else ERRORED or FAILED: PASSED must have looked at something."""
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    if report.outcome is Outcome.PASSED and errors:
        return replace(
            report, outcome=Outcome.FAILED, reason=report.reason or f"{tool.name} said it passed, and reported faults"
        )
    if report.outcome is Outcome.PASSED and any(output.result.truncated and not output.reports for output in outputs):
        hint = "make it print less: exclude generated files"
        return replace(report, outcome=Outcome.ERRORED, reason=f"{tool.name} printed more than can be read; {hint}")
    if report.outcome is Outcome.PASSED and report.examined <= 0:
        hint = f"its configuration leaves nothing to look at; narrow its excludes, or set [gates.{tool.gate}] enabled = false"
        reason = f"{tool.name} examined nothing: {hint}"
        return replace(report, outcome=Outcome.ERRORED, reason=reason, examined_nothing=True)
    if report.outcome is Outcome.FAILED and not errors and not report.reason:
        return replace(report, outcome=Outcome.ERRORED, reason=f"{tool.name} failed without saying why; run it by hand")
    return report


def placed(findings: Sequence[Finding], *, root: Path, change: Change) -> tuple[Finding, ...]:
    """The findings with paths relative to `root`, the text of their lines for the fingerprint, NEW where the change adds it.

    A finding outside the tree keeps its message and loses its place, so that nobody is sent to read a file of this machine.
    """
    added: Mapping[str, frozenset[int]] = {file.path: file.added_lines for file in change.files}
    files = {file.path for file in change.files if file.status == "added"}
    texts: dict[str, list[str]] = {}
    done = []
    for finding in findings:
        file = None if finding.file is None else inside(PurePath(root), finding.file)
        update: dict[str, object] = {"file": file}
        if file is None:
            update |= {"line": None, "column": None}
        elif finding.attribution is Attribution.UNKNOWN and (file in files or finding.line in added.get(file, ())):
            update["attribution"] = Attribution.NEW
        if file and finding.line and not finding.snippet and finding.category is not Category.SECRET:
            update["snippet"] = _line(root, file, finding.line, texts)
        done.append(finding.model_copy(update=update))
    return tuple(done)


def _line(root: Path, file: str, number: int, texts: dict[str, list[str]]) -> str:
    if file not in texts:
        if len(texts) >= _FILES_HELD:  # tools report file by file, so what was read before is rarely needed again
            texts.clear()
        texts[file] = _lines(root, root / file)
    lines = texts[file]
    return lines[number - 1][:1_000] if number <= len(lines) else ""


def _lines(root: Path, path: Path) -> list[str]:
    try:
        if not path.is_file() or not path.resolve().is_relative_to(root) or path.stat().st_size > _SNIPPET_FILE_LIMIT:
            return []
        return path.read_text("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return []
