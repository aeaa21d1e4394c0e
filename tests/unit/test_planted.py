"""Faults that are planted to prove the gates: they fit what they go into, and only a fault that was found proves anything."""

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster import registry
from forge_dagster.domain import planted as package
from forge_dagster.domain.advisories import parse_advisory
from forge_dagster.domain.attribution import IMPOSED
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import gate_spec
from forge_dagster.domain.integrity import hidden_findings
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.planted.dependencies import flawed_dependency, flawed_version
from forge_dagster.domain.planted.faults import Fault, Piece, planted
from forge_dagster.domain.planted.plan import PROVABLE, Ground, plan, second_chance
from forge_dagster.domain.planted.proofs import (
    Proof,
    Proved,
    all_proven,
    in_order,
    proof_result,
    proofs_report,
    proved,
    proven_otherwise,
)
from forge_dagster.domain.planted.sites import Site, product_site
from forge_dagster.domain.planted.suites import failing_test
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language, NodeProject, Project, PythonProject
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.domain.sbom import Ecosystem
from forge_dagster.domain.sbom_locks import NODE_LOCKS, PYTHON_LOCKS, read_lock
from tests.support.advisories import LOW, advisory

PYTHON, SCRIPT = Language.PYTHON, Language.TYPESCRIPT
TREE: Mapping[str, str] = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_price.py": "from hypothesis import given\n\n\ndef test_total():\n    assert True\n",
    "tests/test_more.py": "def test_more():\n    assert True\n",
    "tests/integration/test_db.py": "def test_db():\n    assert True\n",
    "tests/__snapshots__/test_price.ambr": "# serializer version: 1\n",
    "web/src/cart.ts": 'import { sum } from "./sum.js";\n\nexport const cart = () => sum();\n',
    "web/src/sum.ts": "export const sum = () => 1;\n",
    "web/test/cart.test.ts": 'import { test } from "vitest";\n\ntest("adds", () => {});\n',
    "web/test/law.test.ts": 'import fc from "fast-check";\nimport { it } from "vitest";\n\nit("holds", () => {});\n',
    "web/test/integration/db.test.ts": 'import { test } from "vitest";\n\ntest("db", () => {});\n',
}
PROJECT = Project(files=tuple(sorted(TREE)), python=PythonProject(manager="pip"), node=NodeProject(manager="npm"))
FLAWED = {Ecosystem.PYPI: ("flawed", "1.0.0"), Ecosystem.NPM: ("flawed", "1.0.0")}


def ground(tree: Mapping[str, str] = TREE, project: Project = PROJECT) -> Ground:
    marks = (f"{number:010x}" for number in range(10_000))
    return Ground(project=project, read=tree.get, draw=lambda: next(marks), flawed=FLAWED, unknown_flaws="no mirror")


def faults() -> list[Fault]:
    return [fault for planting in plan(ground()).plantings for fault in planting.faults]


# --- what is planted ---------------------------------------------------------------------------------------------------


def test_every_gate_a_verdict_rests_on_has_a_fault_or_says_why_not() -> None:
    made = plan(ground())
    with_fault = {fault.gate for planting in made.plantings for fault in planting.faults}
    assert with_fault == {gate for gate in PROVABLE if gate_spec(gate).local and not gate_spec(gate).advisory}
    assert {one.gate for one in made.unplanted} == set(PROVABLE) - with_fault
    assert all(one.reason for one in made.unplanted)


@pytest.mark.parametrize("tool", registry.tools().values(), ids=lambda tool: tool.name)
def test_every_tool_has_a_fault_of_its_gate_and_language_to_find(tool: object) -> None:
    gate, language = tool.gate, tool.language  # type: ignore[attr-defined]
    mine = [fault for fault in faults() if fault.gate == gate and (language is None or fault.language in (None, language))]
    assert mine or not gate_spec(gate).local


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: f"{fault.gate}-{fault.language}")
def test_what_is_planted_into_python_is_python(fault: Fault) -> None:
    made = planted([fault], TREE)
    for path, text in made.files.items():
        assert text.endswith("\n")
        assert path.endswith(".lock") or text.startswith(TREE.get(path, "")[:20])
        if path.endswith(".py"):
            ast.parse(text)


def test_a_tree_without_a_language_has_its_secrets_and_its_characters_proven() -> None:
    made = plan(ground({"poem.txt": "Roses\n"}, Project(files=("poem.txt",))))
    assert [fault.gate for planting in made.plantings for fault in planting.faults] == ["secrets", "integrity"]
    assert "no language" in next(one.reason for one in made.unplanted if one.gate == "lint")


