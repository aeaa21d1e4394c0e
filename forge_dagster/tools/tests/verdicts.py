"""What every test runner's adapter says alike."""

import re

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.ports import ProcessResult, ToolReport

NO_TESTS_FIX = "add tests for the code, or switch the gate off in forge.toml: [gates.unit] enabled = false"


def disagreement(tool: str, result: ProcessResult, *, told: str) -> ToolReport:
    """ERRORED, since the exit code and the report do not tell the same story."""
    reason = f"report and exit code disagree: {tool} ended with {result.exit_code}, its report tells of {told}"
    said = output_tail(result)
    return ToolReport(outcome=Outcome.ERRORED, reason=f"{reason}: {said}" if said else reason, exit_code=result.exit_code)


def no_tests(tool: str, why: str, *, exit_code: int | None = None) -> ToolReport:
    """FAILED, since a suite in which nothing runs proves nothing."""
    finding = Finding(tool=tool, rule="no-tests", category=Category.TEST, message=why, suggested_fix=NO_TESTS_FIX)
    return ToolReport(outcome=Outcome.FAILED, reason=why, findings=(finding,), exit_code=exit_code)


def output_tail(result: ProcessResult) -> str:
    """The end of what the process printed, in one line."""
    said = tail(result.stderr.decode("utf-8", "replace"), 3) or tail(result.stdout.decode("utf-8", "replace"), 3)
    return " | ".join(said.splitlines())


def tail(text: str, lines: int) -> str:
    """The last lines that are not blank, at most 500 characters."""
    kept = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(kept)[-500:]


_EXAMPLE = re.compile(
    r"(?:Falsifying|Failing)(?: explicit)? (?:example|test case):"  # hypothesis
    r"|\{ seed: -?\d+, path:|Property failed after \d+ tests?|Counterexample: "  # fast-check
)
_EXAMPLE_LINES, _EXAMPLE_LENGTH = 30, 1_000


def counterexample(text: str) -> str:
    """The example for which a property does not hold, as hypothesis or fast-check tell it, bounded; "" where there is none."""
    found = _EXAMPLE.search(text)
    if found is None:
        return ""
    start = text.rfind("\n", 0, found.start()) + 1
    margin = found.start() - start
    marked = text[start : found.start()].lstrip().startswith("E ")
    kept: list[str] = []
    for number, line in enumerate(text[found.start() :].splitlines()[:_EXAMPLE_LINES]):
        if number and marked and not re.match(r"\s*E(\s|$)", line):
            break
        bare = line[margin:] if number and marked and line[:margin].strip() == "E" else line
        if not bare.strip() or bare.lstrip().startswith(("You can reproduce", "Stack trace", "at ", "Execution summary")):
            break
        kept.append(bare.rstrip())
    return "\n".join(kept)[:_EXAMPLE_LENGTH]


def with_example(said: str, example: str) -> str:
    """What a failed test said, and its counterexample, each short enough that both are kept."""
    if not example:
        return said
    before = said.partition(example.splitlines()[0])[0].strip()
    return f"{before[: _EXAMPLE_LENGTH - 200]}\n{example}".strip()
