"""What every test runner's adapter says alike."""

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
