"""What the adapters of vitest, jest, mocha and node:test have in common: a report read into a `Suite` is judged here.

Exit code and report must tell the same story, tests must have run, and a failed test is run once more, alone.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, worst
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests import javascript_canaries as canaries
from forge_dagster.tools.tests.canaries import unbelieved
from forge_dagster.tools.tests.javascript_suite import Case, Fault, Suite
from forge_dagster.tools.tests.javascript_text import crash_of, is_configuration, line_in, said, without_escapes
from forge_dagster.tools.tests.own_calls import OwnCall
from forge_dagster.tools.tests.reruns import RERUN_TIMEOUT_S, TEST_ERROR, TEST_FAILED, labelled, to_rerun
from forge_dagster.tools.tests.runner_signs import other_sure_runners
from forge_dagster.tools.tests.verdicts import disagreement, no_tests, output_tail

LONGEST_NAME = 1_000
"""Characters of a test's name up to which it is run alone; a longer one has failed for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one runner is read. `shown` is how people call it.

    `nothing` is found in what it prints where there is no test file, and it ends with one of `nothing_codes`; `demands` where
    every test passed and it ends with a fault all the same; `alone` is the command that runs one test (given its name's regular
    expression) and reports into that file. `report` is "" for a runner that reports on stdout. `anonymous`: a test that is run
    alone may have another name or file in the report, so its whole report is about it. `canary`: whether a call is given the
    test that must fail; it ends with one of `failing` if that is all that failed, and says `besides` if it is not.
    """

    tool: str
    shown: str
    report: str
    read: Callable[[ToolRequest, bytes], Suite | None]
    nothing: re.Pattern[str]
    demands: re.Pattern[str]
    alone: Callable[[ToolRequest, Case, str, str], Command]
    nothing_codes: frozenset[int] = frozenset((0, 1))
    anonymous: bool = False
    canary: Callable[[ToolRequest, OwnCall], bool] = canaries.never
    failing: frozenset[int] = frozenset((1,))
    besides: re.Pattern[str] = re.compile(r"triggerUncaughtException\(")


def report_name(manner: Manner, number: int) -> str:
    """File that the call with this number reports into."""
    return manner.report if number == 0 else f"{number}-{manner.report}"


def told_in(manner: Manner, output: ToolOutput, name: str) -> bytes:
    """The report file of this name, or what the runner wrote to stdout."""
    return output.reports.get(name, b"") if manner.report else output.result.stdout


def again(
    manner: Manner, request: ToolRequest, outputs: Sequence[ToolOutput], *, calls: Sequence[OwnCall]
) -> tuple[Command, ...]:
    """The commands that run each failed test of `calls` once more, alone; none where nothing could be built."""
    built, rest = outputs[: len(calls[0].before)], outputs[len(calls[0].before) :]
    if any(output.result.exit_code != 0 for output in built):
        return ()
    return tuple(command for _, command in reruns(manner, request, rest))


def reruns(manner: Manner, request: ToolRequest, outputs: Sequence[ToolOutput]) -> tuple[tuple[Case, Command], ...]:
    """The failed tests that are run once more, each with its command."""
    whole = [manner.read(request, told_in(manner, out, report_name(manner, n))) for n, out in enumerate(outputs)]
    suites = [canaries.parted(request, suite)[0] for suite in whole if suite is not None]
    cases = {case.id: case for suite in suites for case in suite.of("failed")}
    ran = sum(len(suite.cases) - len(suite.of("skipped")) for suite in suites)
    chosen = to_rerun([_failed(manner, request, case) for case in cases.values()], total=ran)
    found: list[tuple[Case, Command]] = []
    for finding in chosen:
        case = cases[finding.snippet]
        name = case.handle or case.name
        if case.file is None or len(name) > LONGEST_NAME or not case.file.isprintable():
            continue
        command = manner.alone(request, case, f"^{pattern(name)}$", f"alone-{len(found)}.json")
        found.append((case, replace(command, timeout_s=min(command.timeout_s, RERUN_TIMEOUT_S))))
    return tuple(found)


def pattern(name: str) -> str:
    """A JavaScript regular expression that is met by exactly this text."""
    return "".join(char if char.isalnum() or char == " " else _escaped(char) for char in name)


def _escaped(char: str) -> str:
    if char in r"\^$.*+?()[]{}|/":
        return f"\\{char}"
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        return "."
    return f"\\u{code:04x}" if code <= 0xFFFF and not char.isprintable() else char


def judged(
    manner: Manner, request: ToolRequest, outputs: Sequence[ToolOutput], *, calls: Sequence[OwnCall], coverage: str = ""
) -> ToolReport:
    """PASSED only where the output of each of `calls` is of a run in which something passed and nothing failed.

    Before them come the outputs of what the calls have built first, after them those of `reruns`. `coverage` is the report file
    that becomes the artifact "coverage-<tool>".
    """
    built, outputs = outputs[: len(calls[0].before)], outputs[len(calls[0].before) :]
    if len(outputs) < len(calls):
        return ToolReport(outcome=Outcome.ERRORED, reason=f"{manner.tool} was not run")
    for words, output in zip(calls[0].before, built, strict=True):
        if output.result.exit_code != 0:
            return _not_built(manner, request, words, output)
    first = outputs[: len(calls)]
    reports = [_verdict(manner, request, output, number, calls[number]) for number, output in enumerate(first)]
    found = reports[0] if len(reports) == 1 else _joined(reports)
    found = replace(found, findings=_labelled(manner, request, found, first, outputs[len(calls) :]))
    # of a suite that fails too: where the base fails likewise, what the change adds is still to be covered
    ran = found.outcome in (Outcome.PASSED, Outcome.FAILED) and found.examined > 0
    measured = coverage and ran and outputs[-1].reports.get(coverage)
    return replace(found, artifacts={f"coverage-{manner.tool}": coverage}) if measured else found


def _not_built(manner: Manner, request: ToolRequest, words: Sequence[str], output: ToolOutput) -> ToolReport:
    """What the tests import could not be built: the change's fault, unless a program is missing (127, as shells say it)."""
    shown, code = shlex.join(words), output.result.exit_code
    reason = f"{shown}, which the repository runs before its tests, ended with {code}: {output_tail(output.result)}"
    if code == 127:
        return ToolReport(outcome=Outcome.ERRORED, reason=f"{manner.tool}: {reason}", exit_code=code)
    printed = without_escapes(
        (output.result.stdout[-20_000:] + b"\n" + output.result.stderr[-20_000:]).decode("utf-8", "replace")
    )
    place = crash_of(request, printed)
    finding = Finding(
        tool=manner.tool,
        rule="build-failed",
        category=Category.TEST,
        file=place[0] if place is not None else None,
        line=place[1] if place is not None else None,
        message=reason,
        suggested_fix=f"see it by: {shown}",
        snippet=shown,
    )
    return ToolReport(outcome=Outcome.FAILED, reason=reason, findings=(finding,), exit_code=code)


