"""`forge check --explain` as a process: it says what it would do, and does nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.repositories import TestRepository

HOOKS = """
repos:
  - repo: https://github.com/astral-sh/ruff-pre-commit
    rev: v0.11.0
    hooks: [{id: ruff}]
"""


def explain(root: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; from forge_dagster.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'dagster', 'sqlalchemy', 'httpx'} & sys.modules.keys()), file=sys.stderr)"
    )
    argv = [sys.executable, "-c", program, "check", "--explain", str(root), *arguments]
    environment = {**os.environ, "FORGE_HOME": str(home)}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=120)


def repository(tmp_path: Path) -> Path:
    made = TestRepository(tmp_path / "shop")
    made.write("pyproject.toml", "[project]\nname = 'shop'\nversion = '1'\n")
    made.write(".pre-commit-config.yaml", HOOKS)
    made.write("shop.py", "import os\n")
    made.write("web/package.json", json.dumps({"scripts": {"test": "vitest run"}}))
    made.write("web/a.ts", "")
    made.commit()
    return tmp_path / "shop"


def test_explained_for_people_and_for_programs(tmp_path: Path) -> None:
    root, home = repository(tmp_path), tmp_path / "home"
    said = explain(root, home)
    assert said.returncode == 0, said.stderr
    assert "ruff 0.11.0" in said.stdout
    assert "astral-sh/ruff-pre-commit v0.11.0" in said.stdout
    assert "stage analysis" in said.stdout
    told = explain(root, home, "--format", "json", "--gate", "lint")
    data = json.loads(told.stdout)
    assert (data["schema"], [gate["gate"] for gate in data["gates"]]) == ("forge.explain/1", ["lint"])
    assert told.stderr.strip().splitlines()[-1] == "[]", "nothing heavy is imported"
    assert not (home / "environments").exists()
    assert not (home / "toolbox").exists()
    assert not (root / "web/node_modules").exists()


def test_explained_into_a_file_and_not_as_sarif(tmp_path: Path) -> None:
    root, home = repository(tmp_path), tmp_path / "home"
    target = tmp_path / "explanation.json"
    assert explain(root, home, "--format", "json", "--output", str(target)).returncode == 0
    assert json.loads(target.read_text())["languages"] == ["python", "typescript"]
    refused = explain(root, home, "--format", "sarif")
    assert refused.returncode == 2
    assert "SARIF" in refused.stderr
