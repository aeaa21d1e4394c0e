"""What every tool adapter must satisfy, on recorded real output: a new adapter is picked up by itself and must bring its cases.

To add one: write the adapter, describe its seeds in `tests/support/*_seeds.py` (at least `fault` and `clean`), and record
them with `python tests/golden/record.py <tool>`. Everything synthetic (missing, killed, hanging, silent, lying tools) is
made here from the recorded cases.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_dagster import registry
from forge_dagster.domain.graph import GATES, Job
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy import Policy
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import Choice
from forge_dagster.gates.tool_runs import RequestExtra, run_tool
from forge_dagster.ports import GateContext, ProcessResult, Tool, ToolOutput
from tests.fakes.recorded_run import OneEnvironment, RecordedRun, StoppedClock
from tests.support.golden import BIN, CACHE, COMPONENTS, REPO, REPORT, Case, Recorded, case_names, load

TOOLS = sorted(registry.tools().values(), key=lambda tool: tool.name)
CASES = [(tool, case) for tool in TOOLS for case in case_names(tool.name)]
DEMANDED = ("fault", "clean")
UNKNOWN_EXIT_CODE = 99

every_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def recorded(tool: Tool, case: str) -> Case:
    if case not in case_names(tool.name):
        pytest.fail(f"tests/golden/{tool.name}/{case} is missing: record it with python tests/golden/record.py {tool.name}")
    return load(tool.name, case)


class Stage:
    """Plays recorded output to an adapter through the real tooling, in real folders."""

    def __init__(self, tool: Tool, case: Case, folder: Path) -> None:
        self.tool, self.case = tool, case
        self.report = folder / "scratch" / tool.name / "report"
        self.cache = folder / "cache" / tool.name
        self.root, self.bin, self.scratch = folder / "repo", folder / "bin", folder / "scratch"
        for place in (self.root, self.bin, self.report, self.cache):
            place.mkdir(parents=True)
        (self.bin / tool.program).touch(mode=0o755)
        self.places = {REPO: self.root, REPORT: self.report, CACHE: self.cache, BIN: self.bin}
        self.places[COMPONENTS] = self.report.parent / "components"

    def leave_reports(self) -> None:
        """Put the recorded report files where an earlier run would have left them."""
        for command in self.case.commands:
            for name, content in command.moved(self.places).reports.items():
                (self.report / name).parent.mkdir(parents=True, exist_ok=True)
                (self.report / name).write_bytes(content)

    def play(self, commands: Sequence[Recorded] | None = None, *, ended: ProcessResult | None = None) -> Examined:
        moved = [command.moved(self.places) for command in commands or self.case.commands]
        self.run = RecordedRun(moved, report=self.report, ended=ended)
        self.log: list[str] = []
        environment = self.case.request(self.tool, self.places).environment
        assert environment is not None
        context = GateContext(
            gate=self.tool.gate,
            job=Job.CHANGE,
            change=self.case.change,
            project=self.case.project,
            policy=Policy(),
            root=self.root,
            scratch=self.scratch,
            run=self.run,
            environments=OneEnvironment(environment),
            clock=StoppedClock(),
            log=self.log.append,
            cache=self.cache.parent,
        )
        extra = RequestExtra(variables=self.case.requested)
        return run_tool(context, Choice(tool=self.tool, because="the test says so"), extra)


SetUp = Callable[[Tool, str], Stage]


@pytest.fixture
def on_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetUp:
    def set_up(tool: Tool, case: str) -> Stage:
        stage = Stage(tool, recorded(tool, case), tmp_path.resolve())
        monkeypatch.setenv("PATH", str(stage.bin))
        return stage

    return set_up


def silent(command: Recorded) -> Recorded:
    return replace(command, stdout=b"", stderr=b"", reports=dict.fromkeys(command.reports, b""))


def cut(command: Recorded) -> Recorded:
    reports = {name: content[: len(content) // 2] for name, content in command.reports.items()}
    return replace(
        command,
        stdout=command.stdout[: len(command.stdout) // 2],
        stderr=command.stderr[: len(command.stderr) // 2],
        reports=reports,
    )


def garbled(command: Recorded) -> Recorded:
    reports = dict.fromkeys(command.reports, b"\x00\xff<not a report>{[")
    return replace(command, stdout=b"\xfe{[garbage", stderr=b"\xfe\x00", reports=reports)


# --- what the adapter says of itself -----------------------------------------------------------------------------------


@every_tool
def test_it_serves_a_gate_of_the_graph_and_is_a_frozen_value(tool: Tool) -> None:
    assert tool.gate in {spec.name for spec in GATES}
    assert tool.program
    assert tool.language is not None or tool.default or not tool.package
    with pytest.raises((TypeError, ValueError)):
        type(tool)(no_such_setting=1)  # type: ignore[call-arg]
    with pytest.raises((AttributeError, TypeError, ValueError)):
        tool.name = "another"  # type: ignore[misc]


@every_tool
@pytest.mark.parametrize("case", DEMANDED)
def test_the_demanded_cases_are_recorded(tool: Tool, case: str) -> None:
    expected = {"fault": Outcome.FAILED, "clean": Outcome.PASSED}[case]
    assert recorded(tool, case).outcome is expected


# --- recorded output ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{case}" for tool, case in CASES])
def test_recorded_output_is_judged_as_expected(tool: Tool, case: str, on_stage: SetUp) -> None:
    stage = on_stage(tool, case)
    report = stage.play().report
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    assert (report.outcome, report.examined) == (stage.case.outcome, stage.case.examined), report.reason
    assert [(f.file, f.line, f.rule) for f in errors] == list(stage.case.findings)
    assert all(finding.tool == tool.name and finding.message for finding in report.findings)
    assert report.outcome is not Outcome.ERRORED or report.reason


@pytest.mark.parametrize(("tool", "case"), CASES, ids=[f"{tool.name}-{case}" for tool, case in CASES])
def test_it_asks_for_what_was_recorded(tool: Tool, case: str, on_stage: SetUp) -> None:
    stage = on_stage(tool, case)
    stage.play()
    asked = [command.argv for command in stage.run.commands]
    played = [command.moved(stage.places).argv for command in stage.case.commands]
    assert len(asked) == len(played)
    if not stage.case.volatile_argv:
        assert asked == played


@every_tool
def test_recordings_hold_no_path_of_a_machine(tool: Tool) -> None:
    for name in case_names(tool.name):
        for command in load(tool.name, name).commands:
            for content in (command.stdout, command.stderr, *command.reports.values(), " ".join(command.argv).encode()):
                assert b"/tmp/" not in content
                assert b"/home/" not in content
                assert b"/root/" not in content


# --- tools that are missing, crash, hang, say nothing or lie -------------------------------------------------------------


@every_tool
def test_missing_program(tool: Tool, on_stage: SetUp) -> None:
    stage = on_stage(tool, "clean")
    (stage.bin / tool.program).unlink()
    run = stage.play().run
    assert run.outcome is Outcome.ERRORED
    assert tool.program in run.reason
    assert not stage.run.commands


ENDS = {
    "vanished": ProcessResult(ended="missing", exit_code=None),
    "hangs": ProcessResult(ended="timeout", exit_code=None, duration_s=600.0),
    "segfault": ProcessResult(ended="exited", exit_code=-11),
    "out of memory": ProcessResult(ended="exited", exit_code=-9),
    "no exit code": ProcessResult(ended="exited", exit_code=None),
}


@every_tool
@pytest.mark.parametrize("end", ENDS)
def test_a_process_that_does_not_end_by_itself_is_errored(tool: Tool, end: str, on_stage: SetUp) -> None:
    stage = on_stage(tool, "clean")
    run = stage.play(ended=ENDS[end]).run
    assert run.outcome is Outcome.ERRORED
    assert tool.name in run.reason


@every_tool
@pytest.mark.parametrize("case", DEMANDED)
def test_unknown_exit_code_never_passes(tool: Tool, case: str, on_stage: SetUp) -> None:
    stage = on_stage(tool, case)
    commands = [replace(command, exit_code=UNKNOWN_EXIT_CODE) for command in stage.case.commands]
    assert stage.play(commands).run.outcome in (Outcome.ERRORED, Outcome.FAILED)
    if case == "clean":
        assert stage.play(commands).run.outcome is Outcome.ERRORED


@every_tool
@pytest.mark.parametrize("spoil", [silent, cut, garbled], ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("case", DEMANDED)
def test_an_unreadable_report_never_passes(
    tool: Tool, case: str, spoil: Callable[[Recorded], Recorded], on_stage: SetUp
) -> None:
    stage = on_stage(tool, case)
    commands = [spoil(command) for command in stage.case.commands]
    assert stage.play([replace(command, exit_code=0) for command in commands]).run.outcome is not Outcome.PASSED
    if spoil is not cut:
        assert stage.play(commands).run.outcome is Outcome.ERRORED


@every_tool
def test_exit_code_0_over_a_report_of_faults_never_passes(tool: Tool, on_stage: SetUp) -> None:
    stage = on_stage(tool, "fault")
    commands = [replace(command, exit_code=0) for command in stage.case.commands]
    assert stage.play(commands).run.outcome in (Outcome.ERRORED, Outcome.FAILED)


@every_tool
def test_the_exit_code_of_faults_over_a_clean_report_never_passes(tool: Tool, on_stage: SetUp) -> None:
    stage = on_stage(tool, "clean")
    codes = [command.exit_code for command in recorded(tool, "fault").commands]
    if codes == [command.exit_code for command in stage.case.commands] or not any(codes):
        pytest.skip("this tool's exit code says nothing about faults")
    commands = [replace(c, exit_code=codes[min(i, len(codes) - 1)]) for i, c in enumerate(stage.case.commands)]
    assert stage.play(commands).run.outcome in (Outcome.ERRORED, Outcome.FAILED)


@every_tool
def test_reports_of_an_earlier_run_are_deleted_first(tool: Tool, on_stage: SetUp) -> None:
    stage = on_stage(tool, "clean")
    stage.leave_reports()
    (stage.report / "left-over.json").write_bytes(b"{}")
    commands = [replace(silent(command), exit_code=0, reports={}) for command in stage.case.commands]
    assert stage.play(commands).run.outcome is Outcome.ERRORED
    assert stage.run.left_over == [{}]


# --- arbitrary bytes ---------------------------------------------------------------------------------------------------


@st.composite
def outputs_of(draw: st.DrawFn, case: Case) -> tuple[ToolOutput, ...]:
    codes = sorted({command.exit_code for command in case.commands} | {0, 1, 2, UNKNOWN_EXIT_CODE})
    outputs = []
    for command in case.commands:
        result = ProcessResult(
            ended="exited",
            exit_code=draw(st.sampled_from(codes)),
            stdout=draw(mangled(command.stdout)),
            stderr=draw(mangled(command.stderr)),
        )
        reports = {name: draw(mangled(content)) for name, content in command.reports.items() if draw(st.booleans())}
        outputs.append(ToolOutput(result=result, reports=reports))
    return tuple(outputs)


def mangled(content: bytes) -> st.SearchStrategy[bytes]:
    """Arbitrary bytes, or a report of an unexpected shape; nothing where the tool had written nothing."""
    odd = st.sampled_from([b"", b"null", b"[]", b"{}", b"0", b'""', b"[[]]", b'[{"a": null}]', b"<a/>", b"[" * 5_000])
    return st.binary(max_size=200) | odd


@every_tool
@settings(max_examples=60, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_judge_never_raises_and_never_passes_on_noise(tool: Tool, data: st.DataObject) -> None:
    case = recorded(tool, "clean")
    outputs = data.draw(outputs_of(case))
    if outputs == case.outputs:
        return
    report = tool.judge(case.request(tool), outputs)
    assert not (report.outcome is Outcome.PASSED and report.examined > 0)


@every_tool
def test_judge_does_not_raise_on_too_few_outputs(tool: Tool) -> None:
    case = recorded(tool, "fault")
    for count in range(len(case.outputs)):
        assert tool.judge(case.request(tool), case.outputs[:count]).outcome is not Outcome.PASSED
