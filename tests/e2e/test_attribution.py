"""Whose doing a failure is, with real tools: the base is asked, and what it has too does not blame the change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.domain.check_report import overall_outcome
from forge_dagster.domain.decisions import Decision, Risk, RiskLevel, TrustLevel
from forge_dagster.domain.graph import gate_spec
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.domain.verdict import Case, give_verdict
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.support.gate_bench import Files, GateBench

RUFF: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": '[tool.ruff]\nline-length = 100\n[tool.ruff.lint]\nselect = ["F"]\n',
    "src/shop/__init__.py": "",
    "src/shop/old.py": "import os\n\n\ndef total(prices):\n    return sum(prices)\n",
}
CLEAN = {"src/shop/new.py": "def count(prices):\n    return len(prices)\n"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forge's home with its toolbox, kept from one test run to the next as pip's cache is."""
    folder = tmp_path_factory.getbasetemp().parent / "forge-toolbox"
    folder.mkdir(exist_ok=True)
    return folder.resolve()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench").resolve()


@pytest.fixture
def run() -> Iterator[ProcessRun]:
    run = ProcessRun(home=None, run_id="attribution")
    yield run
    run.stop()


@pytest.fixture
def bench(home: Path, place: Path, run: ProcessRun) -> GateBench:
    return GateBench(place, run, LocalEnvironments(home, run, domain="change"))


def told(result: GateResult) -> list[tuple[str, Attribution]]:
    return sorted((finding.place, finding.attribution) for finding in result.findings)


def verdict_on(result: GateResult) -> Decision:
    """The decision on a trusted author's low-risk change for which this is the only gate."""
    case = Case(
        attempt_id=1, repository="o/r", number=1, head_sha="a" * 40, specs=(gate_spec(result.gate),),
        results={result.gate: result}, risk=Risk(level=RiskLevel.LOW), trust=TrustLevel.L3, kind_declared=True,
    )  # fmt: skip
    return give_verdict(case).decision


# --- linters -----------------------------------------------------------------------------------------------------------


def test_an_old_finding_does_not_blame_a_clean_change_and_stops_its_auto_merge(bench: GateBench) -> None:
    bench.plant(RUFF, CLEAN)
    result = bench.examine("lint")
    assert (result.outcome, result.reason) == (Outcome.PASSED, "ruff: baseline red: 1 finding that the base has too")
    assert told(result) == [("src/shop/old.py:1", Attribution.PREEXISTING)]
    assert result.findings[0].severity is Severity.ERROR
    assert verdict_on(result) is Decision.REVIEW
    assert overall_outcome([result])[0] is Outcome.PASSED


def test_a_clean_base_asks_for_nobody(bench: GateBench) -> None:
    bench.plant({**RUFF, "src/shop/old.py": "X = 1\n"}, CLEAN)
    assert verdict_on(bench.examine("lint")) is Decision.MERGE


def test_a_new_finding_beside_an_old_one_fails_alone(bench: GateBench) -> None:
    bench.plant(RUFF, {"src/shop/old.py": "import re\nimport os\n\n\ndef total(prices):\n    return sum(prices)\n"})
    result = bench.examine("lint")
    assert result.outcome is Outcome.FAILED
    assert "1 finding that the base has too does not count" in result.reason
    assert told(result) == [("src/shop/old.py:1", Attribution.NEW), ("src/shop/old.py:2", Attribution.PREEXISTING)]
    assert result.findings[0].attribution is Attribution.NEW
    assert verdict_on(result) is Decision.REJECT


def test_a_finding_on_an_untouched_line_that_the_change_causes_is_new(bench: GateBench) -> None:
    used = {**RUFF, "src/shop/old.py": "import os\n\n\ndef total(prices):\n    return os.sep, sum(prices)\n"}
    bench.plant(used, {"src/shop/old.py": "import os\n\n\ndef total(prices):\n    return sum(prices)\n"})
    result = bench.examine("lint")
    assert (result.outcome, told(result)) == (Outcome.FAILED, [("src/shop/old.py:1", Attribution.NEW)])


def test_a_renamed_file_brings_its_old_findings_along(bench: GateBench) -> None:
    moved = {"src/shop/old.py": None, "src/shop/renamed.py": f"\n\n{RUFF['src/shop/old.py']!s}"}
    bench.plant(RUFF, moved)
    result = bench.examine("lint")
    assert result.outcome is Outcome.PASSED, result.reason
    assert told(result) == [("src/shop/renamed.py:3", Attribution.PREEXISTING)]


