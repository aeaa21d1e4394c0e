"""The record of earlier answers: what an answer depends on, what may be kept, and that nothing stale is given."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile, Identity
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import GATES
from forge_dagster.domain.memo import Circumstances, MemoKeys, may_remember, memo_keys
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.ports import Checkout, Remembered
from forge_dagster.usecases.remember import Memory
from forge_dagster.workspace.memo import FolderMemo
from tests.fakes.machine import StillClock

LOCAL = [spec.name for spec in GATES if spec.local and spec.name != "review"]
AROUND = Circumstances(forge="f", policy="p", settings="s", programs="g", environments={"python:": "e"}, job="change")
TREE = {"src/a.py": "100644 aa", "README.md": "100644 bb"}
CHANGE = Change(repository="o/r", number=1, base_sha="b" * 40, head_sha="c" * 40)


def keys(
    gate: str = "unit",
    *,
    tree: Mapping[str, str] = TREE,
    change: Change = CHANGE,
    around: Circumstances = AROUND,
    head: str = "c" * 40,
    now: float = 0.0,
) -> MemoKeys:
    made = memo_keys(gate, contents=tree, change=change, head=head, around=around, now=now)
    assert made is not None
    return made


@pytest.mark.parametrize("gate", LOCAL)
@pytest.mark.parametrize(
    "other",
    [
        replace(AROUND, forge="new version"),
        replace(AROUND, policy="stricter"),
        replace(AROUND, settings="other advisories"),
        replace(AROUND, programs="another gitleaks"),
        replace(AROUND, environments={"python:": "upgraded"}),
        replace(AROUND, environments={}),
        replace(AROUND, job="release"),
    ],
    ids=["forge", "policy", "settings", "programs", "environment", "no environment", "job"],
)
def test_no_answer_is_given_under_other_circumstances(gate: str, other: Circumstances) -> None:
    one, two = keys(gate), keys(gate, around=other)
    assert one.exact != two.exact
    assert one.anywhere is None or one.anywhere != two.anywhere


@pytest.mark.parametrize("gate", LOCAL)
def test_no_answer_is_given_for_other_code(gate: str) -> None:
    for tree in ({**TREE, "src/a.py": "100644 cc"}, {**TREE, "src/a.py": "100755 aa"}, {"README.md": "100644 bb"}):
        assert keys(gate).exact != keys(gate, tree=tree).exact


@pytest.mark.parametrize("gate", LOCAL)
def test_a_finding_may_be_the_bases_so_the_exact_answer_depends_on_it(gate: str) -> None:
    moved = CHANGE.model_copy(update={"base_sha": "d" * 40})
    assert keys(gate).exact != keys(gate, change=moved).exact
    assert keys(gate).anywhere == keys(gate, change=moved).anywhere


@pytest.mark.parametrize("gate", ["format", "lint", "types"])
def test_a_change_of_configuration_is_answered_for_its_own_base_only(gate: str) -> None:
    loosened = CHANGE.model_copy(update={"files": (ChangedFile(path="ruff.toml", status="modified"),)})
    assert keys(gate).anywhere is not None
    assert keys(gate, change=loosened).anywhere is None


@pytest.mark.parametrize("gate", ["secrets", "integrity"])
def test_gates_that_read_commits_depend_on_them(gate: str) -> None:
    assert keys(gate).exact != keys(gate, head="e" * 40).exact
    other = CHANGE.model_copy(update={"identity": Identity(pusher="forge/x", agent="forge/y")})
    assert keys(gate).exact != keys(gate, change=other).exact


def test_prose_is_no_input_of_types_but_of_tests_and_formatters() -> None:
    edited = {**TREE, "README.md": "100644 cc"}
    assert keys("types").exact == keys("types", tree=edited).exact
    assert keys("unit").exact != keys("unit", tree=edited).exact
    assert keys("format").exact != keys("format", tree=edited).exact


def test_what_the_world_knows_is_asked_again_the_next_day() -> None:
    assert keys("sca", now=10.0).exact == keys("sca", now=20.0).exact
    assert keys("sca", now=10.0).exact != keys("sca", now=86_410.0).exact


def test_two_gates_share_no_answer() -> None:
    exact = [keys(gate).exact for gate in LOCAL]
    assert len(set(exact)) == len(exact)


def test_gates_beyond_stage_3_and_reviews_are_not_remembered() -> None:
    for gate in ("review", "build", "smoke", "verdict", "canary"):
        assert memo_keys(gate, contents=TREE, change=CHANGE, head=None, around=AROUND, now=0.0) is None


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=5), st.randoms())
def test_the_order_of_files_does_not_matter(tree: dict[str, str], random: object) -> None:
    shuffled = list(tree.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert keys(tree=tree).exact == keys(tree=dict(shuffled)).exact


def finding(attribution: Attribution) -> Finding:
    return Finding(
        tool="pytest", rule="test-failed", message=attribution.value, category=Category.TEST, attribution=attribution
    )


def result(outcome: Outcome, *attributions: Attribution, tool: Outcome | None = None) -> GateResult:
    tools = (ToolRun(tool="pytest", outcome=tool, examined=1),) if tool is not None else ()
    return gate_result("unit", outcome, reason="r", findings=[finding(a) for a in attributions], tools=tools)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (result(Outcome.PASSED), True),
        (result(Outcome.FAILED, Attribution.NEW), True),
        (result(Outcome.SKIPPED), True),
        (result(Outcome.PASSED, Attribution.PREEXISTING), True),
        (result(Outcome.ERRORED), False),
        (result(Outcome.NOT_RUN), False),
        (result(Outcome.FAILED, Attribution.NEW, Attribution.FLAKY), False),
        (result(Outcome.FAILED, Attribution.INFRASTRUCTURE), False),
        (result(Outcome.FAILED, Attribution.UNKNOWN), False),
        (result(Outcome.FAILED, Attribution.NEW, tool=Outcome.ERRORED), False),
        (result(Outcome.PASSED).model_copy(update={"cached": True}), False),
    ],
)
def test_only_answers_that_would_be_given_again_are_kept(answer: GateResult, kept: bool) -> None:
    assert may_remember(answer, CHANGE) is kept


class World:
    """A tree, its circumstances, and a gate that counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        self.tree: dict[str, str] | None = dict(TREE)
        self.around, self.clock = AROUND, StillClock()
        self.memo, self.asked = FolderMemo(folder / "memo", kept=50), 0
        self.change = CHANGE
        self.result = result(Outcome.PASSED)

    def memory(self, run: str = "http://forge/runs/1") -> Memory:
        checkout = Checkout(root=Path("/nowhere"), change=self.change, project=Project(), policy=Policy(), tested_tree=None)
        return Memory(
            memo=self.memo,
            checkout=checkout,
            contents=lambda: None if self.tree is None else dict(self.tree),
            around=lambda: self.around,
            clock=self.clock,
            run=run,
        )

    def ask(
        self, act: Callable[[], None] = lambda: None, *, gate: str = "unit", run: str = "http://forge/runs/1"
    ) -> GateResult:
        def examine() -> GateResult:
            self.asked += 1
            act()
            return self.result.model_copy(update={"gate": gate})

        memory = self.memory(run)
        given = memory.answer(gate, examine)
        memory.keep()
        return given


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_second_answer_is_the_first_marked_and_linked(world: World) -> None:
    first, second = world.ask(run="http://forge/runs/1"), world.ask(run="http://forge/runs/2")
    assert world.asked == 1
    assert (first.cached, second.cached) == (False, True)
    assert second.links["judged in"] == "http://forge/runs/1"
    assert "cached: judged 1970-01-12" in second.reason
    assert second.outcome is first.outcome


