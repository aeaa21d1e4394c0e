"""Reruns, unittest, properties, snapshots and what is left to the gate integration, with the real runners of Python tests."""

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from tests.fakes.machine import NoEnvironments
from tests.support.gate_bench import Files, GateBench

PYTEST: Files = {
    ".gitignore": "__pycache__/\nleft-over.txt\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    "requirements.txt": "hypothesis\nsyrupy\n",
    "src/shop/__init__.py": "",
    "src/shop/price.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_price.py": "from shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}
HOLDS = (
    "from hypothesis import given\nfrom hypothesis import strategies as st\n\nfrom shop.price import total\n\n\n"
    "@given(st.lists(st.integers()))\ndef test_order_does_not_matter(prices):\n"
    "    assert total(prices) == total(prices[::-1])\n"
)
FALSE = HOLDS.replace("total(prices) == total(prices[::-1])", "total(prices) < 100")
SNAPSHOT = "from shop.price import total\n\n\ndef test_total(snapshot):\n    assert total([1, 2]) == snapshot\n"
AMBR = "# serializer version: 1\n# name: test_total\n  3\n# ---\n"
OBSOLETE = f"{AMBR}# name: test_total_of_nothing\n  0\n# ---\n"

pytestmark = pytest.mark.slow


# --- reruns ------------------------------------------------------------------------------------------------------------

FLAKY = (
    'from pathlib import Path\n\nLEFT = Path(__file__).with_name("left-over.txt")\n\n\n'
    "def test_flaky():\n    seen = LEFT.exists()\n    LEFT.touch()\n    assert seen\n"
)


def test_a_failed_test_that_passes_alone_is_flaky(bench: GateBench) -> None:
    bench.plant(
        {**PYTEST, "tests/test_flaky.py": FLAKY}, {"src/shop/price.py": "def total(prices):\n    return sum(prices, 0)\n"}
    )
    result = bench.examine("unit")
    assert [(f.attribution, f.file) for f in result.findings] == [(Attribution.FLAKY, "tests/test_flaky.py")]
    assert result.outcome is Outcome.ERRORED, result.reason


def test_a_flaky_test_of_the_change_itself_fails_it(bench: GateBench) -> None:
    bench.plant(PYTEST, {"tests/test_flaky.py": FLAKY})
    assert bench.examine("unit").outcome is Outcome.FAILED


def test_a_test_that_fails_again_is_the_change_s(bench: GateBench) -> None:
    bench.plant(PYTEST, {"src/shop/price.py": "def total(prices):\n    return 0\n"})
    result = bench.examine("unit")
    assert (result.outcome, [f.attribution for f in result.findings]) == (Outcome.FAILED, [Attribution.NEW])
    assert sum(line.startswith("pytest$") and "rerun-0.xml" in line for line in bench.log) == 1


# --- property ----------------------------------------------------------------------------------------------------------


def test_a_property_that_holds_passes_with_the_head_s_seed(bench: GateBench) -> None:
    bench.plant(PYTEST, {"tests/test_property.py": HOLDS})
    first = bench.examine("property")
    assert (first.outcome, first.tools[0].examined) == (Outcome.PASSED, 1), first.reason
    seed = int(first.metrics["seed"])
    assert f"(seed {seed})" in first.reason
    assert bench.examine("property").metrics["seed"] == seed
    assert any(f"--hypothesis-seed={seed}" in line and "tests/test_property.py" in line for line in bench.log)
    assert not (bench.root / ".hypothesis").exists()


def test_a_property_that_does_not_hold_is_told_by_its_counterexample(bench: GateBench) -> None:
    bench.plant(PYTEST, {"tests/test_property.py": FALSE}, policy="[gates.property]\nseed = 7\n")
    result = bench.examine("property")
    assert result.outcome is Outcome.FAILED, result.reason
    (finding,) = result.findings
    assert "prices=[100]" in finding.message
    assert (finding.rule, finding.file) == ("test-failed", "tests/test_property.py")
    assert "--hypothesis-seed=7" in finding.suggested_fix
    assert result.metrics["seed"] == 7.0


def test_properties_that_are_not_there_or_cannot_be_run(bench: GateBench) -> None:
    bench.plant(PYTEST, {"src/shop/price.py": "def total(prices):\n    return sum(prices, 0)\n"})
    result = bench.examine("property")
    assert (result.outcome, "no property-based tests" in result.reason) == (Outcome.SKIPPED, True)
    bench.plant(PYTEST, {"tests/test_property.py": HOLDS})
    assert bench.examine("property", environments=NoEnvironments()).outcome is Outcome.ERRORED
    bench.plant(PYTEST, {"tests/test_property.py": f"import os\n\nos._exit(0)\n{HOLDS}"})
    assert bench.examine("property").outcome is Outcome.ERRORED
    bench.plant(
        PYTEST,
        {"tests/test_property.py": f"import time\n\ntime.sleep(60)\n{HOLDS}"},
        policy='[gates.property]\ntimeout = "3s"\n',
    )
    assert bench.examine("property").outcome is Outcome.ERRORED
    bench.plant(PYTEST, {"tests/test_property.py": "import hypothesis\n"})
    assert bench.examine("property").outcome is Outcome.FAILED
    bench.plant(PYTEST, {"tests/strategies.py": "from hypothesis import strategies\n"})
    assert bench.examine("property").outcome is Outcome.SKIPPED


# --- snapshots ---------------------------------------------------------------------------------------------------------


def test_snapshots_that_are_all_compared_pass(bench: GateBench) -> None:
    bench.plant(PYTEST, {"tests/test_price.py": SNAPSHOT, "tests/__snapshots__/test_price.ambr": AMBR})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("snapshot")
    assert (result.outcome, result.metrics["snapshots"]) == (Outcome.PASSED, 1.0), result.reason


def test_an_obsolete_snapshot_passes_unit_and_fails_snapshot(bench: GateBench) -> None:
    bench.plant(PYTEST, {"tests/test_price.py": SNAPSHOT, "tests/__snapshots__/test_price.ambr": OBSOLETE})
    unit = bench.examine("unit")
    assert unit.outcome is Outcome.PASSED, unit.reason
    result = bench.examine("snapshot")
    assert result.outcome is Outcome.FAILED, result.reason
    (finding,) = result.findings
    assert (finding.rule, finding.file, finding.attribution, finding.severity) == (
        "snapshot-obsolete",
        "tests/__snapshots__/test_price.ambr",
        Attribution.NEW,
        Severity.ERROR,
    )
    assert "test_total_of_nothing" in finding.message


def test_what_is_obsolete_on_the_base_too_is_not_the_change_s(bench: GateBench) -> None:
    base = {**PYTEST, "tests/test_price.py": SNAPSHOT, "tests/__snapshots__/test_price.ambr": OBSOLETE}
    bench.plant(base, {"src/shop/price.py": "def total(prices):\n    return sum(prices, 0)\n"})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("snapshot")
    assert (result.outcome, [f.attribution for f in result.findings]) == (Outcome.PASSED, [Attribution.PREEXISTING])
    assert "baseline red" in result.reason


def test_a_snapshot_that_the_run_writes_is_a_finding(bench: GateBench) -> None:
    updates = '[tool.pytest.ini_options]\npythonpath = ["src"]\naddopts = "--snapshot-update"\n'
    bench.plant(PYTEST, {"pyproject.toml": updates, "tests/test_price.py": SNAPSHOT})
    assert bench.examine("unit").outcome is Outcome.PASSED
    result = bench.examine("snapshot")
    assert result.outcome is Outcome.FAILED, result.reason
    assert {(f.rule, f.file) for f in result.findings} == {("snapshot-written", "tests/__snapshots__/test_price.ambr")}


def test_snapshots_are_not_judged_without_tests_that_passed(bench: GateBench) -> None:
    bench.plant(PYTEST, {"src/shop/price.py": "def total(prices):\n    return sum(prices, 0)\n"})
    assert bench.examine("snapshot").outcome is Outcome.ERRORED
    assert bench.examine("unit").outcome is Outcome.PASSED
    assert bench.examine("snapshot").outcome is Outcome.SKIPPED
    bench.plant(PYTEST, {"src/shop/price.py": "def total(prices):\n    return 0\n"})
    assert bench.examine("unit").outcome is Outcome.FAILED
    assert bench.examine("snapshot").outcome is Outcome.ERRORED


# --- integration tests -------------------------------------------------------------------------------------------------


def test_integration_tests_are_left_to_their_gate(bench: GateBench) -> None:
    fails = "def test_service():\n    assert False\n"
    bench.plant(PYTEST, {"tests/integration/test_service.py": fails, "tests/test_integration_all.py": fails})
    assert bench.examine("unit").outcome is Outcome.PASSED
    bench.plant({**PYTEST, "tests/test_price.py": "# none\n"}, {"tests/integration/test_service.py": fails})
    result = bench.examine("unit")
    assert (result.outcome, "all tests are integration tests" in result.reason) == (Outcome.SKIPPED, True), result.reason
    policy = "[gates.integration]\nenabled = false\n"
    bench.plant({**PYTEST, "tests/test_price.py": "# none\n"}, {"tests/integration/test_service.py": fails}, policy=policy)
    assert bench.examine("unit").outcome is Outcome.FAILED


def test_coverage_counts_what_unit_and_integration_tests_execute_together(bench: GateBench) -> None:
    discount = (
        "def total(prices, discount=0):\n    if discount:\n        return sum(prices) - discount\n    return sum(prices)\n"
    )
    test = "from shop.price import total\n\n\ndef test_discount():\n    assert total([1, 2], 1) == 2\n"
    bench.plant(PYTEST, {"src/shop/price.py": discount, "tests/integration/test_discount.py": test})
    assert bench.examine("unit").outcome is Outcome.PASSED
    alone = bench.examine("coverage")
    assert alone.outcome is Outcome.FAILED, alone.reason
    assert bench.examine("integration").outcome is Outcome.PASSED, bench.results["integration"].reason
    both = bench.examine("coverage")
    assert both.outcome is Outcome.PASSED, both.reason
    assert (both.metrics["new_line_coverage"], both.metrics["new_branch_coverage"]) == (100.0, 100.0)


# --- unittest ----------------------------------------------------------------------------------------------------------

UNITTEST: Files = {
    ".gitignore": "__pycache__/\n",
    "requirements.txt": "# none\n",
    "shop/__init__.py": "",
    "shop/price.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_price.py": (
        "import unittest\n\nfrom shop.price import total\n\n\nclass PriceTest(unittest.TestCase):\n"
        "    def test_total(self):\n        self.assertEqual(total([1, 2]), 3)\n"
    ),
}
LOADED = (
    "import unittest\n\n\nclass Loaded(unittest.TestCase):\n    def check(self):\n        self.assertTrue(True)\n\n\n"
    "def load_tests(loader, tests, pattern):\n    return unittest.TestSuite([Loaded('check')])\n"
)


def test_a_unittest_suite_is_run_and_measured(bench: GateBench) -> None:
    more = "def total(prices, discount=0):\n    if discount:\n        return sum(prices) - discount\n    return sum(prices)\n"
    bench.plant(UNITTEST, {"shop/price.py": more, "tests/test_loaded.py": LOADED})
    unit = bench.examine("unit")
    assert [(run.tool, run.outcome, run.examined) for run in unit.tools] == [("unittest", Outcome.PASSED, 2)], unit.reason
    assert "imports unittest" in unit.tools[0].chosen_because
    coverage = bench.examine("coverage")
    assert coverage.outcome is Outcome.FAILED
    assert ("shop/price.py", 3, "uncovered-lines") in {(f.file, f.line, f.rule) for f in coverage.findings}


def test_a_unittest_suite_whose_assertions_were_taken_away_is_found(bench: GateBench) -> None:
    taken = "import unittest\n\nunittest.TestCase.assertEqual = lambda *_: None\n"
    bench.plant(UNITTEST, {"tests/__init__.py": taken, "shop/price.py": "def total(prices):\n    return 0\n"})
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [finding.rule for finding in result.findings] == ["canary-survived"]


def test_unittest_as_the_repository_s_own_command_says(bench: GateBench) -> None:
    tox = "[testenv]\ncommands = python -m unittest discover -s checks -p '*_check.py'\n"
    checks = {"tox.ini": tox, "checks/price_check.py": UNITTEST["tests/test_price.py"]}
    bench.plant({**UNITTEST, **checks}, {"shop/price.py": "def total(prices):\n    return 0\n"})
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(f.file, f.rule, f.attribution) for f in result.findings] == [
        ("checks/price_check.py", "test-failed", Attribution.NEW)
    ]
    assert sum(line.startswith("unittest$") and "rerun-0.json" in line for line in bench.log) == 1