def test_all_changes_on_a_base_pay_once_for_asking_it(bench: GateBench) -> None:
    bench.plant(RUFF, CLEAN)
    assert bench.examine("lint").outcome is Outcome.PASSED
    assert any("asking it about the base" in line for line in bench.log)
    bench.log.clear()
    again = bench.examine("lint")
    assert (again.outcome, told(again)) == (Outcome.PASSED, [("src/shop/old.py:1", Attribution.PREEXISTING)])
    assert not any("asking it about the base" in line for line in bench.log)
    assert any("known from an earlier run" in line for line in bench.log)
    for kept in (bench.folder / "cache" / "baseline").iterdir():
        kept.write_text("{damaged")
    assert bench.examine("lint").outcome is Outcome.PASSED


def test_a_base_that_cannot_be_examined_leaves_the_gate_failed_and_says_why(bench: GateBench) -> None:
    broken = {**RUFF, "pyproject.toml": "[tool.ruff]\nno-such-option = 1\n"}
    bench.plant(broken, {"pyproject.toml": RUFF["pyproject.toml"]})
    result = bench.examine("lint")
    # that it could not be judged under the base's configuration, which it replaces, is told besides
    assert (result.outcome, told(result)) == (
        Outcome.FAILED,
        [("", Attribution.NEW), ("src/shop/old.py:1", Attribution.UNKNOWN)],
    )
    assert "the base could not be compared with: ruff" in result.reason
    assert not (bench.folder / "cache" / "baseline").exists()