def test_only_the_gates_that_are_asked_for_are_planted_for() -> None:
    made = plan(ground(), only=("lint",))
    assert [planting.gates for planting in made.plantings] == [("lint",)]
    assert made.unplanted == ()


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.sampled_from("x \r\x0c\u2028\n"))),
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans(), st.integers(1, 4))),
)
def test_each_piece_stands_where_it_is_said_to_and_nothing_else_changes(
    tree: dict[str, str], pieces: list[tuple[str, bool, int]]
) -> None:
    listed = [
        Fault(
            gate="lint",
            what="",
            mark=str(number),
            pieces=(Piece(path=path, text=f"<{number}\n{number}>\n", before=line if first else None),),
        )
        for number, (path, first, line) in enumerate(pieces)
        if not (first and number)  # as in a plan: one test of a file is put before the others
    ]
    made = planted(listed, tree)
    for fault, places in zip(listed, made.places, strict=True):
        ((path, own),) = places.items()
        assert own is not None
        lines = made.files[path].split("\n")
        assert [lines[number - 1] for number in sorted(own)] == [f"<{fault.mark}", f"{fault.mark}>"]
    for path, text in made.files.items():
        kept = [line for line in text.split("\n") if not re.fullmatch(r"<\d+|\d+>", line)]
        assert "\n".join(kept).rstrip("\n") == tree.get(path, "").rstrip("\n")


def test_no_secret_stands_in_forges_own_files_and_each_run_draws_another() -> None:
    shape = re.compile(r"gh[p]_[A-Za-z0-9]{20,}")
    folder = Path(str(package.__file__)).parent
    assert not [path for path in folder.glob("*.py") if shape.search(path.read_text())]
    first, second = (next(f for f in faults_of(mark) if f.gate == "secrets").pieces[0].text for mark in ("a", "b"))
    assert shape.search(first)
    assert first != second


def faults_of(mark: str) -> list[Fault]:
    numbers = iter(range(1_000))
    one = Ground(project=PROJECT, read=TREE.get, draw=lambda: f"{mark}{next(numbers)}", flawed=FLAWED)
    return [fault for planting in plan(one).plantings for fault in planting.faults]


def test_the_hidden_character_is_one_that_the_gate_rejects() -> None:
    fault = next(fault for fault in faults() if fault.gate == "integrity" and fault.language is None)
    (piece,) = fault.pieces
    assert [finding.severity for finding in hidden_findings(piece.path, piece.text, None)] == [Severity.ERROR]


# --- where it goes -----------------------------------------------------------------------------------------------------


def test_a_hand_written_typed_product_file_is_chosen() -> None:
    tree = {
        "src/big.js": "x" * 900,
        "src/a.ts": "let a = 1;\n",
        "src/gen.ts": f"// @generated\n{'x' * 500}",
        "vendor/b.ts": "x" * 800,
        "test/a.test.ts": "x" * 700,
        "src/types.d.ts": "x" * 600,
    }
    project = Project(files=tuple(sorted(tree)), node=NodeProject(manager="npm"))
    site = product_site(project, SCRIPT, tree.get)
    assert site is not None
    assert site.path == "src/a.ts"


def test_a_part_of_the_repository_keeps_its_files_to_itself() -> None:
    part = Project(files=("web/a.ts",), node=NodeProject(directory="web", manager="npm"))
    project = Project(files=("src/a.py", "web/a.ts", "web/b.py"), python=PythonProject(manager="pip"), parts=(part,))
    texts = {"src/a.py": "a = 1\n", "web/a.ts": "let a;\n", "web/b.py": "b = 1\n" * 100}
    assert product_site(project, SCRIPT, texts.get) == Site(path="web/a.ts", text="let a;\n")
    site = product_site(project, PYTHON, texts.get)
    assert site is not None
    assert site.path == "web/b.py"


@pytest.mark.parametrize(
    ("text", "first", "call"),
    [
        ('import { test } from "vitest";\n\ntest("a", () => {});\n', 3, "test"),
        ("const t = require('tap');\nt.test('a', (t) => t.end());\n", 2, "t.test"),
        ('describe("a", () => {\n  it("b", () => {});\n});\n', 1, "it"),
        ("vi.mock('./a');\n\nit('b', () => {});\n", 3, "it"),
        ("const Law = suite('law');\nLaw('holds', () => {});\nLaw.run();\n", 2, "Law"),
    ],
)
def test_a_failing_test_is_declared_as_the_others_are_and_before_them(text: str, first: int, call: str) -> None:
    fault = failing_test("unit", SCRIPT, Site(path="a.test.js", text=text), "m1")
    (piece,) = fault.pieces
    assert (piece.before, piece.text.partition("(")[0]) == (first, call)


def test_a_program_without_tests_is_made_to_end_with_an_error() -> None:
    fault = failing_test("unit", SCRIPT, Site(path="test.js", text="const assert = require('assert');\nassert(1);\n"), "m1")
    assert (fault.pieces[0].before, "throw new Error" in fault.pieces[0].text) == (None, True)


