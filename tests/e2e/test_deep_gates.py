"""The gates mutation and architecture with their real tools: what they find, leave alone, and cannot judge."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Environments
from tests.support.deep_seeds import CYCLE_FREE, SHIPPING, SHOP, STRONG, TS_SHIPPING, TS_SHOP, TS_STRONG, TS_WEAK, WEAK
from tests.support.gate_bench import Files, GateBench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def files_in(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {".git", "node_modules", "__pycache__"} & set(path.relative_to(root).parts)
    }


# --- mutation: Python --------------------------------------------------------------------------------------------------


def test_strong_tests_pass_and_nothing_is_left_in_the_tree(bench: GateBench) -> None:
    bench.plant(SHOP, {**SHIPPING, "tests/test_price.py": STRONG})
    before = files_in(bench.root)
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("mutation")
    assert result.outcome is Outcome.PASSED, result.reason
    assert result.metrics["mutation_score"] >= 75
    assert result.metrics["mutants"] == result.metrics["sampled"] == result.tools[0].examined == 18
    assert files_in(bench.root) == before


def test_faults_that_no_test_notices_are_findings_with_their_line(bench: GateBench) -> None:
    bench.plant(SHOP, {**SHIPPING, "tests/test_price.py": WEAK})
    bench.examine("unit")
    result = bench.examine("mutation")
    assert result.outcome is Outcome.FAILED, result.reason
    assert "75% are asked for" in result.reason
    survivors = {finding.place for finding in result.findings}
    assert survivors == {"src/shop/price.py:10", "src/shop/price.py:12"}
    assert all(f.attribution is Attribution.NEW and f.severity is Severity.ERROR for f in result.findings)
    assert any("+ return 5 + amount * 10" in finding.message for finding in result.findings)


def test_a_minimum_of_the_policy_is_kept_to(bench: GateBench) -> None:
    bench.plant(SHOP, {**SHIPPING, "tests/test_price.py": WEAK}, policy="[gates.mutation]\nminimum = 40\n")
    result = bench.examine("mutation")
    assert result.outcome is Outcome.PASSED, result.reason
    assert {finding.severity for finding in result.findings} == {Severity.WARNING}


def test_a_tiny_budget_gives_a_stated_sample(bench: GateBench) -> None:
    change = {**SHIPPING, "tests/test_price.py": STRONG}
    bench.plant(SHOP, change, policy='[gates.mutation]\nbudget = "1s"\n')
    first = bench.examine("mutation")
    assert "sampled 10 of 18 mutants" in first.reason
    assert first.metrics["sampled"] == 10
    again = bench.examine("mutation")
    assert [f.fingerprint for f in again.findings] == [f.fingerprint for f in first.findings]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tests/test_price.py": STRONG.replace("shipping", "total")}, "no line of product code"),
        ({"src/shop/price.py": SHOP["src/shop/price.py"] + "# more to come\n"}, "no line of product code"),
        (
            {"src/shop/price.py": SHOP["src/shop/price.py"].replace("(prices)", "(prices: list[int])", 1)},
            "nothing in the change",
        ),
        (None, "no change to judge"),
    ],
    ids=["tests only", "comment only", "annotation only", "no base"],
)
def test_where_there_is_nothing_to_plant_the_gate_does_not_apply(bench: GateBench, change: Files | None, why: str) -> None:
    bench.plant(SHOP, change)
    result = bench.examine("mutation")
    assert result.outcome is Outcome.SKIPPED
    assert why in result.reason


PACKAGED: Files = {
    ".gitignore": "__pycache__/\n*.egg-info/\n",
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
        '[project]\nname = "shop"\nversion = "1"\n\n[tool.setuptools.packages.find]\ninclude = ["shop*"]\n'
    ),
    "shop/__init__.py": "",
    "shop/price.py": SHOP["src/shop/price.py"],
    "tests/test_price.py": SHOP["tests/test_price.py"],
}


def test_the_copy_is_tested_and_not_what_is_installed(bench: GateBench) -> None:
    """A flat layout, installed in editable mode from the checkout."""
    bench.plant(PACKAGED, {"shop/price.py": SHIPPING["src/shop/price.py"], "tests/test_price.py": STRONG})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("mutation")
    assert result.outcome is Outcome.PASSED, result.reason


RED = WEAK.replace("shipping(100) == 0", "shipping(100) == 1")
HANGS = "def test_total():\n    while True:\n        pass\n"
HIDES = "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"


@pytest.mark.parametrize(
    ("change", "policy", "said"),
    [
        ({"tests/test_price.py": RED}, "", "before any fault is planted"),
        ({"tests/test_price.py": HANGS}, '[gates.mutation]\ntimeout = "15s"\n', "was stopped"),
        ({"tests/test_price.py": "raise SystemExit(0)\n"}, "", "before any fault is planted"),
    ],
    ids=["red", "hangs", "ends early"],
)
def test_tests_that_cannot_be_run_are_errored(bench: GateBench, change: Files, policy: str, said: str) -> None:
    bench.plant(SHOP, {**SHIPPING, **change}, policy=policy)
    result = bench.examine("mutation")
    assert result.outcome is Outcome.ERRORED, result.reason
    assert said in result.reason


def test_a_suite_that_hides_its_failures_notices_nothing(bench: GateBench) -> None:
    bench.plant(SHOP, {**SHIPPING, "tests/test_price.py": STRONG, "tests/conftest.py": HIDES})
    result = bench.examine("mutation")
    assert result.outcome is Outcome.FAILED
    assert result.metrics["killed"] == 0


class Without:
    """Environments whose toolbox cannot be had."""

    def __init__(self, inner: Environments) -> None:
        self._inner = inner

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        return self._inner.of(language, root=root, project=project, log=log)

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        raise WorkspaceError(f"{package} cannot be installed", hint="check the network")

    def pinned(
        self, language: Language, requirements: tuple[str, ...], *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        raise WorkspaceError("nothing can be installed", hint="check the network")

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        return None


def test_a_tool_that_cannot_be_had_is_errored(bench: GateBench) -> None:
    bench.plant(SHOP, {**SHIPPING, "tests/test_price.py": STRONG})
    result = bench.examine("mutation", environments=Without(bench.environments))
    assert result.outcome is Outcome.ERRORED
    assert "cosmic-ray cannot be installed" in result.reason


# --- mutation: TypeScript ----------------------------------------------------------------------------------------------


def test_typescript_survivors_fail_and_strong_tests_pass(bench: GateBench) -> None:
    bench.plant(TS_SHOP, {**TS_SHIPPING, "test/price.test.ts": TS_WEAK})
    before = files_in(bench.root)
    weak = bench.examine("mutation")
    assert weak.outcome is Outcome.FAILED, weak.reason
    assert {finding.place for finding in weak.findings} == {"src/price.ts:4", "src/price.ts:7"}
    assert files_in(bench.root) == before
    bench.plant(TS_SHOP, {**TS_SHIPPING, "test/price.test.ts": TS_STRONG})
    strong = bench.examine("mutation")
    assert strong.outcome is Outcome.PASSED, strong.reason
    assert strong.metrics["mutation_score"] == 100.0


def test_a_comment_does_not_switch_typescript_mutants_off(bench: GateBench) -> None:
    quiet = {"src/price.ts": "// Stryker disable all\n" + TS_SHIPPING["src/price.ts"]}
    bench.plant(TS_SHOP, {**quiet, "test/price.test.ts": TS_WEAK})
    result = bench.examine("mutation")
    assert result.outcome is Outcome.FAILED, result.reason


# --- architecture ------------------------------------------------------------------------------------------------------

CYCLE = {"src/shop/price.py": "import json\n\nfrom shop.page import SHOWN\n\nFREE = 50\n"}


def test_a_new_import_cycle_fails_at_the_import_that_closes_it(bench: GateBench) -> None:
    bench.plant(CYCLE_FREE, CYCLE)
    result = bench.examine("architecture")
    assert result.outcome is Outcome.FAILED, result.reason
    (finding,) = result.findings
    assert (finding.place, finding.rule) == ("src/shop/price.py:3", "import-cycle")
    assert "src/shop/price.py -> src/shop/page.py -> src/shop/price.py" in finding.message
    assert "src/shop/page.py:1" in finding.message


def test_an_old_cycle_is_nobodys_fault(bench: GateBench) -> None:
    bench.plant({**CYCLE_FREE, **CYCLE}, {"src/shop/page.py": f"{CYCLE_FREE['src/shop/page.py']}\nMORE = 1\n"})
    result = bench.examine("architecture")
    assert result.outcome is Outcome.PASSED, result.reason
    assert "1 was there before" in result.reason
    assert {finding.attribution for finding in result.findings} == {Attribution.PREEXISTING}


def test_without_a_base_cycles_are_warnings(bench: GateBench) -> None:
    bench.plant({**CYCLE_FREE, **CYCLE})
    result = bench.examine("architecture")
    assert result.outcome is Outcome.PASSED
    assert [finding.severity for finding in result.findings] == [Severity.WARNING]


def test_policy_switches_cycles_off(bench: GateBench) -> None:
    bench.plant(CYCLE_FREE, CYCLE, policy="[gates.architecture]\ncycles = false\n")
    assert bench.examine("architecture").outcome is Outcome.SKIPPED


def test_lazy_imports_break_a_cycle(bench: GateBench) -> None:
    lazy = "def free():\n    from shop.page import SHOWN\n\n    return SHOWN\n"
    bench.plant(CYCLE_FREE, {"src/shop/price.py": f"FREE = 50\n\n\n{lazy}"})
    assert bench.examine("architecture").outcome is Outcome.PASSED


RULED: Files = {
    **CYCLE_FREE,
    "pyproject.toml": (
        '[tool.importlinter]\nroot_package = "shop"\n\n[[tool.importlinter.contracts]]\nname = "Layers"\ntype = "layers"\n'
        'layers = ["shop.page", "shop.price"]\n'
    ),
}
UPWARDS = {"src/shop/price.py": "FREE = 50\n\n\ndef shown():\n    from shop import page\n\n    return page\n"}


def test_a_contract_of_the_repository_is_kept_to(bench: GateBench) -> None:
    bench.plant(RULED, UPWARDS)
    result = bench.examine("architecture")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(f.tool, f.rule, f.place) for f in result.findings] == [("import_linter", "Layers", "src/shop/price.py:5")]


def test_a_contract_that_was_broken_before_is_not_blamed_on_the_change(bench: GateBench) -> None:
    bench.plant({**RULED, **UPWARDS}, {"src/shop/page.py": f"{CYCLE_FREE['src/shop/page.py']}\nMORE = 1\n"})
    result = bench.examine("architecture")
    assert result.outcome is not Outcome.FAILED, result.reason
    assert {f.attribution for f in result.findings} == {Attribution.PREEXISTING}


TS_CYCLE_FREE: Files = {
    "package.json": '{"name": "shop", "private": true, "type": "module"}\n',
    "src/page.ts": 'import { free } from "./price.js";\n\nexport const shown = free;\n',
    "src/price.ts": "export const free = 50;\n",
}
TS_CYCLE = {
    "src/price.ts": '// prices\nimport { shown } from "./page.js";\n\nexport const free = 50;\nexport const f = () => shown;\n'
}


def test_a_new_cycle_of_typescript_fails_and_an_old_one_does_not(bench: GateBench) -> None:
    bench.plant(TS_CYCLE_FREE, TS_CYCLE)
    new = bench.examine("architecture")
    assert new.outcome is Outcome.FAILED, new.reason
    assert [(f.tool, f.place) for f in new.findings] == [("dependency_cruiser", "src/price.ts:2")]
    bench.plant(
        {**TS_CYCLE_FREE, **TS_CYCLE}, {"src/page.ts": 'import { free } from "./price.js";\n\nexport const shown = free + 1;\n'}
    )
    old = bench.examine("architecture")
    assert old.outcome is Outcome.PASSED, old.reason


def test_typescript_cycles_cannot_be_judged_without_the_tool(bench: GateBench) -> None:
    bench.plant(TS_CYCLE_FREE, TS_CYCLE)
    result = bench.examine("architecture", environments=Without(bench.environments))
    assert result.outcome is Outcome.ERRORED
    assert "dependency-cruiser cannot be installed" in result.reason