def test_a_default_tool_warns_where_there_is_nothing_to_compare_with(bench: GateBench) -> None:
    files = {**RUFF, "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n'}
    bench.plant(files)
    result = bench.examine("lint")
    assert result.outcome is Outcome.PASSED
    assert "Forge's default ruff, which nobody here chose; nothing to compare with" in result.reason
    assert [(finding.place, finding.severity) for finding in result.findings] == [("src/shop/old.py:1", Severity.WARNING)]
    bench.plant(RUFF)
    assert bench.examine("lint").outcome is Outcome.FAILED
    bench.plant(files, policy='[gates.lint]\ntools = ["ruff"]\n')
    assert bench.examine("lint").outcome is Outcome.FAILED


def test_a_default_tool_judges_what_a_change_adds(bench: GateBench) -> None:
    files = {**RUFF, "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n'}
    bench.plant(files, {"src/shop/new.py": "import re\n"})
    result = bench.examine("lint")
    assert result.outcome is Outcome.FAILED
    assert told(result) == [("src/shop/new.py:1", Attribution.NEW), ("src/shop/old.py:1", Attribution.PREEXISTING)]


def test_a_file_that_was_unformatted_does_not_blame_a_change_elsewhere_in_it(bench: GateBench) -> None:
    before = "A = {'a' : 1}\n\n\ndef f():\n    return 1\n"
    bench.plant({**RUFF, "src/shop/old.py": before}, {"src/shop/old.py": before.replace("return 1", "return 2")})
    assert bench.examine("format").outcome is Outcome.PASSED
    bench.plant({**RUFF, "src/shop/old.py": "A = 1\n"}, {"src/shop/old.py": "A = 1\nB = {'a' : 1}\n"})
    assert bench.examine("format").outcome is Outcome.FAILED


# --- tests -------------------------------------------------------------------------------------------------------------

SUITE: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    "src/shop/__init__.py": "",
    "src/shop/price.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_price.py": "from shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
    "tests/test_old.py": "def test_old():\n    assert 1 == 2\n\n\ndef test_fine():\n    assert True\n",
}
GREEN = {**SUITE, "tests/test_old.py": "def test_fine():\n    assert True\n"}
TESTED = {
    "src/shop/price.py": "def total(prices):\n    return sum(prices)\n\n\ndef count(prices):\n    return len(prices)\n",
    "tests/test_count.py": "from shop.price import count\n\n\ndef test_count():\n    assert count([1, 2]) == 2\n",
}


@pytest.mark.slow
def test_a_test_that_fails_on_the_base_too_does_not_blame_the_change(bench: GateBench) -> None:
    bench.plant(SUITE, TESTED)
    result = bench.examine("unit")
    assert (result.outcome, result.reason) == (Outcome.PASSED, "pytest: baseline red: 1 finding that the base has too")
    assert told(result) == [("tests/test_old.py:2", Attribution.PREEXISTING)]
    assert verdict_on(result) is Decision.REVIEW
    coverage = bench.examine("coverage")
    assert (coverage.outcome, coverage.metrics.get("new_line_coverage")) == (Outcome.PASSED, 100.0), coverage.reason


@pytest.mark.slow
def test_a_test_that_the_change_breaks_fails_beside_one_that_was_broken(bench: GateBench) -> None:
    bench.plant(SUITE, {"src/shop/price.py": "def total(prices):\n    return 0\n"})
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED
    assert told(result) == [("tests/test_old.py:2", Attribution.PREEXISTING), ("tests/test_price.py:5", Attribution.NEW)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A file outside of any tree, by which a test remembers that it has run."""
    return tmp_path / "ran-before"


@pytest.fixture
def open_bench(home: Path, place: Path) -> Iterator[GateBench]:
    """Without a sandbox, in which a test would not find such a file: the surroundings matter here, and are not the tree's."""
    run = ProcessRun(home=None, run_id="test-open", sandbox=SandboxSettings(kind="none"))
    yield GateBench(place, run, LocalEnvironments(home, run, domain="change"))
    run.stop()


def fails_at_first(state: Path) -> str:
    return (
        "from pathlib import Path\n\n\ndef test_race():\n"
        f"    state = Path({str(state)!r})\n    before = state.exists()\n    state.touch()\n    assert before\n"
    )


@pytest.mark.slow
def test_a_flaky_test_elsewhere_is_neither_a_pass_nor_the_changes_fault(open_bench: GateBench, state: Path) -> None:
    open_bench.plant({**GREEN, "tests/test_race.py": fails_at_first(state)}, TESTED)
    result = open_bench.examine("unit")
    assert result.outcome is Outcome.ERRORED
    assert "tests/test_race.py::test_race failed, then passed alone on the same input; run it again" in result.reason
    assert told(result) == [("tests/test_race.py:8", Attribution.FLAKY)]
    assert verdict_on(result) is Decision.REVIEW
    assert open_bench.examine("unit").outcome is Outcome.PASSED, "run again, it passes"


@pytest.mark.slow
def test_a_flaky_test_that_the_change_touches_fails(open_bench: GateBench, state: Path) -> None:
    open_bench.plant(GREEN, {"tests/test_race.py": fails_at_first(state)})
    result = open_bench.examine("unit")
    assert (result.outcome, told(result)) == (Outcome.FAILED, [("tests/test_race.py:8", Attribution.FLAKY)])
    assert "in a file that the change touches" in result.reason


def many(body: str) -> str:
    return "from pathlib import Path\n\nfrom shop.price import total\n" + "".join(
        f"\n\ndef test_{number}():\n    {body}\n" for number in range(9)
    )


@pytest.mark.slow
def test_a_whole_suite_that_fails_on_the_base_too_is_the_surroundings(open_bench: GateBench, state: Path) -> None:
    files = {**GREEN, "tests/test_old.py": None, "tests/test_price.py": many(f"assert Path({str(state)!r}).exists()")}
    open_bench.plant(
        {name: content for name, content in files.items() if content is not None}, {"src/shop/__init__.py": "NAME = 1\n"}
    )
    result = open_bench.examine("unit")
    assert result.outcome is Outcome.ERRORED
    assert "more than 80% failing at once" in result.reason
    assert {finding.attribution for finding in result.findings} == {Attribution.INFRASTRUCTURE}
    state.touch()
    assert open_bench.examine("unit").outcome is Outcome.PASSED


@pytest.mark.slow
def test_a_whole_suite_that_the_change_breaks_is_its_fault(bench: GateBench) -> None:
    files = {name: content for name, content in GREEN.items() if name != "tests/test_old.py"}
    bench.plant(
        {**files, "tests/test_price.py": many("assert total([1]) == 1")},
        {"src/shop/price.py": "def total(prices):\n    return 0\n"},
    )
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED
    assert {finding.attribution for finding in result.findings} == {Attribution.NEW}
    assert result.findings_total == 9


@pytest.mark.slow
def test_a_renamed_test_file_brings_its_old_failure_along(bench: GateBench) -> None:
    bench.plant(SUITE, {"tests/test_old.py": None, "tests/test_moved.py": SUITE["tests/test_old.py"]})
    result = bench.examine("unit")
    assert (result.outcome, told(result)) == (Outcome.PASSED, [("tests/test_moved.py:2", Attribution.PREEXISTING)])
