"""How `forge check` reads: a line per gate as it ends, then the findings with their places, then one line that sums up."""

import io
import threading

from forge_dagster.cli.terminal import Terminal, plain
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import GATES
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.results import GateResult
from forge_dagster.ports import Checkout
from forge_dagster.usecases.check import Checked, GateEvent

SHOWN = 40
"""Findings shown of a gate that failed; the JSON report has the rest."""
SHOWN_OF_A_PASS = 10
"""Of one that did not: warnings, and what the base has too."""

_STYLES = {
    Outcome.PASSED: "good",
    Outcome.FAILED: "bad",
    Outcome.ERRORED: "odd",
    Outcome.SKIPPED: "dim",
    Outcome.NOT_RUN: "dim",
}
_WORDS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "FAILED",
    Outcome.ERRORED: "ERRORED",
    Outcome.SKIPPED: "skipped",
    Outcome.NOT_RUN: "not run",
}
_WIDTH = max(len(spec.name) for spec in GATES if spec.local)
_OTHERS = {
    Attribution.PREEXISTING: "the base has it too",
    Attribution.FLAKY: "flaky",
    Attribution.INFRASTRUCTURE: "the surroundings' doing",
}
_SEVERITIES = {Severity.ERROR: "bad", Severity.WARNING: "odd", Severity.NOTE: "dim"}


def seconds(value: float) -> str:
    """A duration for people: 0.41s, 12.3s, 2m05s."""
    if value < 10:
        return f"{value:.2f}s"
    if value < 60:
        return f"{value:.1f}s"
    return f"{int(value) // 60}m{int(value) % 60:02d}s"


def count(number: int, word: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


class Reporter:
    """Follows a check on a terminal. `quiet`: only the passing line of progress, since the report goes elsewhere."""

    def __init__(self, terminal: Terminal, *, quiet: bool = False, verbose: bool = False) -> None:
        self._terminal = terminal
        self._quiet = quiet
        self._verbose = verbose
        self._running: list[str] = []
        self._lock = threading.Lock()

    def head(self, checkout: Checkout) -> None:
        """Say what is being checked."""
        if self._quiet:
            return
        change = checkout.change
        judged = change.head_sha[:12] if change.head_sha else "the work tree"
        against = f" against {change.base_sha[:12]}, {count(len(change.files), 'file')} changed" if change.base_sha else ""
        self._terminal.line(self._terminal.style(plain(f"{change.repository}: {judged}{against}"), "dim"))

    def preparing(self, what: str) -> None:
        """Say what is awaited before the first gate starts."""
        self._terminal.status(what)

    def progress(self, event: GateEvent) -> None:
        """Take note of a gate that started or ended."""
        name = event.spec.name
        with self._lock:
            if event.result is None:
                self._running.append(name)
            elif name in self._running:
                self._running.remove(name)
            now = ", ".join(self._running)
        if event.result is not None and not self._quiet:
            self._terminal.line(gate_line(self._terminal, event.result))
        self._terminal.status(f"  running {now}" if now else "")

    def log(self, gate: str, line: str) -> None:
        """A line of what a gate's tools print."""
        if self._verbose:
            self._terminal.line(self._terminal.style(f"{gate} | {plain(line)}", "dim"))

    def clear(self) -> None:
        """Take the line of progress away."""
        self._terminal.status("")

    def summary(self, checked: Checked) -> None:
        """Findings, then the last line."""
        for result in checked.results.values():
            _findings(self._terminal, result)
        self.verdict(checked)

    def verdict(self, checked: Checked) -> None:
        """The last line alone."""
        self._terminal.line(last_line(self._terminal, checked))


def gate_line(terminal: Terminal, result: GateResult) -> str:
    """`  lint       FAILED    0.41s  2 findings  (ruff 0.17.1)`."""
    word = terminal.style(f"{_WORDS[result.outcome]:8}", _STYLES[result.outcome])
    ran = result.outcome not in (Outcome.SKIPPED, Outcome.NOT_RUN)
    parts = [f"  {result.gate:{_WIDTH}} {word} {seconds(result.duration_s) if ran else '':>7}"]
    if result.findings_total:
        parts.append(count(result.findings_total, "finding"))
    if result.reason:
        parts.append(plain(result.reason))
    parts += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in sorted(result.metrics.items())]
    if result.over_target:
        parts.append(terminal.style(result.over_target, "odd"))
    if result.tools:
        tools = ", ".join(plain(f"{tool.tool} {tool.version}") for tool in result.tools)
        parts.append(terminal.style(f"({tools})", "dim"))
    return "  ".join(parts).rstrip()


def _findings(terminal: Terminal, result: GateResult) -> None:
    if not result.findings:
        return
    terminal.line()
    terminal.line(terminal.style(result.gate, "strong"))
    shown = SHOWN if result.outcome is Outcome.FAILED else SHOWN_OF_A_PASS
    for finding in result.findings[:shown]:
        _finding(terminal, finding)
    more = result.findings_total - min(len(result.findings), shown)
    if more > 0:
        terminal.line(
            terminal.style(f"  and {more} more (forge check --format json lists up to {len(result.findings)})", "dim")
        )


def _finding(terminal: Terminal, finding: Finding) -> None:
    place = plain(finding.place)
    if finding.column is not None and finding.line is not None:
        place = f"{place}:{finding.column}"
    words = [terminal.style(place, "place")] if place else []
    words.append(terminal.style(finding.severity.value, _SEVERITIES[finding.severity]))
    if finding.attribution in _OTHERS:
        words.append(terminal.style(f"({_OTHERS[finding.attribution]})", "dim"))
    first, *rest = finding.message.strip().splitlines() or [finding.rule]
    words += [plain(first), terminal.style(f"[{plain(f'{finding.tool} {finding.rule}')}]", "dim")]
    terminal.line("  " + " ".join(words))
    for line in rest[:8]:
        terminal.line(terminal.style(f"      {plain(line)}", "dim"))
    if finding.suggested_fix:
        terminal.line(f"      fix: {plain(finding.suggested_fix)}")


def last_line(terminal: Terminal, checked: Checked) -> str:
    """`rejected: 3 findings in lint, types  risk medium  2.1s`."""
    risk = f"risk {checked.risk.level.value}, {seconds(checked.duration_s)}"
    if checked.outcome is Outcome.PASSED:
        return f"{terminal.style('passed', 'good')}  {risk}"
    if checked.outcome is Outcome.FAILED:
        failed = [result for result in checked.results.values() if result.outcome is Outcome.FAILED]
        total = count(sum(result.findings_total for result in failed), "finding")
        return f"{terminal.style('rejected', 'bad')}  {total} in {', '.join(result.gate for result in failed)}  {risk}"
    return f"{terminal.style('errored', 'odd')}  {plain(checked.reason)}  {risk}"


def as_text(checked: Checked) -> str:
    """The whole report as text without colour, for a file."""
    stream = io.StringIO()
    terminal = Terminal(stream, colour=False)
    for result in checked.results.values():
        terminal.line(gate_line(terminal, result))
    Reporter(terminal).summary(checked)
    return stream.getvalue()