@pytest.mark.parametrize(
    ("change", "outcome", "rule"),
    [
        ({"shop/price.py": "def total(prices):\n    return 0\n"}, Outcome.FAILED, "test-failed"),
        ({"shop/price.py": "def total(prices:\n    return 0\n"}, Outcome.FAILED, "collection-error"),
        ({"tests/test_price.py": "import unittest\n\n\nclass TestCase: ...\n"}, Outcome.FAILED, "no-tests"),
        ({"tests/test_z.py": "import os\nimport unittest\n\nos._exit(0)\n"}, Outcome.ERRORED, None),
        ({"tests/test_z.py": "import sys\nimport unittest\n\nsys.exit(0)\n"}, Outcome.FAILED, "collection-error"),
    ],
)
def test_unittest_faults(bench: GateBench, change: Files, outcome: Outcome, rule: str | None) -> None:
    bench.plant(UNITTEST, change)
    result = bench.examine("unit")
    assert result.outcome is outcome, result.reason
    assert {finding.rule for finding in result.findings} == ({rule} if rule else set())
    assert [run.tool for run in result.tools] == ["unittest"]


def test_unittest_without_its_environment_or_time_is_errored(bench: GateBench) -> None:
    bench.plant(UNITTEST, {"shop/price.py": "def total(prices):\n    return sum(prices, 0)\n"})
    assert bench.examine("unit", environments=NoEnvironments()).outcome is Outcome.ERRORED
    slow = {"tests/test_z.py": "import time\nimport unittest\n\ntime.sleep(60)\n"}
    bench.plant(UNITTEST, slow, policy='[gates.unit]\ntimeout = "3s"\n')
    assert bench.examine("unit").outcome is Outcome.ERRORED
