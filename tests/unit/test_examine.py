"""Examining: policy, time limits, faults of the machinery, and what is stored."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from forge_dagster.domain.changes import Attempt, Change, ChangedFile
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.redaction import Redaction
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import Conflict, Interrupted, Superseded, ToolError, WorkspaceError
from forge_dagster.ports import Attestation, Checkout, Command, Environment, GateContext, ProcessResult, Services
from forge_dagster.usecases.deadline import Deadline, limited, span
from forge_dagster.usecases.examine import artifact_intact, examine, examine_gate, gate_context
from tests.fakes.machine import IdleRun, NoEnvironments, StillClock


class SteppingRun(IdleRun):
    """Each command takes as long as it may, up to `takes` seconds."""

    def __init__(self, clock: StillClock, takes: float) -> None:
        super().__init__()
        self.clock, self.takes = clock, takes
        self.limits: list[float] = []

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        self.limits.append(command.timeout_s)
        self.clock.time += min(self.takes, command.timeout_s)
        if self.takes > command.timeout_s:
            return ProcessResult(ended="timeout", exit_code=None)
        return ProcessResult(ended="exited", exit_code=0)


class ScriptedGate:
    """Does what the test says."""

    name = "lint"

    def __init__(self, act: Callable[[GateContext], GateResult]) -> None:
        self.act = act

    def examine(self, context: GateContext) -> GateResult:
        return self.act(context)


def passing(_: GateContext) -> GateResult:
    return gate_result("lint", Outcome.PASSED)


def raising(error: Exception) -> Callable[[GateContext], GateResult]:
    def act(_: GateContext) -> GateResult:
        raise error

    return act


def context(tmp_path: Path, policy: str = "", *, run: IdleRun | None = None, clock: StillClock | None = None) -> GateContext:
    checkout = Checkout(
        root=tmp_path,
        change=Change(repository="o/r"),
        project=Project(),
        policy=parse_policy(policy) if policy else Policy(),
        tested_tree=None,
    )
    return gate_context(
        gate="lint",
        job=Job.CHANGE,
        checkout=checkout,
        scratch=tmp_path / "scratch",
        run=run or IdleRun(),
        environments=NoEnvironments(),
        clock=clock or StillClock(),
        log=lambda _line: None,
        results={},
    )


def test_a_disabled_gate_is_skipped_and_not_run(tmp_path: Path) -> None:
    disabled = context(tmp_path, "[gates.lint]\nenabled = false\n")
    result = examine_gate(disabled, {"lint": ScriptedGate(raising(AssertionError()))})
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, "disabled by policy")


def test_a_gate_that_is_not_installed_is_errored(tmp_path: Path) -> None:
    assert examine_gate(context(tmp_path), {}).outcome is Outcome.ERRORED


def test_forge_errors_become_errored_with_their_hint(tmp_path: Path) -> None:
    error = WorkspaceError("no disk", hint="free some")
    result = examine_gate(context(tmp_path), {"lint": ScriptedGate(raising(error))})
    assert (result.outcome, result.reason) == (Outcome.ERRORED, "no disk\n  -> free some")


def test_an_unexpected_exception_says_type_and_place(tmp_path: Path) -> None:
    lines: list[str] = []
    noisy = replace(context(tmp_path), log=lines.append)
    result = examine_gate(noisy, {"lint": ScriptedGate(raising(KeyError("x")))})
    assert result.outcome is Outcome.ERRORED
    assert "KeyError" in result.reason
    assert "test_examine.py:" in result.reason
    assert "->" in result.reason
    assert any("Traceback" in line for line in lines)


def test_a_full_disk_is_said_as_such(tmp_path: Path) -> None:
    result = examine_gate(context(tmp_path), {"lint": ScriptedGate(raising(OSError(28, "No space left on device")))})
    assert result.outcome is Outcome.ERRORED
    assert "disk is full" in result.reason


@pytest.mark.parametrize("error", [Interrupted("stopped"), Superseded("by another")])
def test_interruption_is_no_result(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        examine_gate(context(tmp_path), {"lint": ScriptedGate(raising(error))})


def test_commands_get_what_is_left_of_the_limit(tmp_path: Path) -> None:
    clock = StillClock()
    run = SteppingRun(clock, takes=40)

    def act(given: GateContext) -> GateResult:
        ends = [given.run.run(Command(argv=("x",), cwd=tmp_path)).ended for _ in range(3)]
        return gate_result("lint", Outcome.PASSED, reason=",".join(ends))

    result = examine_gate(
        context(tmp_path, '[gates.lint]\ntimeout = "1m"\n', run=run, clock=clock), {"lint": ScriptedGate(act)}
    )
    assert run.limits == [60.0, 20.0]
    assert result.outcome is Outcome.ERRORED
    assert result.reason == "timed out after 1m"
    assert result.duration_s == 60.0


class SlowEnvironments(NoEnvironments):
    """Each environment takes 100 s to install."""

    def __init__(self, clock: StillClock) -> None:
        self.clock = clock

    def toolbox(self, *_: object, **__: object) -> Environment:
        self.clock.time += 100
        return Environment(language=Language.PYTHON)


def test_waiting_for_environments_is_no_time_of_the_gate(tmp_path: Path) -> None:
    clock = StillClock()
    run = SteppingRun(clock, takes=40)

    def act(given: GateContext) -> GateResult:
        given.environments.toolbox(Language.PYTHON, "ruff", log=given.log)
        given.run.run(Command(argv=("x",), cwd=tmp_path))
        return gate_result("lint", Outcome.PASSED)

    given = context(tmp_path, '[gates.lint]\ntimeout = "1m"\n', run=run, clock=clock)
    result = examine_gate(replace(given, environments=SlowEnvironments(clock)), {"lint": ScriptedGate(act)})
    assert run.limits == [60.0]
    assert (result.outcome, result.duration_s) == (Outcome.PASSED, 140.0)


def test_waiting_ends_at_the_limit(tmp_path: Path) -> None:
    clock = StillClock()
    deadline = Deadline(inner=IdleRun(), clock=clock, at=clock.time)
    with pytest.raises(ToolError):
        deadline.wait(1.0)
    deadline.stop()
    with pytest.raises(Interrupted):
        deadline.wait(0.0)


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.SKIPPED, Outcome.ERRORED])
def test_past_the_limit_nothing_passes(outcome: Outcome) -> None:
    late = limited(gate_result("lint", outcome), elapsed_s=600, limit_s=600)
    assert (late.outcome, late.reason) == (Outcome.ERRORED, "timed out after 10m")


def test_a_fault_found_stays_found_past_the_limit() -> None:
    assert limited(gate_result("lint", Outcome.FAILED), elapsed_s=601, limit_s=600).outcome is Outcome.FAILED
    assert limited(gate_result("lint", Outcome.PASSED), elapsed_s=599, limit_s=600).outcome is Outcome.PASSED


def test_spans_read_as_in_the_policy() -> None:
    assert [span(s) for s in (600, 90, 7200, 1.5, 3)] == ["10m", "90s", "2h", "1.5s", "3s"]


# --- with ledger and workspace ------------------------------------------------------------------------------------------


class OneAttempt:
    """A ledger of one attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self.row = attempt
        self.stored: dict[str, GateResult] = {}
        self.superseded = False

    def claim(self, attempt_id: int, run_id: str) -> Attempt:
        if self.superseded:
            raise Superseded("another run is the effective one")
        return self.row

    def results(self, attempt_id: int) -> Mapping[str, GateResult]:
        return dict(self.stored)

    def put_result(self, attempt_id: int, result: GateResult, *, attestation: Attestation | None = None) -> None:
        self.stored[result.gate] = result


