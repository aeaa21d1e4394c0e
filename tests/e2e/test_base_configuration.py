"""A change that loosens the configuration of a tool is judged under the base's, too: with the real ruff."""

from pathlib import Path

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