def test_a_third_answer_still_links_the_run_that_earned_it(world: World) -> None:
    for number in range(3):
        given = world.ask(run=f"http://forge/runs/{number}")
    assert given.links["judged in"] == "http://forge/runs/0"
    assert given.reason.count("cached") == 1


def test_an_edited_tree_is_judged_anew(world: World) -> None:
    world.ask()
    assert world.tree is not None
    world.tree["src/a.py"] = "100644 other"
    assert not world.ask().cached


def test_a_tree_edited_while_the_gate_looked_is_not_remembered(world: World) -> None:
    def edit() -> None:
        assert world.tree is not None
        world.tree["src/a.py"] = "100644 edited meanwhile"

    world.ask(edit)
    assert not world.ask().cached


def test_an_environment_made_by_the_gate_counts_as_its_own(world: World) -> None:
    world.around = replace(AROUND, environments={"python:": "absent"})

    def install() -> None:
        world.around = AROUND

    world.ask(install)
    assert world.ask().cached
    world.around = replace(AROUND, environments={"python:": "absent"})
    assert not world.ask().cached


def test_a_clean_answer_stands_on_another_base_and_one_with_findings_does_not(world: World) -> None:
    world.ask()
    world.change = CHANGE.model_copy(update={"base_sha": "d" * 40})
    assert world.ask().cached
    world.result = result(Outcome.FAILED, Attribution.NEW)
    world.tree = {"src/b.py": "100644 b"}
    world.ask()
    assert world.ask().cached
    world.change = CHANGE
    assert not world.ask().cached


def test_a_tree_that_cannot_be_read_cheaply_is_judged_each_time(world: World) -> None:
    world.tree = None
    world.ask()
    world.ask()
    assert world.asked == 2


def test_artifacts_are_copied_and_an_answer_without_them_is_none(world: World, tmp_path: Path) -> None:
    report = tmp_path / "coverage.json"
    report.write_text("{}")
    world.result = world.result.model_copy(update={"artifacts": {"coverage": str(report), "digest": "sha256:1"}})
    world.ask()
    report.unlink()
    again = world.ask()
    assert again.cached
    assert Path(again.artifacts["coverage"]).read_text() == "{}"
    assert again.artifacts["digest"] == "sha256:1"
    for copy in (tmp_path / "memo").glob("*/0.json"):
        copy.unlink()
    assert not world.ask().cached


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"schema": "forge.memo/1"}', b"\xff" * 9])
def test_a_damaged_record_is_no_answer(world: World, tmp_path: Path, content: bytes) -> None:
    world.ask()
    records = list((tmp_path / "memo").glob("*/memo.json"))
    assert records
    for record in records:
        record.write_bytes(content)
    assert not world.ask().cached


def test_a_record_under_another_key_is_no_answer(world: World, tmp_path: Path) -> None:
    world.ask()
    wanted = keys("lint").exact
    source = next((tmp_path / "memo").glob("*/memo.json")).parent
    source.rename(tmp_path / "memo" / wanted)
    assert world.memo.get(wanted) is None


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    memo = FolderMemo(tmp_path, kept=10)
    for number in range(30):
        memo.put(f"{number:064d}", Remembered(result=result(Outcome.PASSED), run="", at=float(number)))
    assert len(list(tmp_path.iterdir())) <= 10
    assert memo.get(f"{29:064d}") is not None
