"""On which files prettier is run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forge_dagster.domain.changes import Change
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Hook, NodeProject, Project
from forge_dagster.ports import ProcessResult, ToolOutput, ToolRequest
from forge_dagster.tools.fast.prettier import ADAPTER

SOURCES = ("**/*.{ts,tsx,mts,cts,js,jsx,mjs,cjs}",)


def asked(package: dict[str, Any], *hooks: Hook, version: str = "3.6.2") -> ToolRequest:
    node = NodeProject(manager="npm", package={"prettier": {}, **package}, dependencies=frozenset({"prettier"}))
    ids = frozenset(hook.id for hook in hooks)
    return ToolRequest(
        root=Path("/w"),
        project=Project(files=("index.js", "README.md"), node=node, hooks=hooks, pre_commit_hooks=ids),
        change=Change(repository="o/r"),
        policy=Policy(),
        environment=None,
        executable=Path("/w/node_modules/.bin/prettier"),
        version=version,
        report=Path("/r"),
    )


def targets(package: dict[str, Any], *hooks: Hook) -> tuple[str, ...]:
    request = asked(package, *hooks)
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


@pytest.mark.parametrize(("version", "option"), [("1.19.1", "--loglevel"), ("2.8.8", "--loglevel"), ("3.6.2", "--log-level")])
def test_the_log_tells_all_in_every_release(version: str, option: str) -> None:
    (command,) = ADAPTER.commands(asked({}, version=version))
    assert command.argv[command.argv.index(option) + 1] == "debug"


@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [
        ("Checking formatting...\n", "[debug] resolve config from 'README.md'\n[warn] README.md\n"),
        ("Checking formatting...\nREADME.md\nCode style issues found\n", "[debug] resolve config from 'README.md'\n"),
    ],
    ids=["2 and 3", "1"],
)
def test_a_file_that_differs_is_named(stdout: str, stderr: str) -> None:
    result = ProcessResult(ended="exited", exit_code=1, stdout=stdout.encode(), stderr=stderr.encode())
    report = ADAPTER.judge(asked({}), [ToolOutput(result=result)])
    assert report.outcome is Outcome.FAILED
    assert [(finding.file, finding.rule) for finding in report.findings] == [("README.md", "unformatted")]


@pytest.mark.parametrize(
    ("package", "outcome", "told"),
    [
        ({"scripts": {"format": "prettier --check . 'docs/**/*.md'"}}, Outcome.FAILED, ["unmatched-pattern"]),
        ({"lint-staged": {"*.ts": "prettier --write", "docs/**/*.md": "prettier --write"}}, Outcome.PASSED, []),
    ],
    ids=["the repository's own script", "lint-staged"],
)
def test_a_pattern_that_matches_nothing(package: dict[str, Any], outcome: Outcome, told: list[str]) -> None:
    stderr = (
        "[debug] resolve config from 'README.md'\n"
        '[error] No files matching the pattern were found: "docs/**/*.md".\n'
    )  # fmt: skip
    said = b"Checking formatting...\nAll matched files use Prettier code style!\n"
    result = ProcessResult(ended="exited", exit_code=2, stdout=said, stderr=stderr.encode())
    report = ADAPTER.judge(asked(package), [ToolOutput(result=result)])
    assert report.outcome is outcome
    assert [finding.rule for finding in report.findings] == told
    nothing = replace(result, stderr=stderr.partition("\n")[2].encode())
    assert ADAPTER.judge(asked(package), [ToolOutput(result=nothing)]).outcome is Outcome.ERRORED