_EMPTY = {
    "package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}',
    "npm-shrinkwrap.json": '{"lockfileVersion": 1, "dependencies": {}}',
    "pnpm-lock.yaml": "lockfileVersion: '9.0'\n\npackages:\n\nsnapshots:\n",
    "yarn.lock": "# yarn lockfile v1\n",
    "bun.lock": '{\n  "workspaces": {},\n  "packages": {\n  }\n}\n',
    "Pipfile.lock": '{"_meta": {}, "default": {}}',
    "uv.lock": "version = 1\n",
    "poetry.lock": '[metadata]\nlock-version = "2.0"\n',
    "pdm.lock": '[metadata]\nlock_version = "4.5"\n',
}


@pytest.mark.parametrize("lock", [*PYTHON_LOCKS, *NODE_LOCKS, "requirements.txt", ""])
def test_a_lock_pins_what_is_planted_into_it(lock: str) -> None:
    python = lock in PYTHON_LOCKS or lock.endswith(".txt")
    language = PYTHON if python else SCRIPT
    requirements = (lock,) if lock.endswith(".txt") else ()
    project = Project(
        python=PythonProject(manager="pip", requirement_files=requirements),
        node=NodeProject(manager="npm", lock_file=lock or None),
    )
    texts = {lock: _EMPTY.get(lock, "")} if lock else {}
    fault = flawed_dependency(project, language, ("flawed", "1.2.3"), texts.get, "m1")
    assert fault is not None
    made = planted([fault], texts)
    ((path, text),) = made.files.items()
    read = read_lock(path, text)
    assert [(one.name, one.version) for one in read.components] == [("flawed", "1.2.3")], read.problem
    (own,) = made.places[0].values()
    assert own is None or read.components[0].line in own


def test_the_flaw_is_one_that_the_policy_fails() -> None:
    always = parse_advisory(advisory("GHSA-1", "left", ecosystem="PyPI"))
    later = parse_advisory(advisory("GHSA-2", "right", events=({"introduced": "1.5.0"}, {"fixed": "2.0.0"})))
    slight = parse_advisory(advisory("GHSA-3", "slight", score=LOW))
    assert flawed_version(always, ScaSection()) == ("left", "1.0.0")
    assert flawed_version(later, ScaSection()) == ("right", "1.5.0")
    assert flawed_version(slight, ScaSection()) is None
    assert flawed_version(slight, ScaSection(fail_on="low")) == ("slight", "1.0.0")


# --- what it proves ----------------------------------------------------------------------------------------------------

FAULT = Fault(gate="lint", what="a fault", mark="c0ffee", pieces=(), language=PYTHON)
PLACES: Mapping[str, frozenset[int] | None] = {"src/a.py": frozenset({7, 8})}
SPEAKS = {"ruff": PYTHON, "eslint": SCRIPT, "semgrep": None}


def finding(**more: object) -> Finding:
    given: dict[str, object] = {
        "tool": "ruff",
        "rule": "F821",
        "message": "m",
        "category": Category.LINT,
        "file": "src/a.py",
        "line": 7,
    }
    return Finding.model_validate({**given, **more})


def said(
    outcome: Outcome,
    *findings: Finding,
    tools: Mapping[str, Outcome] | None = None,
    reason: str = "",
    reasons: Mapping[str, str] = MappingProxyType({}),
) -> GateResult:
    named = (tools or {"ruff": outcome}).items()
    runs = tuple(ToolRun(tool=name, outcome=end, reason=reasons.get(name, "why")) for name, end in named)
    return gate_result("lint", outcome, findings=findings, tools=runs, reason=reason)


