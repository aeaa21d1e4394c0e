"""On which files prettier is run."""

from pathlib import Path
from typing import Any

import pytest

from forge_dagster.domain.changes import Change
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Hook, NodeProject, Project
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.fast.prettier import ADAPTER

SOURCES = ("**/*.{ts,tsx,mts,cts,js,jsx,mjs,cjs}",)


def targets(package: dict[str, Any], *hooks: Hook) -> tuple[str, ...]:
    node = NodeProject(manager="npm", package={"prettier": {}, **package}, dependencies=frozenset({"prettier"}))
    ids = frozenset(hook.id for hook in hooks)
    request = ToolRequest(
        root=Path("/w"),
        project=Project(files=("index.js", "README.md"), node=node, hooks=hooks, pre_commit_hooks=ids),
        change=Change(repository="o/r"),
        policy=Policy(),
        environment=None,
        executable=Path("/w/node_modules/.bin/prettier"),
        version="3.6.2",
        report=Path("/r"),
    )
    (command,) = ADAPTER.commands(request)
    return command.argv[command.argv.index("--") + 1 :]


def test_a_configuration_alone_is_about_the_sources() -> None:
    assert targets({}) == SOURCES


def test_a_script_says_which_files() -> None:
    assert targets({"scripts": {"format": "prettier --write .", "lint": "prettier --check src '*.md'"}}) == ("src", "*.md")
    assert targets({"scripts": {"format": "prettier --write ."}}) == (".",)


def test_a_hook_is_about_the_whole_tree() -> None:
    assert targets({}, Hook(id="prettier")) == (".",)


@pytest.mark.parametrize(
    ("staged", "expected"),
    [
        ({"*.{js,md}": "prettier --write"}, ("**/*.{js,md}",)),
        ({"*.ts": ["eslint --fix", "prettier --write"], "docs/**/*.md": "npx prettier --write"}, ("**/*.ts", "docs/**/*.md")),
        ({"*.ts": "eslint --fix", "!*.md": "prettier --write"}, SOURCES),
        (["prettier --write"], SOURCES),
        ({"*.ts": {"prettier": True}}, SOURCES),
        ({"--config=x": "prettier"}, SOURCES),
    ],
)
def test_lint_staged_says_which_files(staged: object, expected: tuple[str, ...]) -> None:
    assert targets({"lint-staged": staged}) == expected