def _labelled(
    manner: Manner, request: ToolRequest, found: ToolReport, first: Sequence[ToolOutput], second: Sequence[ToolOutput]
) -> tuple[Finding, ...]:
    if found.outcome is not Outcome.FAILED or not any(finding.rule == TEST_FAILED for finding in found.findings):
        return found.findings
    passed = set()
    for number, ((case, _), output) in enumerate(zip(reruns(manner, request, first), second, strict=False)):
        suite = manner.read(request, told_in(manner, output, f"alone-{number}.json"))
        if suite is None or not suite.whole or suite.faults or (output.result.exit_code != 0 and not suite.obsolete):
            continue
        states = {other.state for other in suite.cases if manner.anonymous or other.id == case.id}
        if states == {"passed"} or (manner.anonymous and states == {"passed", "skipped"}):
            passed.add(case.id)
    return labelled(found.findings, total=found.examined, passed_alone=passed)


def _joined(reports: Sequence[ToolReport]) -> ToolReport:
    outcome = worst([report.outcome for report in reports])
    names = dict.fromkeys(name for report in reports for name in report.metrics)
    return ToolReport(
        outcome=outcome,
        reason="; ".join(dict.fromkeys(report.reason for report in reports if report.outcome is outcome)),
        examined=sum(report.examined for report in reports),
        findings=tuple(finding for report in reports for finding in report.findings),
        exit_code=next((report.exit_code for report in reports if report.outcome is outcome), None),
        metrics={name: sum(report.metrics.get(name, 0.0) for report in reports) for name in names},
        tests=tuple(test for report in reports for test in report.tests),
        skipped=tuple(test for report in reports for test in report.skipped),
    )


def _verdict(manner: Manner, request: ToolRequest, output: ToolOutput, number: int, own: OwnCall) -> ToolReport:
    result = output.result
    code = result.exit_code
    printed = without_escapes((result.stdout[-200_000:] + b"\n" + result.stderr[-200_000:]).decode("utf-8", "replace"))
    suite = manner.read(request, told_in(manner, output, report_name(manner, number)))
    if suite is None or not manner.canary(request, own):
        return _without_canaries(manner, request, output, suite, code, printed)
    suite, found = canaries.parted(request, suite)
    lie = unbelieved(manner.tool, canaries.ended(output, number, found), ran=0, exit_code=code)
    if lie is not None:
        return lie
    besides = manner.besides.search(printed) is not None
    code, suite = canaries.believed_code(code, suite, found, failing=manner.failing, besides=besides)
    report = _without_canaries(manner, request, output, suite, code, printed)
    return canaries.missed(manner.tool, report, output, number, found) if report.outcome is Outcome.PASSED else report


