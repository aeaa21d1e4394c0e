"""Every adapter over recorded reports that were tampered with: it never raises, and faults never become a pass.

A few examples of each by default; many in `make test-all`.
"""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_dagster import registry
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.gates.judging import believed
from forge_dagster.ports import Tool, ToolOutput, ToolReport
from tests.support.golden import Case, case_names, load
from tests.support.mutations import mutated

TOOLS = sorted(registry.tools().values(), key=lambda tool: tool.name)
FEW, MANY = 3, 300

every_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
amounts = pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


@st.composite
def tampered(draw: st.DrawFn, case: Case) -> tuple[ToolOutput, ...]:
    """The case's outputs with its exit codes, and one or more of its streams and reports changed."""
    outputs = []
    for command in case.commands:
        output = command.output
        where = draw(st.sampled_from(["stdout", "stderr", *command.reports]))
        if where == "stdout":
            output = replace(output, result=replace(output.result, stdout=draw(mutated(command.stdout))))
        elif where == "stderr":
            output = replace(output, result=replace(output.result, stderr=draw(mutated(command.stderr))))
        else:
            output = replace(output, reports={**command.reports, where: draw(mutated(command.reports[where]))})
        outputs.append(output)
    return tuple(outputs)


def answer(tool: Tool, case: Case, outputs: tuple[ToolOutput, ...]) -> ToolReport:
    return believed(tool, tool.judge(case.request(tool), outputs), outputs)


@every_tool
@amounts
def test_tampered_faults_never_pass(tool: Tool, examples: int) -> None:
    """The program's exit code says that there are faults, whatever is left of its report."""
    case = load(tool.name, "fault")
    silent = not any(command.exit_code for command in case.commands)

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(tampered(case))
    def play(outputs: tuple[ToolOutput, ...]) -> None:
        report = answer(tool, case, outputs)
        assert silent or report.outcome is not Outcome.PASSED
        assert report.outcome is not Outcome.ERRORED or report.reason
        assert len(report.reason) < 20_000

    play()


@every_tool
@amounts
@pytest.mark.parametrize("which", ["clean", "others"])
def test_no_tampered_report_raises(tool: Tool, examples: int, which: str) -> None:
    names = [name for name in case_names(tool.name) if name not in ("fault", "clean")] if which == "others" else ["clean"]
    if not names:
        pytest.skip("nothing else is recorded")
    cases = [load(tool.name, name) for name in names]

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(cases).flatmap(lambda case: st.tuples(st.just(case), tampered(case))))
    def play(drawn: tuple[Case, tuple[ToolOutput, ...]]) -> None:
        report = answer(tool, *drawn)
        assert report.outcome in Outcome
        assert report.outcome is not Outcome.PASSED or report.examined > 0

    play()
