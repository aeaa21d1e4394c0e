"""What `forge check --explain` says, without running or installing anything."""

import io
import json
from pathlib import Path

import pytest

from forge_dagster import registry
from forge_dagster.cli.explain import write
from forge_dagster.cli.terminal import Terminal
from forge_dagster.domain.changes import Change
from forge_dagster.domain.policy import parse_policy
from forge_dagster.errors import ConfigurationError
from forge_dagster.ports import Checkout
from forge_dagster.usecases.check import select_gates
from forge_dagster.usecases.explain import Explanation, ToolExplained, as_data, explain
from forge_dagster.workspace.detect import detect, existing, walk

HOOKS = """
repos:
  - repo: https://github.com/astral-sh/ruff-pre-commit
    rev: v0.11.0
    hooks: [{id: ruff}, {id: ruff-format}]
  - repo: https://github.com/pre-commit/mirrors-mypy
    rev: main
    hooks: [{id: mypy}]
"""
FILES = {
    "pyproject.toml": "[project]\nname='x'\n[dependency-groups]\ntest=['pytest']\n",
    "uv.lock": '[[package]]\nname = "pytest"\nversion = "8.3.5"\n',
    ".pre-commit-config.yaml": HOOKS,
    "x.py": "",
    "web/package.json": json.dumps({"scripts": {"test": "vitest run"}, "devDependencies": {"vitest": "3", "eslint": "9"}}),
    "web/package-lock.json": json.dumps({"packages": {"node_modules/vitest": {"version": "3.0.1"}}}),
    "web/a.ts": "",
}


def explained(root: Path, files: dict[str, str], *, policy: str = "", gates: tuple[str, ...] = ()) -> Explanation:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    project = detect(root, existing(root, walk(root)))
    checkout = Checkout(
        root=root, change=Change(repository="x"), project=project, policy=parse_policy(policy), tested_tree=None
    )
    return explain(checkout, specs=select_gates((), gates), tools=registry.tools().values())


def tools_of(found: Explanation, gate: str) -> dict[str, ToolExplained]:
    return {tool.tool: tool for each in found.gates if each.gate == gate for tool in each.tools}


def test_each_tool_with_its_version_where_it_is_from_and_why(tmp_path: Path) -> None:
    found = explained(tmp_path, FILES)
    lint = tools_of(found, "lint")
    assert lint["ruff"].version == "0.11.0"
    assert "astral-sh/ruff-pre-commit v0.11.0" in lint["ruff"].source
    assert lint["ruff"].because == '.pre-commit-config.yaml has the hook "ruff"'
    assert tools_of(found, "types")["mypy"].source.startswith("ERRORED when it is run")
    unit = tools_of(found, "unit")
    assert (unit["pytest"].version, unit["pytest"].source) == ("8.3.5", "the repository's environment (uv.lock)")
    assert (unit["vitest"].version, unit["vitest"].source) == ("3.0.1", "the repository's environment (web/package-lock.json)")
    assert tools_of(found, "secrets")["kingfisher"].source == "Forge's own tools"


def test_a_default_says_so_and_a_rival_is_named(tmp_path: Path) -> None:
    found = explained(tmp_path, {"pyproject.toml": "[tool.yapf]\n", "a.py": ""})
    assert tools_of(found, "lint")["ruff"].because == "Forge's default: the repository chose none"
    assert tools_of(found, "lint")["ruff"].version
    (gate,) = (gate for gate in found.gates if gate.gate == "format")
    assert gate.tools == ()
    assert "yapf" in gate.reason


def test_the_policys_word(tmp_path: Path) -> None:
    found = explained(tmp_path, FILES, policy="[gates.types]\nenabled = false\n[gates.lint]\ntools = ['ruff']\n")
    (types,) = (gate for gate in found.gates if gate.gate == "types")
    assert (types.enabled, types.reason) == (False, "disabled by policy")
    assert tools_of(found, "lint")["ruff"].because == "forge.toml names it in [gates.lint]"
    with pytest.raises(ConfigurationError):
        explained(tmp_path, FILES, policy="[gates.lint]\ntools = ['mypy']\n")


def test_a_parts_tools_are_told_apart(tmp_path: Path) -> None:
    package = json.dumps({"workspaces": ["packages/*"]})
    files = {"package.json": package, "packages/a/package.json": json.dumps({"devDependencies": {"vitest": "3"}})}
    found = explained(tmp_path, files, gates=("unit",))
    assert tools_of(found, "unit")["vitest"].part == "packages/a"
    data = json.loads(json.dumps(as_data(found)))
    assert data["schema"] == "forge.explain/1"
    assert [(part["directory"], part["workspace"]) for part in data["parts"]] == [("packages/a", "")]


def test_json_has_it_all(tmp_path: Path) -> None:
    data = json.loads(json.dumps(as_data(explained(tmp_path, FILES))))
    assert data["languages"] == ["python", "typescript"]
    assert {"what": "locked by uv", "because": "uv.lock"} in data["signs"]
    (lint,) = (gate for gate in data["gates"] if gate["gate"] == "lint")
    assert {"tool", "version", "source", "because", "part", "unavailable"} == set(lint["tools"][0])


def test_the_text_holds_no_control_characters_of_the_repositorys(tmp_path: Path) -> None:
    files = {"package.json": json.dumps({"name": "\x1b]0;owned\x07", "scripts": {"\x1b[2J": "echo \x1b[31m"}}), "a.js": ""}
    stream = io.StringIO()
    write(Terminal(stream, colour=False), explained(tmp_path, files))
    assert "JavaScript project" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
