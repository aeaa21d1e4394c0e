"""The gates unit and coverage with real pytest and real vitest: every seeded fault is found, every clean twin passes."""

from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.results import INSTALLING
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment
from forge_dagster.workspace.environments import LocalEnvironments
from tests.fakes.machine import NoEnvironments
from tests.support.gate_bench import Files, GateBench

PYTHON: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n\n[tool.coverage.run]\nsource = ["src"]\n',
    "src/shop/__init__.py": "",
    "src/shop/price.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_price.py": "from shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}
DISCOUNT = "def total(prices, discount=0):\n    if discount:\n        return sum(prices) - discount\n    return sum(prices)\n"
TESTED = {
    "src/shop/price.py": DISCOUNT,
    "tests/test_price.py": (
        "from shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n\n\n"
        "def test_discount():\n    assert total([1, 2], 1) == 2\n"
    ),
}

pytestmark = pytest.mark.slow


# --- pytest ------------------------------------------------------------------------------------------------------------


def test_a_tested_change_passes_both_gates(bench: GateBench) -> None:
    bench.plant(PYTHON, TESTED)
    unit = bench.examine("unit")
    assert (unit.outcome, unit.metrics["passed"]) == (Outcome.PASSED, 2.0), unit.reason
    coverage = bench.examine("coverage")
    assert coverage.outcome is Outcome.PASSED, coverage.reason
    assert coverage.metrics["new_line_coverage"] == 100.0
    assert coverage.metrics["new_branch_coverage"] == 100.0
    assert not coverage.findings


def test_nothing_is_left_in_the_tree(bench: GateBench) -> None:
    bench.plant(PYTHON, TESTED)
    before = sorted(path for path in bench.root.rglob("*") if ".git" not in path.parts)
    bench.examine("unit")
    bench.examine("coverage")
    assert sorted(path for path in bench.root.rglob("*") if ".git" not in path.parts) == before


@pytest.mark.parametrize(
    ("change", "rule", "place_of_fault"),
    [
        ({"src/shop/price.py": "def total(prices):\n    return 0\n"}, "test-failed", "tests/test_price.py:5"),
        ({"src/shop/price.py": "def total(prices:\n    return 0\n"}, "collection-error", "src/shop/price.py:1"),
        ({"tests/test_new.py": "import nowhere\n\n\ndef test_new():\n    pass\n"}, "collection-error", "tests/test_new.py:1"),
        ({"tests/conftest.py": "raise ValueError('no')\n"}, "conftest", "tests/conftest.py:1"),
        ({"tests/test_price.py": None}, "no-tests", ""),
        ({"tests/test_price.py": "# no test left\n"}, "no-tests", ""),
        (
            {"tests/test_price.py": "import pytest\n\n\n@pytest.mark.skip\ndef test_total():\n    pass\n"},
            "no-tests",
            "",
        ),
    ],
)  # fmt: skip
def test_a_fault_of_the_change_is_found(bench: GateBench, change: Files, rule: str, place_of_fault: str) -> None:
    bench.plant(PYTHON, change)
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(finding.rule, finding.place) for finding in result.findings] == [(rule, place_of_fault)]
    assert all(finding.suggested_fix for finding in result.findings)


