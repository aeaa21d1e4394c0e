"""The forge.doctor-gates/1 object, and the projects of a repository that are proven each on its own."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.planted.faults import Fault, planted
from forge_dagster.domain.planted.plan import PROVABLE, Ground, plan, second_chance
from forge_dagster.domain.planted.proofs import Proof, Proved, advice, alarm, proofs_report, proved, unproved
from forge_dagster.domain.project import Language, NodeProject, Project, PythonProject
from forge_dagster.domain.results import ToolRun, gate_result
from forge_dagster.usecases.check import select_gates
from tests.fakes.gate_results import results

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "forge.doctor-gates-1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PYTHON, SCRIPT = Language.PYTHON, Language.TYPESCRIPT
SPEAKS = {"ruff": PYTHON, "pytest": PYTHON}


def report(*proofs: Proved) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(proofs_report(repository="acme/shop", head="a" * 40, proofs=proofs)))
    return made


# --- what is printed ---------------------------------------------------------------------------------------------------

FAULT = Fault(gate="lint", what="a fault", mark="c0ffee", pieces=(), language=PYTHON, part="packages/a")


@given(st.lists(results, max_size=4), st.sampled_from([PYTHON, SCRIPT, None]))
def test_every_report_is_of_the_published_schema(given_results: list[Any], language: Language | None) -> None:
    fault = Fault(gate="lint", what="a fault", mark="c0ffee", pieces=(), language=language)
    VALIDATOR.validate(report(*(proved(fault, {"src/a.py": None}, result, speaks=SPEAKS) for result in given_results)))


def test_every_row_of_a_plan_without_a_fault_is_of_the_schema() -> None:
    ground = Ground(project=Project(), read=lambda _path: None, draw=lambda: "c0ffee", flawed={}, unknown_flaws="no mirror")
    made = report(*map(unproved, plan(ground).unplanted))
    VALIDATOR.validate(made)
    assert len(made["gates"]) > 10


def test_a_report_has_exactly_the_promised_members() -> None:
    found = Finding(tool="ruff", rule="F821", message="c0ffee", category=Category.LINT)
    made = report(proved(FAULT, {}, gate_result("lint", Outcome.FAILED, findings=[found]), speaks=SPEAKS))
    VALIDATOR.validate(made)
    assert made == {
        "schema": "forge.doctor-gates/1",
        "repository": "acme/shop",
        "head": "a" * 40,
        "proven": True,
        "gates": [
            {
                "gate": "lint",
                "language": "python",
                "part": "packages/a",
                "proof": "proven",
                "planted": "a fault",
                "reason": "",
                "errored": False,
                "found_by": ["ruff"],
                "duration_s": 0.0,
            }
        ],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"proof": "great"},
        {"proof": "not_proven"},
        {"found_by": []},
        {"errored": True},
        {"language": "cobol"},
        {"part": None},
        {"duration_s": -1},
        {"more": 1},
    ],
)
def test_the_schema_refuses_what_is_no_report(wrong: Mapping[str, object]) -> None:
    made = report(Proved(gate="lint", proof=Proof.PROVEN, what="a fault", found_by=("ruff",)))
    VALIDATOR.validate(made)
    made["gates"][0].update(wrong)
    assert not VALIDATOR.is_valid(made)


@pytest.mark.parametrize("errored", [True, False])
@pytest.mark.parametrize("gate", PROVABLE)
def test_an_advice_names_a_command_that_knows_the_gate(gate: str, errored: bool) -> None:
    one = Proved(gate=gate, proof=Proof.CANNOT if errored else Proof.NOT_PROVEN, errored=errored)
    command, name = re.findall(r"forge (\w+)(?: --explain)? --gate (\w+)", advice(one))[0]
    known = [spec.name for spec in select_gates()] if command == "check" else PROVABLE
    assert name == gate
    assert name in known


# --- further projects --------------------------------------------------------------------------------------------------

TREE: Mapping[str, str] = {
    "app/__init__.py": "",
    "app/main.py": "A = 1\n" * 9,
    "tests/test_main.py": "def test_main():\n    assert True\n",
    "packages/a/a.py": "A = 2\n",
    "packages/a/tests/test_a.py": "def test_a():\n    assert True\n",
    "packages/b/b.py": "B = 2\n",
    "web/main.js": "let a;\n",
    "web/package.json": '{"scripts": {"build": "tsc"}}',
    "site/main.js": "let b;\n",
    "site/package.json": '{"scripts": {"build": "tsc"}}',
}


def part(folder: str, *, node: bool = False) -> Project:
    package = {"scripts": {"build": "tsc"}}
    return Project(
        files=tuple(path for path in sorted(TREE) if path.startswith(f"{folder}/")),
        python=None if node else PythonProject(directory=folder, manager="pip"),
        node=NodeProject(directory=folder, manager="npm", package=package) if node else None,
    )


PARTS = (part("packages/a"), part("packages/b"), part("web", node=True), part("site", node=True))
PROJECT = Project(files=tuple(sorted(TREE)), python=PythonProject(manager="pip"), parts=PARTS)
APART = {
    "lint": {(PYTHON, "packages/a"), (PYTHON, "packages/b")},
    "unit": {(PYTHON, "packages/a"), (PYTHON, "packages/b")},
    "property": {(PYTHON, "packages/a")},
    "coverage": {(PYTHON, "packages/a")},
    "mutation": {(PYTHON, "packages/a")},
    "build": {(SCRIPT, "web"), (SCRIPT, "site")},
}


def ground(**more: Any) -> Ground:
    marks = (f"{number:010x}" for number in range(1_000))
    given = {"project": PROJECT, "read": TREE.get, "draw": lambda: next(marks), "flawed": {}, "apart": APART}
    return Ground(**{**given, **more})


def placed(gate: str, **more: Any) -> dict[tuple[Language | None, str], set[str]]:
    """(Language, part) -> the files that its fault changes."""
    faults = [fault for planting in plan(ground(**more), only=(gate,)).plantings for fault in planting.faults]
    return {(fault.language, fault.part): set(planted([fault], TREE).files) & set(TREE) for fault in faults}


def test_each_project_that_a_gate_judges_on_its_own_has_a_fault() -> None:
    assert placed("lint") == {
        (PYTHON, ""): {"app/main.py"},
        (PYTHON, "packages/a"): {"packages/a/a.py"},
        (PYTHON, "packages/b"): {"packages/b/b.py"},
        (SCRIPT, ""): {"web/main.js"},
    }
    assert placed("types").keys() == {(PYTHON, ""), (SCRIPT, "")}
    assert placed("lint", apart={}).keys() == {(PYTHON, ""), (SCRIPT, "")}


def test_the_first_of_a_language_is_no_further_project_of_it() -> None:
    assert placed("build") == {(SCRIPT, ""): {"web/package.json"}, (SCRIPT, "site"): {"site/package.json"}}


def test_a_project_without_tests_says_so_once_for_what_few_have() -> None:
    assert placed("unit") == {(PYTHON, ""): {"tests/test_main.py"}, (PYTHON, "packages/a"): {"packages/a/tests/test_a.py"}}
    said = {(one.gate, one.language, one.part) for one in plan(ground(), only=("unit", "property")).unplanted}
    assert said == {("unit", PYTHON, "packages/b"), ("unit", SCRIPT, ""), ("property", PYTHON, ""), ("property", SCRIPT, "")}


def test_what_no_test_executes_has_a_mark_of_each_project_which_two_gates_share() -> None:
    faults = [fault for planting in plan(ground(), only=("coverage", "mutation")).plantings for fault in planting.faults]
    marks: dict[tuple[Language | None, str], set[str]] = {}
    for fault in faults:
        marks.setdefault((fault.language, fault.part), set()).add(fault.mark)
    assert [len(own) for own in marks.values()] == [1, 1, 1]
    assert len(set().union(*marks.values())) == 3


def test_a_second_fault_goes_where_the_first_was() -> None:
    warned = Proved(gate="lint", proof=Proof.NOT_PROVEN, language=PYTHON, part="packages/b", warned_by=("ruff",))
    again = second_chance(warned, ground())
    assert again is not None
    (fault,) = again.faults
    assert (again.name, fault.part) == ("unparsable-python-packages-b", "packages/b")
    assert [piece.path.rpartition("/")[0] for piece in fault.pieces] == ["packages/b"]


@pytest.mark.parametrize(
    ("own", "proof", "errored"),
    [(Outcome.PASSED, Proof.NOT_PROVEN, False), (Outcome.ERRORED, Proof.CANNOT, True), (Outcome.SKIPPED, Proof.CANNOT, False)],
)
def test_a_projects_own_tool_answers_for_it(own: Outcome, proof: Proof, errored: bool) -> None:
    runs = (
        ToolRun(tool="pytest", outcome=Outcome.FAILED, chosen_because="pyproject.toml has [tool.pytest]"),
        ToolRun(tool="pytest", outcome=own, reason="why", chosen_because="packages/a: pyproject.toml has [tool.pytest]"),
    )
    other = Finding(tool="pytest", rule="failed", message="x", category=Category.TEST, file="tests/test_main.py", line=3)
    result = gate_result("unit", Outcome.FAILED, findings=[other], tools=runs)
    fault = Fault(gate="unit", what="a test that fails", mark="c0ffee", pieces=(), language=PYTHON, part="packages/a")
    one = proved(fault, {"packages/a/tests/test_a.py": frozenset({3})}, result, speaks=SPEAKS)
    assert (one.proof, one.errored, one.part) == (proof, errored, "packages/a")
    if one.is_alarm:
        assert alarm(one).message.startswith("gate unit (python, packages/a) ")
