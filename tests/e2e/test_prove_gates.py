"""Gates are proven in scratch copies of a real repository: a blind gate is found out, and the repository stays as it was."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from forge_dagster import registry
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.planted.proofs import Proof
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import UsageError
from forge_dagster.ports import Gate, GateContext
from forge_dagster.usecases.prove_gates import Proving, prove_gates, wanted_gates
from forge_dagster.workspace.processes import ProcessRun
from tests.support.advisories import mirror
from tests.support.forge_command import ForgeCommand
from tests.support.proving import bare_check
from tests.support.repositories import TestRepository

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("prove-gates")
CODE = '"""A sample."""\n\nANSWER = 42\n'
TEST = "def test_answer() -> None:\n    assert 6 * 7 == 42\n"


class FakeGate:
    """A gate that answers as told."""

    def __init__(self, name: str, body: Callable[[GateContext], GateResult]) -> None:
        self.name = name
        self.body = body

    def examine(self, context: GateContext) -> GateResult:
        return self.body(context)


def honest(context: GateContext) -> GateResult:
    """Tells of every line that the change adds, if it is a gate of tests of every line of theirs; and of nothing else."""
    return told(context, "tests/" if context.gate in ("unit", "integration") else "")


def told(context: GateContext, *folders: str) -> GateResult:
    """Tells of every line that the change adds below these folders."""
    findings = [
        Finding(tool="fake", rule="new", message="new", category=Category.LINT, file=file.path, line=line)
        for file in context.change.files
        if file.path.startswith(folders)
        for line in sorted(file.added_lines)
    ]
    return gate_result(context.gate, Outcome.FAILED if findings else Outcome.PASSED, findings=findings)


def blind(context: GateContext) -> GateResult:
    return gate_result(context.gate, Outcome.PASSED)


def angry(context: GateContext) -> GateResult:
    return gate_result(context.gate, Outcome.FAILED, reason="it always fails")


def dead(context: GateContext) -> GateResult:
    return gate_result(context.gate, Outcome.ERRORED, reason="no such program")


@pytest.fixture
def sample(tmp_path: Path) -> TestRepository:
    repository = TestRepository(tmp_path / "sample")
    project = '[project]\nname = "sample"\nversion = "1"\n'
    repository.commit(**{"pyproject.toml": project, "sample.py": CODE, "tests/test_sample.py": TEST})
    return repository


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ProcessRun]:
    made = ProcessRun(home=tmp_path / "home", run_id="prove")
    yield made
    made.stop()


def proving(sample: TestRepository, run: ProcessRun, tmp_path: Path, **bodies: Callable[[GateContext], GateResult]) -> Proving:
    gates: dict[str, Gate] = {name: FakeGate(name, bodies.get(name, honest)) for name in registry.gates()}
    copies = tmp_path / "copies"
    work = bare_check(sample, gates, run, tmp_path)
    return Proving(work=work, tools=registry.tools(), parent=copies)


def test_each_gate_is_judged_by_its_own_fault(sample: TestRepository, run: ProcessRun, tmp_path: Path) -> None:
    proofs = prove_gates(proving(sample, run, tmp_path, lint=blind, types=angry, secrets=dead))
    by_gate = {one.gate: one for one in proofs}
    assert {gate: one.proof for gate, one in by_gate.items() if one.proof is not Proof.PROVEN} == {
        "lint": Proof.NOT_PROVEN,
        "types": Proof.NOT_PROVEN,
        **dict.fromkeys(("secrets", "property", "integration", "snapshot", "sca"), Proof.CANNOT),
        **dict.fromkeys(("review", "build", "preview", "smoke"), Proof.CANNOT),
    }
    assert "no mirror of advisories" in by_gate["sca"].reason
    assert "no such program" in by_gate["secrets"].reason


def test_a_gate_whose_own_gate_fails_is_not_asked(sample: TestRepository, run: ProcessRun, tmp_path: Path) -> None:
    proofs = {one.gate: one for one in prove_gates(proving(sample, run, tmp_path, unit=angry))}
    assert (proofs["coverage"].proof, proofs["coverage"].reason) == (Proof.CANNOT, "not_run: unit failed")


def test_the_repository_stays_as_it_was(sample: TestRepository, run: ProcessRun, tmp_path: Path) -> None:
    sample.write("sample.py", "ANSWER = 43\n")
    before = (sample.git("status", "--porcelain"), sample.git("count-objects", "-v"), sample.git("for-each-ref"))
    seen: list[str] = []

    def look(context: GateContext) -> GateResult:
        seen.append((context.root / "sample.py").read_text())
        return honest(context)

    prove_gates(proving(sample, run, tmp_path, lint=look))
    assert (sample.git("status", "--porcelain"), sample.git("count-objects", "-v"), sample.git("for-each-ref")) == before
    assert seen
    assert seen[0].startswith(CODE), "the commit is planted in, not the edits"
    assert list((tmp_path / "copies").iterdir()) == []


def two_projects(folder: Path) -> TestRepository:
    """A repository without a project at its root, and with two below."""
    repository = TestRepository(folder)
    project = '[project]\nname = "{name}"\nversion = "1"\n\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
    files = {f"{name}/pyproject.toml": project.format(name=name) for name in ("one", "two")}
    files |= {f"{name}/{name}.py": CODE for name in ("one", "two")}
    repository.commit(**files, **{f"{name}/tests/test_{name}.py": TEST for name in ("one", "two")})
    return repository


def test_each_project_with_tests_of_its_own_is_proven(run: ProcessRun, tmp_path: Path) -> None:
    repository = two_projects(tmp_path / "two")

    def near(context: GateContext) -> GateResult:
        return told(context, "one/tests/")

    def far(context: GateContext) -> GateResult:
        return told(context, "one/tests/", "two/tests/")

    for body, second in ((far, Proof.PROVEN), (near, Proof.NOT_PROVEN)):
        asked = replace(proving(repository, run, tmp_path, unit=body), only=("unit", "lint"))
        proofs = {(one.gate, one.part): one.proof for one in prove_gates(asked)}
        assert proofs == {("unit", ""): Proof.PROVEN, ("unit", "two"): second, ("lint", ""): Proof.PROVEN}


def test_only_gates_that_judge_changes_can_be_asked_for() -> None:
    assert wanted_gates(("lint",)) == ("lint",)
    with pytest.raises(UsageError, match="did you mean"):
        wanted_gates(("lints",))


# --- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> ForgeCommand:
    home = tmp_path_factory.mktemp("home")
    mirror(home)
    return ForgeCommand(home)


def test_proofs_are_one_object(forge: ForgeCommand, sample: TestRepository) -> None:
    done = forge.run("doctor", "--gate", "integrity", "--format", "json", sample.path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "forge.doctor-gates-1.schema.json").read_text()))
    assert (report["schema"], report["head"], report["proven"]) == (
        "forge.doctor-gates/1",
        sample.git("rev-parse", "HEAD"),
        True,
    )
    assert [(row["gate"], row["language"], row["proof"]) for row in report["gates"]] == [
        ("integrity", None, "proven"),
        ("integrity", "python", "proven"),
    ]


@pytest.mark.slow
def test_a_linter_that_is_told_to_ignore_everything_is_found_out(forge: ForgeCommand, sample: TestRepository) -> None:
    assert forge.run("doctor", "--gate", "lint", sample.path).returncode == 0
    sample.commit(**{"ruff.toml": "lint.select = []\n"})
    done = forge.run("doctor", "--gates", "--gate", "lint", cwd=sample.path)
    assert done.returncode == 3
    assert "NOT PROVEN" in done.stdout
    assert "passed in spite of an undefined name" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 planted fault got through"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["."], "forge doctor --gates"), (["--gate", "lints"], "did you mean"), (["--gates", "/nowhere"], "")],
)
def test_wrong_usage_is_2(forge: ForgeCommand, sample: TestRepository, arguments: list[str], said: str) -> None:
    done = forge.run("doctor", *arguments, cwd=sample.path)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
def test_every_gate_of_the_example_is_proven(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "shop")
    left_out = shutil.ignore_patterns("*_cache", "__pycache__", ".venv")
    shutil.copytree(ROOT / "examples" / "shop", repository.path, ignore=left_out, dirs_exist_ok=True)
    repository.commit()
    assert _proven(forge, repository) == {
        ("secrets", None), ("integrity", None),
        *((gate, "python") for gate in ("format", "lint", "types", "unit", "coverage", "integrity", "architecture")),
        *((gate, "python") for gate in ("sast", "sca", "mutation", "build")), ("preview", None), ("smoke", None),
    }  # fmt: skip


@pytest.mark.slow
def test_every_gate_of_a_javascript_repository_is_proven(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "scripts")
    package = {"name": "scripts", "private": True, "type": "module", "scripts": {"test": "node --test"}}
    repository.commit(
        **{
            ".gitignore": "node_modules/\n",
            "package.json": json.dumps(package, indent=2) + "\n",
            "src/twice.ts": "export const twice = (price: number): number => 2 * price;\n",
            "src/half.js": "export const half = (price) => price / 2;\n",
            "test/half.test.js": (
                'import assert from "node:assert";\nimport test from "node:test";\nimport { half } from "../src/half.js";\n\n'
                'test("halves", () => assert.equal(half(4), 2));\ntest("of nothing", () => assert.equal(half(0), 0));\n'
            ),
        }
    )
    assert _proven(forge, repository) == {
        ("secrets", None), ("integrity", None),
        *((gate, "typescript") for gate in ("format", "lint", "types", "unit", "coverage", "integrity", "architecture")),
        *((gate, "typescript") for gate in ("sast", "sca", "mutation")),
    }  # fmt: skip


@pytest.mark.slow
def test_each_project_of_a_monorepo_is_proven(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = two_projects(tmp_path / "two")
    done = forge.run("doctor", "--gate", "unit", "--format", "json", repository.path)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [(row["part"], row["proof"], row["found_by"]) for row in json.loads(done.stdout)["gates"]]
    assert rows == [("", "proven", ["pytest"]), ("two", "proven", ["pytest"])]


def _proven(forge: ForgeCommand, repository: TestRepository) -> set[tuple[str, str | None]]:
    """The gates that found their faults; none may have let one through."""
    done = forge.run("doctor", "--gates", "--format", "json", repository.path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "forge.doctor-gates-1.schema.json").read_text()))
    rows = report["gates"]
    return {(row["gate"], row["language"]) for row in rows if row["proof"] == "proven"}