class OneCheckout:
    environments = NoEnvironments()

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fault: Exception | None = None

    def checkout(self, attempt: Attempt, host: object, *, log: Callable[[str], None]) -> Checkout:
        if self.fault is not None:
            raise self.fault
        return Checkout(root=self.root, change=Change(repository="o/r"), project=Project(), policy=Policy(), tested_tree=None)

    def scratch(self, attempt: Attempt, gate: str) -> Path:
        return self.root / "scratch" / gate


class World:
    def __init__(self, tmp_path: Path, job: Job = Job.CHANGE) -> None:
        attempt = Attempt(id=1, repository="o/r", job=job, base_ref="main", head_sha="a" * 40, policy_digest="")
        self.ledger, self.workspace = OneAttempt(attempt), OneCheckout(tmp_path)
        self.seen: list[GateContext] = []
        gates = {name: ScriptedGate(self._gate(name)) for name in ("lint", "build")}
        fields: dict[str, Any] = {
            "ledger": self.ledger,
            "workspace": self.workspace,
            "clock": StillClock(),
            "host_of": lambda _: None,
            "run_for": lambda _: IdleRun(),
            "platforms": {"local": "the platform"},
            "gates": gates,
            "settings": Settings(home=tmp_path / "home"),
            "tools": (),
            "memo_of": None,
            "reviewer": None,
            "keyless": None,
            "run_url": lambda run_id: f"http://forge/runs/{run_id}",
        }
        self.services = cast(Services, SimpleNamespace(services_for=None, redaction=Redaction, **fields))

    def _gate(self, name: str) -> Callable[[GateContext], GateResult]:
        def act(given: GateContext) -> GateResult:
            self.seen.append(given)
            return gate_result(name, Outcome.PASSED, reason="made now")

        return act

    def examine(self, gate: str) -> GateResult:
        return examine(self.services, 1, gate, run_id="r", log=lambda _line: None)


