"""A change that loosens the configuration of a tool is judged under the base's, too: with the real ruff."""

from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.support.gate_bench import Files, GateBench

STRICT = '[project]\nname = "shop"\n\n[tool.ruff.lint]\nselect = ["E", "F"]\n'
LOOSE = STRICT + 'ignore = ["F401"]\n'
BASE: Files = {"pyproject.toml": STRICT, "shop.py": "LIMIT = 3\n"}


def loosened(folder: Path, change: Files) -> tuple[Outcome, list[tuple[str, str | None, int | None]]]:
    run = ProcessRun(home=None, run_id="base-configuration")
    bench = GateBench(folder, run, LocalEnvironments(folder / "home", run, domain="change"))
    try:
        bench.plant(BASE, change)
        result = bench.examine("lint")
    finally:
        run.stop()
    found = [f for f in result.findings if f.category is Category.INTEGRITY]
    assert all(f.severity is Severity.WARNING for f in found)
    return result.outcome, [(f.rule, f.file, f.line) for f in found]


def test_what_only_the_bases_configuration_finds_asks_for_a_person(tmp_path: Path) -> None:
    change: Files = {"pyproject.toml": LOOSE, "shop.py": "import os\n\nLIMIT = 3\n"}
    assert loosened(tmp_path, change) == (Outcome.PASSED, [("loosened-configuration", "shop.py", 1)])


def test_code_that_is_right_under_both_is_not_asked_about(tmp_path: Path) -> None:
    change: Files = {"pyproject.toml": STRICT + "preview = false\n", "shop.py": "LIMIT = 4\n"}
    assert loosened(tmp_path, change) == (Outcome.PASSED, [])


SUITE: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "shop.py": "def total(prices):\n    return sum(prices)\n",
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef prices():\n    return [1, 2]\n",
    "tests/test_shop.py": "from shop import total\n\n\ndef test_total(prices):\n    assert total(prices) == 3\n",
}
WRONG = "def total(prices):\n    return sum(prices) + 1\n"


def suite(folder: Path, changes: dict[str, Files]) -> dict[str, tuple[Outcome, list[tuple[str, str | None, str]], int]]:
    """What gate unit says of each change, and how often the tests ran."""
    run = ProcessRun(home=None, run_id="base-suite")
    bench = GateBench(folder, run, LocalEnvironments(folder / "home", run, domain="change"))
    found = {}
    try:
        for name, change in changes.items():
            bench.plant(SUITE, change)
            bench.log.clear()
            result = bench.examine("unit")
            asked = [f for f in result.findings if f.category is Category.INTEGRITY and f.severity is Severity.WARNING]
            times = sum(" -p forge_canary_pytest" in line for line in bench.log)
            found[name] = (result.outcome, [(f.rule, f.file, f.message) for f in asked], times)
    finally:
        run.stop()
    return found


@pytest.mark.slow
def test_tests_that_fail_under_what_the_base_ran_them_under_ask_for_a_person(tmp_path: Path) -> None:
    looser = "import pytest\n\n\n@pytest.fixture\ndef prices():\n    return [1, 1]\n"
    deselected = '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = "-k other"\n'
    fixture = (
        "import pytest\n\n\n@pytest.fixture\ndef prices():\n    return [1, 2]\n\n\n@pytest.fixture\ndef more():\n    return 1\n"
    )
    found = suite(
        tmp_path,
        {
            "a fixture that fits the fault": {"shop.py": WRONG, "tests/conftest.py": looser},
            "tests left out": {
                "shop.py": WRONG,
                "pyproject.toml": deselected,
                "tests/test_other.py": "def test_other():\n    pass\n",
            },
            "a fixture that nobody asks for yet": {"tests/conftest.py": fixture},
            "nothing of the kind": {"shop.py": "def total(prices):\n    return sum(list(prices))\n"},
        },
    )
    outcome, asked, times = found["a fixture that fits the fault"]
    assert (outcome, [(rule, file) for rule, file, _ in asked], times) == (
        Outcome.PASSED,
        [("loosened-tests", "tests/conftest.py")],
        2,
    )
    assert "tests/test_shop.py::test_total failed" in asked[0][2]
    outcome, asked, times = found["tests left out"]
    assert (outcome, [(rule, file) for rule, file, _ in asked]) == (
        Outcome.PASSED,
        [("loosened-tests", "pyproject.toml"), ("test-not-collected", "tests/test_shop.py")],
    )
    assert found["a fixture that nobody asks for yet"] == (Outcome.PASSED, [], 2)
    assert found["nothing of the kind"] == (Outcome.PASSED, [], 1)


@pytest.mark.slow
def test_what_is_hidden_from_the_comparison_asks_for_a_person(tmp_path: Path) -> None:
    looser = "import pytest\n\n\n@pytest.fixture\ndef prices():\n    return [1, 1]\n"
    unlisted = str(SUITE["tests/conftest.py"])
    refuses = "\n\ndef pytest_configure(config):\n    if config.option.collectonly:\n        raise pytest.UsageError('no')\n"
    padding: dict[str, str | None] = {f"a{number:02}/conftest.py": "" for number in range(45)}
    found = suite(
        tmp_path,
        {
            "tests that are not listed": {"tests/conftest.py": unlisted + refuses},
            "a fixture among many files": {**padding, "shop.py": WRONG, "tests/conftest.py": looser},
        },
    )
    outcome, asked, _ = found["tests that are not listed"]
    assert (outcome, [rule for rule, _, _ in asked]) == (Outcome.PASSED, ["unexaminable"])
    assert "does not list them" in asked[0][2]
    outcome, asked, times = found["a fixture among many files"]
    assert (outcome, [rule for rule, _, _ in asked], times) == (Outcome.PASSED, ["unexaminable"], 1)
    assert "touches 46 files" in asked[0][2]
