"""`forge check`'s walk over the graph: side by side, stopping the line, and leaving nothing behind."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import GATES
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import Interrupted, ToolError
from forge_dagster.ports import Checkout, Gate, GateContext
from forge_dagster.usecases.check import Checked, GateEvent, LocalCheck, check, select_gates
from tests.fakes.machine import IdleRun, NoEnvironments, StillClock

LOCAL = [spec.name for spec in GATES if spec.local]
Body = Callable[[GateContext], GateResult]


class FakeGate:
    """A gate that answers as told."""

    def __init__(self, name: str, body: Body) -> None:
        self.name = name
        self.body = body

    def examine(self, context: GateContext) -> GateResult:
        return self.body(context)


def passing(context: GateContext) -> GateResult:
    return gate_result(context.gate, Outcome.PASSED)


def work(
    tmp_path: Path, *, policy: Policy | None = None, workers: int = 4, run: IdleRun | None = None, **bodies: Body
) -> LocalCheck:
    gates: dict[str, Gate] = {name: FakeGate(name, bodies.get(name, passing)) for name in LOCAL}
    checkout = Checkout(
        root=tmp_path, change=Change(repository="o/r"), project=Project(), policy=policy or Policy(), tested_tree=None
    )
    return LocalCheck(
        checkout=checkout,
        specs=select_gates(),
        gates=gates,
        environments=NoEnvironments(),
        run=run or IdleRun(),
        clock=StillClock(),
        scratch=tmp_path / "scratch",
        workers=workers,
    )


def outcomes(checked: Checked) -> dict[str, str]:
    return {name: result.outcome.value for name, result in checked.results.items()}


def test_everything_passes_in_the_graphs_order(tmp_path: Path) -> None:
    checked = check(work(tmp_path))
    assert list(checked.results) == LOCAL
    assert checked.outcome is Outcome.PASSED


def test_fast_gates_run_side_by_side(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=20)

    def meet(context: GateContext) -> GateResult:
        together.wait()
        return passing(context)

    checked = check(work(tmp_path, format=meet, lint=meet, types=meet, secrets=meet))
    assert checked.outcome is Outcome.PASSED


def test_a_failed_fast_gate_stops_the_line_but_not_its_neighbours(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def watch(event: GateEvent) -> None:
        seen.append((event.spec.name, event.result.outcome.value if event.result else "started"))

    checked = check(work(tmp_path, lint=lambda c: gate_result(c.gate, Outcome.FAILED)), progress=watch)
    fast = {"format": "passed", "lint": "failed", "types": "passed", "secrets": "passed"}
    later = [name for name in LOCAL if name not in fast]
    assert outcomes(checked) == {**fast, **dict.fromkeys(later, "not_run")}
    assert {checked.results[name].reason for name in later} == {"lint failed"}
    assert checked.outcome is Outcome.FAILED
    assert ("unit", "started") not in seen
    assert ("unit", "not_run") in seen
    assert seen.index(("lint", "started")) < seen.index(("lint", "failed"))


def test_later_gates_see_the_results_of_earlier_ones(tmp_path: Path) -> None:
    def unit(context: GateContext) -> GateResult:
        return gate_result(context.gate, Outcome.PASSED, artifacts={"coverage": "/there"})

    def coverage(context: GateContext) -> GateResult:
        assert context.results["unit"].artifacts == {"coverage": "/there"}
        assert context.scratch.is_dir()
        return passing(context)

    checked = check(work(tmp_path, unit=unit, coverage=coverage))
    assert outcomes(checked)["coverage"] == "passed"


@pytest.mark.parametrize("error", [ToolError("mypy is missing", hint="install it"), RuntimeError("boom")])
def test_a_gate_that_raises_is_errored_and_the_others_are_heard(tmp_path: Path, error: Exception) -> None:
    def broken(context: GateContext) -> GateResult:
        raise error

    checked = check(work(tmp_path, types=broken))
    assert outcomes(checked)["types"] == "errored"
    assert outcomes(checked)["lint"] == "passed"
    assert str(error).splitlines()[0] in checked.results["types"].reason
    assert checked.outcome is Outcome.ERRORED


def test_policy_switches_a_gate_off(tmp_path: Path) -> None:
    policy = parse_policy("[gates.lint]\nenabled = false\n")
    checked = check(work(tmp_path, policy=policy))
    assert (outcomes(checked)["lint"], checked.results["lint"].reason) == ("skipped", "disabled by policy")
    assert checked.outcome is Outcome.PASSED


def test_a_flaky_test_tells_how_often_it_was_one(tmp_path: Path) -> None:
    def unit(context: GateContext) -> GateResult:
        finding = Finding(
            tool="pytest", rule="test-failed", category=Category.TEST, message="test_a failed", snippet="t.py::test_a",
            attribution=Attribution.FLAKY,
        )  # fmt: skip
        return gate_result(context.gate, Outcome.ERRORED, findings=[finding])

    made = replace(work(tmp_path, unit=unit), cache=tmp_path / "cache")
    told = [check(made).results["unit"].findings[0].message for _ in range(2)]
    assert told == ["test_a failed", "test_a failed (flaky: 2 times since 1970-01-12)"]


def test_documents_alone_pass_by_the_gates_that_look_at_them(tmp_path: Path) -> None:
    made = work(
        tmp_path, lint=lambda c: gate_result(c.gate, Outcome.FAILED), format=lambda c: gate_result(c.gate, Outcome.SKIPPED)
    )
    change = Change(repository="o/r", base_sha="b" * 40, files=(ChangedFile(path="docs/use.md"),))
    light = check(replace(made, checkout=replace(made.checkout, change=change)))
    assert (light.outcome, outcomes(light)["lint"], outcomes(light)["unit"]) == (Outcome.PASSED, "skipped", "skipped")
    code = check(
        replace(made, checkout=replace(made.checkout, change=Change(repository="o/r", files=(ChangedFile(path="a.py"),))))
    )
    assert code.outcome is Outcome.FAILED


def test_ctrl_c_stops_every_tool_and_thread_before_it_leaves(tmp_path: Path) -> None:
    run = IdleRun()
    ended: list[str] = []
    at_work = threading.Barrier(4)

    def waits(context: GateContext) -> GateResult:
        at_work.wait(30)
        try:
            context.run.wait(60)
        except Interrupted:
            ended.append(context.gate)
            raise
        return passing(context)

    def passes_among_them(context: GateContext) -> GateResult:
        at_work.wait(30)
        return passing(context)

    def press(event: GateEvent) -> None:
        if event.result is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(work(tmp_path, run=run, format=passes_among_them, lint=waits, types=waits, secrets=waits), progress=press)
    assert run.stopped.is_set()
    assert sorted(ended) == ["lint", "secrets", "types"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gate")]


def test_an_interrupted_gate_interrupts_the_check(tmp_path: Path) -> None:
    def interrupted(context: GateContext) -> GateResult:
        raise Interrupted("cancelled")

    with pytest.raises(Interrupted):
        check(work(tmp_path, lint=interrupted))


def test_a_missing_gate_is_errored(tmp_path: Path) -> None:
    made = work(tmp_path)
    gates = {name: gate for name, gate in made.gates.items() if name != "lint"}
    checked = check(LocalCheck(**{name: getattr(made, name) for name in made.__slots__} | {"gates": gates}))
    assert outcomes(checked)["lint"] == "errored"
    assert checked.outcome is Outcome.ERRORED