def test_a_result_is_stored_and_given_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ledger.stored["format"] = gate_result("format", Outcome.PASSED)
    result = world.examine("lint")
    assert world.ledger.stored["lint"] == result
    (seen,) = world.seen
    assert set(seen.results) == {"format"}
    assert str(seen.platform) == "the platform"
    assert seen.artifacts == tmp_path / "home" / "artifacts" / "o/r" / "change" / ("a" * 40)
    assert seen.scratch.is_dir()


def test_a_checkout_that_fails_is_stored_as_errored(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.workspace.fault = WorkspaceError("no space")
    assert world.examine("lint").outcome is Outcome.ERRORED
    assert world.ledger.stored["lint"].reason == "no space"


def test_a_conflict_with_the_base_is_the_changes_fault(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.workspace.fault = Conflict("conflicts in a.py", hint="rebase")
    result = world.examine("lint")
    assert result.outcome is Outcome.FAILED
    (finding,) = result.findings
    assert (finding.rule, finding.message, finding.suggested_fix) == ("merge-conflict", "conflicts in a.py", "rebase")


@pytest.mark.parametrize("error", [Interrupted("stopped"), Superseded("gone")])
def test_an_interrupted_checkout_stores_nothing(tmp_path: Path, error: Exception) -> None:
    world = World(tmp_path)
    world.workspace.fault = error
    with pytest.raises(type(error)):
        world.examine("lint")
    assert not world.ledger.stored


def test_a_superseded_run_examines_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ledger.superseded = True
    with pytest.raises(Superseded):
        world.examine("lint")
    assert not world.seen


def built(path: Path, content: bytes, outcome: Outcome = Outcome.PASSED) -> GateResult:
    import hashlib

    path.write_bytes(content)
    artifacts = {"artifact": str(path), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    return gate_result("build", outcome, reason="made before", artifacts=artifacts)


def test_a_release_goes_on_with_what_was_built(tmp_path: Path) -> None:
    world = World(tmp_path, Job.RELEASE)
    world.ledger.stored["build"] = built(tmp_path / "release.tar.gz", b"artifact")
    again = world.examine("build")
    assert (again.reason, again.cached) == ("made before", True)
    assert not world.seen


@pytest.mark.parametrize(
    ("job", "outcome", "spoil"),
    [
        (Job.CHANGE, Outcome.PASSED, lambda path: None),
        (Job.RELEASE, Outcome.FAILED, lambda path: None),
        (Job.RELEASE, Outcome.PASSED, lambda path: path.unlink()),
        (Job.RELEASE, Outcome.PASSED, lambda path: path.write_bytes(b"another")),
    ],
    ids=["a change", "not passed", "artifact gone", "artifact changed"],
)
def test_otherwise_it_is_built_again(tmp_path: Path, job: Job, outcome: Outcome, spoil: Callable[[Path], object]) -> None:
    world = World(tmp_path, job)
    world.ledger.stored["build"] = built(tmp_path / "release.tar.gz", b"artifact", outcome)
    spoil(tmp_path / "release.tar.gz")
    assert world.examine("build").reason == "made now"
    assert world.ledger.stored["build"].reason == "made now"


def test_a_result_without_artifact_is_not_intact() -> None:
    assert not artifact_intact(gate_result("build", Outcome.PASSED))


def test_a_change_of_documents_takes_the_light_path(tmp_path: Path) -> None:
    documents = Change(repository="o/r", files=(ChangedFile(path="README.md"), ChangedFile(path="docs/a.md")))
    refusing = {"lint": ScriptedGate(raising(AssertionError()))}
    light = replace(context(tmp_path), change=documents)
    result = examine_gate(light, refusing)
    assert (result.outcome, "light path" in result.reason) == (Outcome.SKIPPED, True)
    nightly = replace(light, job=Job.NIGHTLY)
    assert examine_gate(nightly, {"lint": ScriptedGate(passing)}).outcome is Outcome.PASSED
    asked = replace(context(tmp_path, '[light]\ngates = ["lint"]\n'), change=documents)
    assert examine_gate(asked, {"lint": ScriptedGate(passing)}).outcome is Outcome.PASSED