@pytest.mark.parametrize(
    "change",
    [
        {"tests/test_z.py": "import os\n\n\ndef test_z():\n    os._exit(0)\n"},
        {
            "tests/conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
            "tests/test_z.py": "def test_z():\n    assert 0\n",
        },
        {"pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\naddopts = "--collect-only"\n'},
        {"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--no-such-option"\n'},
        {"tests/test_z.py": "import os, signal\n\n\ndef test_z():\n    os.kill(os.getpid(), signal.SIGKILL)\n"},
    ],
    ids=["os._exit", "exit status set to 0", "collects only", "unknown option", "killed"],
)
def test_a_suite_that_hides_its_end_never_passes(bench: GateBench, change: Files) -> None:
    bench.plant(PYTHON, change)
    result = bench.examine("unit")
    assert result.outcome in (Outcome.ERRORED, Outcome.FAILED)
    assert all(finding.rule == "canary-survived" for finding in result.findings)
    assert "pytest" in result.reason


def test_a_suite_that_hangs_is_errored_within_its_limit(bench: GateBench) -> None:
    hangs = {"tests/test_z.py": "import time\n\n\ndef test_z():\n    time.sleep(600)\n"}
    bench.plant(PYTHON, hangs)
    bench.environments.of(bench.checkout.project.languages[0], root=bench.root, project=bench.checkout.project, log=print)
    bench.plant(PYTHON, hangs, policy='[gates.unit]\ntimeout = "3s"\n')
    result = bench.examine("unit")
    assert result.outcome is Outcome.ERRORED
    assert result.reason.startswith("timed out after 3s")


def test_without_an_environment_it_is_errored(bench: GateBench) -> None:
    bench.plant(PYTHON, TESTED)
    result = bench.examine("unit", environments=NoEnvironments())
    assert result.outcome is Outcome.ERRORED
    assert "nothing is installed here" in result.reason


def test_uncovered_new_lines_are_findings(bench: GateBench) -> None:
    bench.plant(PYTHON, {"src/shop/price.py": DISCOUNT})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.FAILED
    assert [(f.place, f.rule) for f in result.findings] == [
        ("src/shop/price.py:3", "uncovered-lines"),
        ("src/shop/price.py:2", "uncovered-branch"),
        ("", "overall-decrease"),
    ]
    assert result.metrics["base_line_coverage"] == 100.0


def test_a_new_file_that_no_test_imports_is_uncovered(bench: GateBench) -> None:
    without_source = {**PYTHON, "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n'}
    bench.plant(without_source, {"src/shop/cart.py": "ITEMS = []\n\n\ndef add(item):\n    ITEMS.append(item)\n"})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.FAILED
    assert result.metrics["new_line_coverage"] == 0.0
    assert result.findings[0].file == "src/shop/cart.py"


def test_a_change_without_code_is_not_applicable(bench: GateBench) -> None:
    bench.plant(PYTHON, {"prices.csv": "1,2\n"})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.SKIPPED
    assert "not applicable" in result.reason


def test_a_deleted_test_lowers_the_whole(bench: GateBench) -> None:
    base = {**PYTHON, **TESTED}
    bench.plant(base, {"tests/test_price.py": PYTHON["tests/test_price.py"]})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.FAILED
    assert [(f.rule, f.place) for f in result.findings] == [
        ("overall-decrease", ""),
        ("no-longer-covered", "src/shop/price.py:3"),
    ]
    assert sum(line.startswith("running the tests once more") for line in bench.log) == 1


def test_what_tests_execute_by_chance_is_not_held_against_the_change(bench: GateBench) -> None:
    by_turns = "import pathlib\n\nfrom shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n\n\n"
    by_turns += "def test_discount():\n    if pathlib.Path('ran').exists():\n        assert total([1, 2], 1) == 2\n"
    by_turns += "    pathlib.Path('ran').touch()\n"
    bench.plant({**PYTHON, **TESTED, ".gitignore": "__pycache__/\nran\n"}, {"tests/test_price.py": by_turns})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.SKIPPED, result.reason
    assert "some lines are executed in one run and not in another" in result.reason
    assert not result.findings


def test_the_base_is_measured_once(bench: GateBench) -> None:
    bench.plant(PYTHON, TESTED)
    bench.examine("unit")
    first = bench.examine("coverage")
    bench.log.clear()
    again = bench.examine("coverage")
    assert again.metrics.items() <= first.metrics.items()
    assert {*first.metrics} - {*again.metrics} <= {INSTALLING}
    assert "the base's coverage is known from an earlier run" in bench.log
    assert not any("$ " in line for line in bench.log)


def test_a_red_base_does_not_blame_the_change(bench: GateBench) -> None:
    bench.plant({**PYTHON, "tests/test_price.py": "def test_total():\n    assert 0\n"}, TESTED)
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.PASSED
    assert "the base cannot be compared with" in result.reason


def test_a_coverage_report_that_cannot_be_read_is_errored(bench: GateBench) -> None:
    bench.plant(PYTHON, TESTED)
    unit = bench.examine("unit")
    Path(unit.artifacts["coverage"]).write_text("{")
    result = bench.examine("coverage")
    assert (result.outcome, "cannot be read" in result.reason) == (Outcome.ERRORED, True)


def test_no_language_and_unknown_runners(bench: GateBench) -> None:
    bench.plant({"README.md": "# Only words\n"})
    result = bench.examine("unit")
    assert (result.outcome, "no language recognised" in result.reason) == (Outcome.SKIPPED, True), result.reason
    assert bench.examine("coverage").outcome is Outcome.SKIPPED
    bench.plant({"package.json": '{"name": "a", "scripts": {"test": "ava"}}', "test/a.test.js": "it('a', () => {});\n"})
    result = bench.examine("unit")
    assert (result.outcome, "ava is not among Forge's own tools" in result.reason) == (Outcome.ERRORED, True), result.reason


# --- vitest ------------------------------------------------------------------------------------------------------------

VITEST: Files = {
    ".gitignore": "node_modules/\n",
    "package.json": (
        '{"name": "shop", "type": "module",\n "devDependencies": {"vitest": "4.1.10", "@vitest/coverage-v8": "4.1.10"}}\n'
    ),
    "src/price.ts": "export function total(prices: number[]): number {\n  return prices.reduce((a, b) => a + b, 0);\n}\n",
    "src/price.test.ts": (
        'import { expect, test } from "vitest";\nimport { total } from "./price";\n\n'
        'test("total", () => {\n  expect(total([1, 2])).toBe(3);\n});\n'
    ),
}
TS_DISCOUNT = (
    "export function total(prices: number[], discount = 0): number {\n  if (discount > 0) {\n"
    "    return prices.reduce((a, b) => a + b, -discount);\n  }\n  return prices.reduce((a, b) => a + b, 0);\n}\n"
)


def test_vitest_clean_and_uncovered(bench: GateBench) -> None:
    test = str(VITEST["src/price.test.ts"]) + 'test("discount", () => {\n  expect(total([1, 2], 1)).toBe(2);\n});\n'
    bench.plant(VITEST, {"src/price.ts": TS_DISCOUNT, "src/price.test.ts": test})
    assert bench.examine("unit").outcome is Outcome.PASSED
    covered = bench.examine("coverage")
    assert (covered.outcome, covered.metrics["new_line_coverage"]) == (Outcome.PASSED, 100.0), covered.reason
    bench.plant(VITEST, {"src/price.ts": TS_DISCOUNT})
    assert bench.examine("unit").outcome is Outcome.PASSED
    uncovered = bench.examine("coverage")
    assert uncovered.outcome is Outcome.FAILED
    assert ("src/price.ts", 3) in {(f.file, f.line) for f in uncovered.findings}


@pytest.mark.parametrize(
    ("change", "outcome", "rule"),
    [
        ({"src/price.ts": "export const total = (): number => 0;\n"}, Outcome.FAILED, "test-failed"),
        ({"src/price.ts": "export const total = (: number => 0;\n"}, Outcome.FAILED, "collection-error"),
        ({"src/price.test.ts": None}, Outcome.FAILED, "no-tests"),
        ({"src/price.test.ts": 'import { test } from "vitest";\ntest.skip("a", () => {});\n'}, Outcome.FAILED, "no-tests"),
        ({"vitest.config.ts": 'throw new Error("no");\n'}, Outcome.ERRORED, None),
    ],
)
def test_vitest_faults(bench: GateBench, change: Files, outcome: Outcome, rule: str | None) -> None:
    bench.plant(VITEST, change)
    result = bench.examine("unit")
    assert result.outcome is outcome, result.reason
    assert {finding.rule for finding in result.findings if finding.severity is Severity.ERROR} == ({rule} if rule else set())


def _without_provider(version: str) -> Files:
    package = f'{{"name": "shop", "type": "module", "devDependencies": {{"vitest": "{version}"}}}}\n'
    return {**VITEST, "package.json": package}


@pytest.mark.parametrize("version", ["1.6.1", "2.1.9", "3.2.4", "4.1.10"])
def test_vitest_without_a_coverage_provider_is_measured_by_forges(bench: GateBench, version: str) -> None:
    bench.plant(_without_provider(version), {"src/price.ts": TS_DISCOUNT})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.FAILED, result.reason
    assert ("src/price.ts", 3) in {(f.file, f.line) for f in result.findings}


def test_vitest_that_nothing_can_measure_is_not_taken_for_covered(bench: GateBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def pinned(*_arguments: object, **_named: object) -> Environment:
        raise WorkspaceError("the registry does not answer", hint="check the network")

    monkeypatch.setattr(LocalEnvironments, "pinned", pinned)
    bench.plant(_without_provider("4.1.10"), {"src/price.ts": TS_DISCOUNT})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("coverage")
    assert result.outcome is Outcome.ERRORED
    assert "@vitest/coverage-v8" in result.reason
