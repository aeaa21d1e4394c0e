"""Asking a tool about the base: when, how, and what is kept of the answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.project import Language, Project, PythonProject
from forge_dagster.domain.results import ToolRun
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.gates.attribution import attributed
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection, ToolReport
from tests.fakes.machine import IdleRun, NoEnvironments, StillClock

NEW, OLD, UNKNOWN = Attribution.NEW, Attribution.PREEXISTING, Attribution.UNKNOWN
EVERYTHING = Selection()
PYTHON = PythonProject(manager="pip")
PROJECT = Project(python=PYTHON, files=("src/a.py", "tests/test_a.py", "tests/integration/test_i.py"))


@dataclass(frozen=True)
class Linter:
    """A tool of which only what it is matters here."""

    name: str = "linter"
    gate: str = "lint"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "linter"
    package: str = "linter"
    because: str | None = "linter.toml"
    attributes_itself: bool = False

    def chosen(self, _project: Project) -> str | None:
        return self.because

    def commands(self, _request: Any) -> tuple[()]:
        return ()

    def judge(self, _request: Any, _outputs: Any) -> ToolReport:
        raise AssertionError


def fault(text: str = "import os", **changes: Any) -> Finding:
    values = {"tool": "linter", "rule": "R1", "message": "bad", "category": Category.LINT, "file": "src/a.py", "line": 4}
    return Finding.model_validate({**values, "snippet": text, **changes})


def said(*findings: Finding, outcome: Outcome = Outcome.FAILED, folder: Path = Path("/nowhere"), **changes: Any) -> Examined:
    values: dict[str, Any] = {"outcome": outcome, "examined": 9, "findings": findings}
    report = ToolReport(**{**values, **changes})
    run = ToolRun(tool="linter", version="1.0", outcome=report.outcome, reason=report.reason, examined=report.examined)
    return Examined(run=run, report=report, folder=folder)


@dataclass
class World:
    """A change on a base, and what the tool says of the base; `asked` are the questions."""

    folder: Path
    answer: Callable[[], Examined] = field(default=lambda: said(outcome=Outcome.PASSED))
    project: Project = PROJECT
    asked: list[tuple[GateContext, Choice, Selection]] = field(default_factory=list)
    opened: int = 0

    def context(self, **changes: Any) -> GateContext:
        for name in ("scratch", "head", "cache"):
            (self.folder / name).mkdir(exist_ok=True)
        values: dict[str, Any] = {
            "gate": "lint", "job": Job.CHANGE, "project": PROJECT, "policy": parse_policy(""), "root": self.folder / "head",
            "change": Change(repository="o/r", base_sha="b" * 40, head_sha="a" * 40),
            "scratch": self.folder / "scratch", "run": IdleRun(), "environments": NoEnvironments(), "clock": StillClock(),
            "log": lambda _line: None, "cache": self.folder / "cache", "base": self.base, "detect": lambda _root: self.project,
        }  # fmt: skip
        return GateContext(**{**values, **changes})

    @contextmanager
    def base(self) -> Iterator[Path]:
        self.opened += 1
        root = self.folder / "base"
        root.mkdir(exist_ok=True)
        yield root

    def ask(self, context: GateContext, choice: Choice, selection: Selection) -> Examined:
        self.asked.append((context, choice, selection))
        return self.answer()

    def attribute(
        self, examined: Examined, *, tool: Linter = Linter(), selection: Selection = EVERYTHING, **changes: Any
    ) -> Examined:
        return attributed(self.context(**changes), Choice(tool=tool, because="t"), examined, self.ask, selection)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def labels(examined: Examined) -> list[Attribution]:
    return [finding.attribution for finding in examined.report.findings]


def test_what_the_base_has_too_passes_and_stays_to_be_seen(world: World) -> None:
    world.answer = lambda: said(fault(line=1))
    found = world.attribute(said(fault(), reason="1 fault"))
    assert (found.run.outcome, found.report.outcome, labels(found)) == (Outcome.PASSED, Outcome.PASSED, [OLD])
    assert found.run.reason == found.report.reason == "baseline red: 1 finding that the base has too"
    assert found.report.findings[0].severity is Severity.ERROR


def test_what_a_tool_that_nobody_chose_says_of_the_base_too_is_a_warning(world: World) -> None:
    imposed = Linter(because=None)
    world.answer = lambda: said(fault(line=1))
    old = world.attribute(said(fault()), tool=imposed)
    assert (old.run.outcome, labels(old)) == (Outcome.PASSED, [OLD])
    assert old.report.findings[0].severity is Severity.WARNING
    both = world.attribute(said(fault(), fault(rule="X9")), tool=imposed)
    assert both.run.outcome is Outcome.FAILED
    assert [f.severity for f in both.report.findings] == [Severity.WARNING, Severity.ERROR]


@pytest.mark.parametrize("gate", ["format", "types"])
@pytest.mark.parametrize("because", [None, "linter is a declared dependency"])
def test_a_style_that_nobody_chose_is_not_imposed_where_the_base_is_otherwise_throughout(
    world: World, gate: str, because: str | None
) -> None:
    imposed = Linter(because=because, gate=gate)
    broken = [fault(f"line {number}", line=number) for number in range(1, 4)]
    world.answer = lambda: said(*broken)
    found = world.attribute(said(fault("new", attribution=NEW)), tool=imposed)
    assert (found.run.outcome, labels(found)) == (Outcome.PASSED, [NEW])
    assert found.report.findings[0].severity is Severity.WARNING
    assert "which nobody here chose" in found.run.reason
    again = world.attribute(said(fault("new", attribution=NEW)), tool=imposed)
    assert again.run.outcome is Outcome.PASSED
    assert len(world.asked) == 1
    assert world.attribute(said(fault("new", rule="X9", attribution=NEW)), tool=imposed).run.outcome is Outcome.FAILED


def test_a_declared_linter_is_chosen(world: World) -> None:
    world.answer = lambda: said(*(fault(f"line {number}") for number in range(9)))
    declared = Linter(because="linter is a declared dependency")
    assert world.attribute(said(fault("new", attribution=NEW)), tool=declared).run.outcome is Outcome.FAILED
    old = world.attribute(said(fault("line 1")), tool=declared)
    assert old.report.findings[0].severity is Severity.ERROR


@pytest.mark.parametrize("gate", ["lint", "sast", "architecture"])
def test_a_fault_is_one_however_many_of_its_kind_the_base_has(world: World, gate: str) -> None:
    world.answer = lambda: said(*(fault(f"line {number}") for number in range(9)))
    for label in (NEW, UNKNOWN):
        found = world.attribute(said(fault("new", attribution=label)), tool=Linter(because=None, gate=gate), gate=gate)
        assert (found.run.outcome, labels(found)) == (Outcome.FAILED, [NEW])
        assert found.report.findings[0].severity is Severity.ERROR


def test_a_style_that_the_base_breaks_seldom_or_of_a_chosen_tool_holds(world: World) -> None:
    world.answer = lambda: said(fault("line 1"), fault("line 2"))
    default = Linter(because=None, gate="format")
    assert world.attribute(said(fault("new", attribution=NEW)), tool=default).run.outcome is Outcome.FAILED
    world.answer = lambda: said(*(fault(f"line {number}") for number in range(9)))
    chosen = Linter(name="chosen", gate="format")
    assert world.attribute(said(fault("new", attribution=NEW)), tool=chosen).run.outcome is Outcome.FAILED


def nothing() -> Examined:
    return said(outcome=Outcome.ERRORED, examined=0, reason="linter examined nothing", examined_nothing=True)


def test_a_configuration_that_left_everything_out_before_too_does_not_apply(world: World) -> None:
    world.answer = nothing
    found = world.attribute(nothing())
    assert found.run.outcome is found.report.outcome is Outcome.SKIPPED
    assert "nor does the base's" in found.run.reason


@pytest.mark.parametrize("before", [said(outcome=Outcome.PASSED), said(fault()), said(outcome=Outcome.ERRORED, reason="broke")])
def test_a_configuration_that_only_now_leaves_everything_out_is_errored(world: World, before: Examined) -> None:
    world.answer = lambda: before
    assert world.attribute(nothing()).run.outcome is Outcome.ERRORED


def test_nothing_to_look_at_is_errored_without_a_base_and_of_tools_that_are_no_matter_of_taste(world: World) -> None:
    world.answer = nothing
    assert world.attribute(nothing(), base=None).run.outcome is Outcome.ERRORED
    assert world.attribute(nothing(), tool=Linter(gate="secrets")).run.outcome is Outcome.ERRORED


def test_a_base_that_cannot_be_looked_at_leaves_it_errored(world: World) -> None:
    def broken() -> Examined:
        raise WorkspaceError("gone")

    world.answer = broken
    assert world.attribute(nothing()).run.outcome is Outcome.ERRORED


def secret(file: str) -> Finding:
    return fault("", category=Category.SECRET, rule="private-key", file=file)


@pytest.mark.parametrize(
    ("files", "base", "outcome"),
    [
        (("tests/certs/server.key",), False, Outcome.PASSED),
        (("tests/certs/server.key", "src/server.key"), False, Outcome.FAILED),
        (("tests/certs/server.key",), True, Outcome.FAILED),
    ],
)
def test_credentials_of_tests_fail_the_change_that_adds_them_and_no_whole_tree(
    world: World, files: tuple[str, ...], base: bool, outcome: Outcome
) -> None:
    alone: dict[str, Any] = {} if base else {"change": Change(repository="o/r", head_sha="h"), "base": None}
    examined = said(*(secret(file) for file in files), reason="")
    context = replace(world.context(), gate="secrets", **alone)
    choice = Choice(tool=Linter(gate="secrets"), because="")
    done = attributed(context, choice, examined, lambda *_: said(outcome=Outcome.PASSED))
    assert done.run.outcome is outcome
    assert ("findings in tests" in done.run.reason or "finding in tests" in done.run.reason) is (outcome is Outcome.PASSED)


def test_the_base_is_a_tree_of_its_own_with_nothing_to_compare_with(world: World) -> None:
    world.attribute(said(fault()))
    ((context, choice, _),) = world.asked
    assert context.root == world.folder / "base"
    assert (context.base, context.cache, context.change.base_sha, context.change.files) == (None, None, None, ())
    assert context.scratch == world.folder / "scratch" / "base"
    assert choice.tool == Linter()


@pytest.mark.parametrize(
    "examined",
    [
        said(outcome=Outcome.PASSED),
        said(outcome=Outcome.ERRORED, reason="crashed"),
        said(outcome=Outcome.SKIPPED),
        said(reason="it said no"),
        said(fault(severity=Severity.WARNING), outcome=Outcome.PASSED),
        said(fault(attribution=NEW)),
        said(fault(rule="no-tests", category=Category.TEST), reason="no tests", examined=0),
    ],
)
def test_the_base_is_not_asked_where_it_decides_nothing(world: World, examined: Examined) -> None:
    assert world.attribute(examined).report == examined.report
    assert world.opened == 0


def test_a_tool_that_compares_by_itself_is_not_run_on_the_base(world: World) -> None:
    found = world.attribute(said(fault()), tool=Linter(attributes_itself=True))
    assert (world.opened, found.run.outcome, labels(found)) == (0, Outcome.FAILED, [UNKNOWN])
    found = world.attribute(said(fault(attribution=OLD)), tool=Linter(attributes_itself=True))
    assert found.run.outcome is Outcome.PASSED


def test_a_gate_that_has_to_make_something_does_not_pass_because_the_base_fails_too(world: World) -> None:
    examined = said(fault())
    assert world.attribute(examined, gate="build") == examined
    assert world.opened == 0


def test_the_answer_is_kept_for_all_changes_on_the_base(world: World) -> None:
    world.answer = lambda: said(fault())
    for _ in range(3):
        assert world.attribute(said(fault(line=7))).run.outcome is Outcome.PASSED
    assert len(world.asked) == 1
    (kept,) = (world.folder / "cache" / "baseline").iterdir()
    assert "import os" not in kept.read_text()


@pytest.mark.parametrize(
    "other",
    [
        {"change": Change(repository="o/r", base_sha="c" * 40)},
        {"gate": "types"},
        {"tool": Linter(name="another")},
        {"selection": Selection(only=("tests/test_a.py",))},
    ],
)
def test_another_question_has_another_answer(world: World, other: dict[str, Any]) -> None:
    world.attribute(said(fault()))
    world.attribute(said(fault()), **other)
    assert len(world.asked) == 2


def test_another_version_has_another_answer(world: World) -> None:
    first = said(fault())
    world.attribute(first)
    world.attribute(replace(first, run=first.run.model_copy(update={"version": "2.0"})))
    assert len(world.asked) == 2


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b'{"schema": "x", "marks": {}}', b'{"schema": "forge.baseline/1", "marks": {"a": "b"}}']
)
def test_a_damaged_answer_is_asked_for_again(world: World, damaged: bytes) -> None:
    world.attribute(said(fault()))
    (kept,) = (world.folder / "cache" / "baseline").iterdir()
    kept.write_bytes(damaged)
    world.attribute(said(fault()))
    assert len(world.asked) == 2
    assert json.loads(kept.read_text())["marks"] == {}


def test_without_a_cache_it_is_asked_each_time(world: World) -> None:
    world.attribute(said(fault()), cache=None)
    world.attribute(said(fault()), cache=None)
    assert len(world.asked) == 2


def test_what_the_world_knows_of_dependencies_is_not_kept(world: World) -> None:
    world.attribute(said(fault()), gate="sca")
    world.attribute(said(fault()), gate="sca")
    assert len(world.asked) == 2


def _raise(error: Exception) -> Callable[[], Examined]:
    def act() -> Examined:
        raise error

    return act


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: said(outcome=Outcome.ERRORED, reason="linter crashed"), "linter crashed"),
        (lambda: said(outcome=Outcome.ERRORED), "linter gave no answer"),
        (_raise(WorkspaceError("disk full", hint="free some")), "disk full"),
        (_raise(ZeroDivisionError("oops")), "ZeroDivisionError: oops"),
    ],
)
def test_a_base_that_cannot_be_examined_leaves_it_failed(world: World, answer: Callable[[], Examined], why: str) -> None:
    world.answer = answer
    found = world.attribute(said(fault(), reason="1 fault"))
    assert (found.run.outcome, labels(found)) == (Outcome.FAILED, [UNKNOWN])
    assert found.run.reason == f"1 fault; the base could not be compared with: {why}"
    assert not (world.folder / "cache" / "baseline").exists()


def test_an_interruption_is_one(world: World) -> None:
    world.answer = _raise(Interrupted("stop"))
    with pytest.raises(Interrupted):
        world.attribute(said(fault()))


def test_a_base_without_the_language_has_none_of_the_findings(world: World) -> None:
    world.project = Project(files=("README.md",))
    assert labels(world.attribute(said(fault()))) == [NEW]
    assert not world.asked


def test_a_part_is_compared_with_the_same_part_of_the_base(world: World) -> None:
    part = Project(python=PythonProject(manager="pip", directory="web"))
    choice = Choice(tool=Linter(), because="t", project=part)
    there = part.model_copy(update={"files": ("web/a.py",)})
    world.project = PROJECT.model_copy(update={"parts": (there,)})
    attributed(world.context(), choice, said(fault()), world.ask)
    assert world.asked[0][1].project == there
    world.project = PROJECT
    found = attributed(world.context(cache=None), choice, said(fault()), world.ask)
    assert (len(world.asked), labels(found)) == (1, [NEW])


def test_the_same_tests_are_run_on_the_base_by_their_names_there(world: World) -> None:
    files = (ChangedFile(path="tests/test_new.py", previous_path="tests/test_a.py", status="renamed"),)
    change = Change(repository="o/r", base_sha="b" * 40, files=files)
    asked = Selection(only=("tests/test_new.py", "tests/added.py"), without=("gone.py",), seed=7)
    world.attribute(said(fault()), change=change, selection=asked)
    assert world.asked[0][2] == Selection(only=("tests/test_a.py",), without=(), seed=7)
    world.attribute(said(fault()), change=change, selection=Selection(only=("tests/added.py",)))
    assert len(world.asked) == 1, "none of these tests is in the base"


# --- nothing to compare with -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "policy", "outcome", "severity"),
    [
        (Linter(because=None), "", Outcome.PASSED, Severity.WARNING),
        (Linter(), "", Outcome.FAILED, Severity.ERROR),
        (Linter(because=None), '[gates.lint]\ntools = ["linter"]\n', Outcome.FAILED, Severity.ERROR),
        (Linter(because=None, language=None, gate="sast"), "", Outcome.PASSED, Severity.WARNING),
        (Linter(because=None, language=None, gate="secrets"), "", Outcome.FAILED, Severity.ERROR),
        (Linter(because=None, gate="sca"), "", Outcome.FAILED, Severity.ERROR),
        (Linter(because=None, gate="unit"), "", Outcome.FAILED, Severity.ERROR),
    ],
)
def test_only_a_default_tool_merely_warns(
    world: World, tool: Linter, policy: str, outcome: Outcome, severity: Severity
) -> None:
    nothing: dict[str, Any] = {"change": Change(repository="o/r"), "base": None, "policy": parse_policy(policy)}
    found = world.attribute(said(fault()), tool=tool, **nothing)
    assert (found.run.outcome, found.report.findings[0].severity, labels(found)) == (outcome, severity, [UNKNOWN])


def test_a_default_tool_that_examined_nothing_has_not_passed(world: World) -> None:
    found = world.attribute(said(fault(), examined=0), tool=Linter(because=None), base=None, change=Change(repository="o/r"))
    assert found.run.outcome is Outcome.FAILED


# --- tests -------------------------------------------------------------------------------------------------------------


def failed(number: int = 0, **changes: Any) -> Finding:
    test = f"tests/test_a.py::test_{number}"
    return fault(test, rule="test-failed", category=Category.TEST, file="tests/test_a.py", message=f"{test} failed", **changes)


def whole(*, attribution: Attribution = Attribution.INFRASTRUCTURE) -> Examined:
    return said(*(failed(n, attribution=attribution) for n in range(9)), reason="9 of 9 tests failed")


def test_a_whole_suite_failing_on_the_base_too_is_the_surroundings(world: World) -> None:
    world.answer = whole
    found = world.attribute(whole(), gate="unit", tool=Linter(gate="unit"))
    assert found.run.outcome is Outcome.ERRORED
    assert "more than 80% failing at once" in found.run.reason
    assert set(labels(found)) == {Attribution.INFRASTRUCTURE}
    assert not (world.folder / "cache" / "baseline").exists(), "tomorrow it may be otherwise"


def test_a_whole_suite_failing_where_the_bases_does_not_is_the_changes_fault(world: World) -> None:
    found = world.attribute(whole(), gate="unit", tool=Linter(gate="unit"))
    assert (found.run.outcome, set(labels(found))) == (Outcome.FAILED, {NEW})


@pytest.mark.parametrize("base", ["none", "errored"])
def test_a_whole_suite_failing_with_nothing_to_compare_with_blames_nobody(world: World, base: str) -> None:
    world.answer = lambda: said(outcome=Outcome.ERRORED, reason="no network")
    nothing: dict[str, Any] = {"base": None, "change": Change(repository="o/r")} if base == "none" else {}
    found = world.attribute(whole(), gate="unit", tool=Linter(gate="unit"), **nothing)
    assert found.run.outcome is Outcome.ERRORED
    assert ("no network" in found.run.reason) == (base == "errored")


@pytest.mark.parametrize(("touched", "outcome"), [("tests/test_a.py", Outcome.FAILED), ("src/a.py", Outcome.ERRORED)])
def test_a_flaky_test_fails_only_the_change_that_touches_it(world: World, touched: str, outcome: Outcome) -> None:
    change = Change(repository="o/r", base_sha="b" * 40, files=(ChangedFile(path=touched),))
    found = world.attribute(said(failed(attribution=Attribution.FLAKY)), gate="unit", change=change)
    assert found.run.outcome is outcome
    assert found.run.reason.startswith("flaky: tests/test_a.py::test_0 failed, then passed alone")
    assert world.opened == 0


def test_flaky_beside_what_the_base_has_too_is_not_a_pass(world: World) -> None:
    world.answer = lambda: said(failed(1))
    found = world.attribute(said(failed(0, attribution=Attribution.FLAKY), failed(1)), gate="unit")
    assert (found.run.outcome, labels(found)) == (Outcome.ERRORED, [Attribution.FLAKY, OLD])


@pytest.mark.parametrize(("metrics", "outcome"), [({"passed": 0.0}, Outcome.ERRORED), ({"passed": 3.0}, Outcome.PASSED)])
def test_tests_that_cannot_be_collected_on_the_base_either_are_no_pass_of_the_rest(
    world: World, metrics: dict[str, float], outcome: Outcome
) -> None:
    broken = failed().model_copy(update={"rule": "collection-error"})
    world.answer = lambda: said(broken)
    assert world.attribute(said(broken, examined=1, metrics=metrics), gate="unit").run.outcome is outcome
