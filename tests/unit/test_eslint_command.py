"""How eslint is started."""

from pathlib import Path

import pytest

from forge_dagster.domain.changes import Change
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import NodeProject, Project
from forge_dagster.ports import ToolRequest
from forge_dagster.tools.fast.eslint import ADAPTER


def asked(script: str, version: str) -> ToolRequest:
    node = NodeProject(manager="npm", package={"scripts": {"lint": script}}, dependencies=frozenset({"eslint", "gts"}))
    return ToolRequest(
        root=Path("/w"),
        project=Project(files=("index.js",), node=node),
        change=Change(repository="o/r"),
        policy=Policy(),
        environment=None,
        executable=Path("/w/node_modules/.bin/eslint"),
        version=version,
        report=Path("/r"),
    )


def test_old_releases_load_modules_as_node_does() -> None:
    """ESLint 7 on Node 20.19 and later: v8-compile-cache takes every module for CommonJS."""
    (command,) = ADAPTER.commands(asked("eslint .", "7.32.0"))
    assert command.environment["DISABLE_V8_COMPILE_CACHE"] == "1"


@pytest.mark.parametrize(
    ("script", "targets"),
    [
        ("gts lint", ("**/*.ts", "**/*.js", "**/*.tsx", "**/*.jsx")),
        ("gts lint src test/*.ts", ("src", "test/*.ts")),
        ("gts check", ("**/*.ts", "**/*.js", "**/*.tsx", "**/*.jsx")),
        ("gts fix", (".",)),
        ("gts lint && eslint lib", ("lib",)),
    ],
)
def test_gts_says_which_files(script: str, targets: tuple[str, ...]) -> None:
    (command,) = ADAPTER.commands(asked(script, "8.57.1"))
    assert command.argv[command.argv.index("--") + 1 :] == targets