@pytest.mark.parametrize(
    ("result", "proof"),
    [
        (said(Outcome.FAILED, finding()), Proof.PROVEN),
        (said(Outcome.FAILED, finding(file="other.py", message="no name c0ffee")), Proof.PROVEN),
        (said(Outcome.FAILED, finding(rule="unformatted", line=1)), Proof.PROVEN),
        (said(Outcome.PASSED), Proof.NOT_PROVEN),
        (said(Outcome.PASSED, finding(severity=Severity.WARNING)), Proof.NOT_PROVEN),
        (said(Outcome.FAILED), Proof.NOT_PROVEN),
        (said(Outcome.FAILED, finding(line=3)), Proof.NOT_PROVEN),
        (said(Outcome.FAILED, finding(file="src/b.py")), Proof.NOT_PROVEN),
        (said(Outcome.FAILED, finding(attribution=Attribution.PREEXISTING)), Proof.NOT_PROVEN),
        (said(Outcome.ERRORED, finding(), reason="crashed"), Proof.CANNOT),
        (said(Outcome.SKIPPED, reason="disabled"), Proof.CANNOT),
        (said(Outcome.NOT_RUN), Proof.CANNOT),
        (said(Outcome.FAILED, finding(tool="eslint", file="a.js"), tools={"eslint": Outcome.FAILED}), Proof.CANNOT),
        (
            said(Outcome.FAILED, finding(file="a.js"), tools={"eslint": Outcome.FAILED, "ruff": Outcome.ERRORED}),
            Proof.CANNOT,
        ),
        (
            said(Outcome.FAILED, finding(file="a.js"), tools={"eslint": Outcome.FAILED, "ruff": Outcome.PASSED}),
            Proof.NOT_PROVEN,
        ),
    ],
)
def test_only_an_error_in_the_planted_lines_proves_a_gate(result: GateResult, proof: Proof) -> None:
    one = proved(FAULT, PLACES, result, speaks=SPEAKS)
    assert one.proof is proof
    assert one.reason or proof is Proof.PROVEN
    assert all_proven([one]) is (proof is Proof.PROVEN)
    assert all_proven([one, Proved(gate="unit", proof=Proof.PROVEN)]) is not one.is_alarm
    broke_down = any(run.outcome is Outcome.ERRORED for run in result.tools) or result.outcome is Outcome.ERRORED
    assert one.errored is broke_down


def test_a_tool_that_said_nothing_beside_one_that_found_it_is_named() -> None:
    result = said(Outcome.FAILED, finding(), tools={"ruff": Outcome.FAILED, "semgrep": Outcome.PASSED})
    one = proved(FAULT, PLACES, result, speaks=SPEAKS)
    assert (one.found_by, one.reason) == (("ruff",), "not by semgrep")


def test_a_default_tool_that_only_warns_of_what_the_repository_does_everywhere_is_no_alarm() -> None:
    reason = f"Forge's default ruff, {IMPOSED}; the change breaks no rule that the base keeps"
    result = said(Outcome.PASSED, finding(severity=Severity.WARNING), reasons={"ruff": reason})
    one = proved(FAULT, PLACES, result, speaks=SPEAKS)
    assert (one.proof, one.is_alarm) == (Proof.CANNOT, False)
    assert "name one in forge.toml" in one.reason
    other = said(Outcome.PASSED, finding(severity=Severity.WARNING), reasons={"semgrep": reason})
    assert proved(FAULT, PLACES, other, speaks=SPEAKS).proof is Proof.NOT_PROVEN


def test_a_linter_that_only_warns_is_shown_a_file_that_does_not_parse() -> None:
    warned = proved(FAULT, PLACES, said(Outcome.PASSED, finding(severity=Severity.WARNING)), speaks=SPEAKS)
    again = second_chance(warned, ground())
    assert again is not None
    with pytest.raises(SyntaxError):
        ast.parse(again.faults[0].pieces[0].text)
    found = proved(again.faults[0], {"x.py": None}, said(Outcome.FAILED, finding(file="x.py")), speaks=SPEAKS)
    both = proven_otherwise(warned, found)
    assert (both.proof, both.reason) == (Proof.PROVEN, "ruff only warns of a fault, and warnings pass here")
    assert proven_otherwise(warned, warned).proof is Proof.NOT_PROVEN
    blind = proved(FAULT, PLACES, said(Outcome.PASSED), speaks=SPEAKS)
    assert second_chance(blind, ground()) is None


def test_the_nightly_result_is_the_machinerys_fault_where_a_fault_got_through() -> None:
    fine = Proved(gate="lint", proof=Proof.PROVEN)
    through = Proved(gate="unit", proof=Proof.NOT_PROVEN, reason="passed in spite of a test that fails", language=PYTHON)
    silent = Proved(gate="sca", proof=Proof.CANNOT, reason="no mirror")
    assert proof_result([fine, silent]).outcome is Outcome.PASSED
    assert proof_result([silent]).outcome is Outcome.SKIPPED
    broken = proof_result([fine, silent.model_copy(update={"errored": True})])
    assert (broken.outcome, broken.findings[0].rule) == (Outcome.ERRORED, "not-proven-sca")
    red = proof_result([fine, silent, through])
    assert (red.outcome, red.findings_total) == (Outcome.ERRORED, 1)
    assert "gate unit (python) passed in spite of" in red.findings[0].message
    assert [one.gate for one in in_order([silent, through, fine])] == ["lint", "unit", "sca"]
    report = json.loads(json.dumps(proofs_report(repository="acme/shop", head=None, proofs=[fine, through])))
    assert (report["schema"], report["proven"]) == ("forge.doctor-gates/1", False)
    assert [row["proof"] for row in report["gates"]] == ["proven", "not_proven"]
