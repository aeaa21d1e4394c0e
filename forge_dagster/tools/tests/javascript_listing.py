"""Which tests a JavaScript runner has, where it was asked for nothing else (ports.Selection.listing)."""

from collections.abc import Callable, Sequence

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.ports import ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.tests.javascript import Manner, report_name, told_in
from forge_dagster.tools.tests.javascript_suite import Suite
from forge_dagster.tools.tests.own_calls import OwnCall

Read = Callable[[ToolRequest, bytes], Suite | None]


def listed(
    manner: Manner, request: ToolRequest, outputs: Sequence[ToolOutput], *, calls: Sequence[OwnCall], read: Read | None = None
) -> ToolReport:
    """The tests by what each of `calls` reported, read by `read` or as the manner does. ERRORED where one cannot be read.

    Neither exit codes nor what failed matter: a version that cannot list has run them.
    """
    rest = outputs[len(calls[0].before) :]
    code = rest[-1].result.exit_code if rest else None
    tests: list[str] = []
    for number in range(len(calls)):
        output = rest[number] if number < len(rest) else None
        suite = (read or manner.read)(request, told_in(manner, output, report_name(manner, number))) if output else None
        if suite is None or not suite.cases:
            reason = f"{manner.tool} did not list its tests, and ended with exit code {code}"
            return ToolReport(outcome=Outcome.ERRORED, reason=reason, exit_code=code)
        tests += suite.ran
    reason = f"{len(tests)} tests listed"
    return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=max(len(tests), 1), exit_code=code, tests=tuple(tests))