def _without_canaries(
    manner: Manner, request: ToolRequest, output: ToolOutput, suite: Suite | None, code: int | None, printed: str
) -> ToolReport:
    result = output.result
    if suite is not None and suite.whole and (suite.faults or suite.of("failed")):
        if code != 0 and suite.success is not True:
            return _report(manner, request, suite, Outcome.FAILED, code)
        return disagreement(manner.tool, result, told=_told(suite))
    told_nothing = code == 0 and suite is not None and suite.whole
    empty = suite is None or not suite.cases
    if empty and (told_nothing or (code in manner.nothing_codes and manner.nothing.search(printed))):
        return _nothing(manner, request, code)
    if suite is None or not suite.whole:
        crash = crash_of(request, printed) if code not in (0, None) else None
        if crash is None or is_configuration(crash[0]):
            return disagreement(manner.tool, result, told="no readable report" if suite is None else "no end of the run")
        loaded = suite is None or not suite.cases
        during = f"{crash[2]}, in the test {suite.last!r}" if suite is not None and suite.last else crash[2]
        fault = Fault(rule="collection-error" if loaded else "unhandled-error", text=during, file=crash[0], line=crash[1])
        return _report(manner, request, replace(suite or Suite(), faults=(fault,)), Outcome.FAILED, code)
    if code != 0 and (said_no := manner.demands.search(printed)):
        line = printed[printed.rfind("\n", 0, said_no.start()) + 1 :].splitlines()[0].strip()
        rule = "threshold" if "threshold" in line else "unhandled-error"
        return _report(manner, request, replace(suite, faults=(Fault(rule=rule, text=line),)), Outcome.FAILED, code)
    if (code == 0 and suite.success is not False) or (code == 1 and suite.obsolete):
        if not suite.of("passed"):
            return no_tests(manner.tool, f"all {len(suite.cases)} tests were skipped", exit_code=code)
        return _report(manner, request, suite, Outcome.PASSED, code)
    return disagreement(manner.tool, result, told=_told(suite))


def _told(suite: Suite) -> str:
    return f"{len(suite.cases)} tests, {len(suite.of('failed')) + len(suite.faults)} faults"


def _nothing(manner: Manner, request: ToolRequest, code: int | None) -> ToolReport:
    """No test was found: the change's fault, unless it was asked for some tests only, which may be another runner's."""
    selection = request.selection
    if selection.only:
        others = other_sure_runners(request.project, manner.tool)
        if others:
            reason = f"{manner.tool} has none of the tests that the gate {selection.gate} asked for; {others[0]} may"
            return ToolReport(outcome=Outcome.SKIPPED, reason=reason, exit_code=code)
        shown = ", ".join(selection.only[:3])
        reason = (
            f"{manner.tool} found no test in {shown}, which the gate {selection.gate} asked for: its configuration lacks them"
        )
        return ToolReport(outcome=Outcome.ERRORED, reason=reason, exit_code=code)
    return no_tests(manner.tool, f"{manner.tool} found no test", exit_code=code)


def _report(manner: Manner, request: ToolRequest, suite: Suite, outcome: Outcome, code: int | None) -> ToolReport:
    failed, passed, skipped = suite.of("failed"), suite.of("passed"), suite.of("skipped")
    counts = {"tests": len(suite.cases), "passed": len(passed), "failed": len(failed), "skipped": len(skipped)}
    if outcome is Outcome.PASSED:
        reason = f"{len(passed)} tests passed" + (f", {len(skipped)} skipped" if skipped else "")
    elif failed:
        reason = f"{len(failed)} of {len(suite.cases)} tests failed"
    else:
        first = suite.faults[0]
        reason = "test files cannot be loaded" if first.rule == "collection-error" else first.text.strip().splitlines()[0][:300]
    return ToolReport(
        outcome=outcome,
        reason=reason,
        examined=len(passed) + len(failed),
        findings=(
            *(_fault(manner, fault) for fault in suite.faults),
            *(_failed(manner, request, case) for case in failed),
            *suite.warnings,
        ),
        exit_code=code,
        metrics={**{name: float(count) for name, count in counts.items()}, **suite.metrics},
        tests=suite.ran,
        skipped=tuple(case.id for case in skipped),
    )


def _fault(manner: Manner, fault: Fault) -> Finding:
    first = fault.text.strip().splitlines()[0] if fault.text.strip() else "no reason given"
    if fault.rule == "collection-error":
        message = f"{fault.file or 'a test file'} cannot be loaded: {first}"
    elif fault.rule == TEST_ERROR:
        message = f"{fault.file or 'a test file'} > {said(fault.text)}"
    else:
        message = f"every test ended, but {manner.tool} did not end well: {first}"
    return Finding(
        tool=manner.tool,
        rule=fault.rule,
        category=Category.TEST,
        file=fault.file,
        line=fault.line,
        message=message,
        suggested_fix=f"see it by: {manner.shown}{f' {shlex.quote(fault.file)}' if fault.file else ''}",
        snippet=fault.file or "",
    )


def _failed(manner: Manner, request: ToolRequest, case: Case) -> Finding:
    return Finding(
        tool=manner.tool,
        rule=TEST_FAILED,
        category=Category.TEST,
        file=case.file,
        line=line_in(request, case.text, case.file) or case.line,
        message=f"{case.file or 'a test file'} > {case.name[:LONGEST_NAME]} failed: {said(case.text)}",
        suggested_fix=f"see it by: {manner.shown} {shlex.quote(case.file or '.')}",
        snippet=case.id,
    )
