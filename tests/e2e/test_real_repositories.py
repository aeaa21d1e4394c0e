"""Repositories that nobody here wrote: their good heads pass every gate, and their known bad states are rejected by name.

The advisories are a folder with one advisory on a package that none of them uses, as an operator's mirror stands in: gate `sca`
must be able to answer without the internet.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.advisories import mirror
from tests.support.forge_command import ForgeCommand
from tests.support.real_repositories import Clone, clone

pytestmark = pytest.mark.slow

Cloning = Callable[[str], Clone]


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> ForgeCommand:
    """One home for all, as a person has."""
    home = tmp_path_factory.mktemp("home")
    mirror(home)
    return ForgeCommand(home)


@pytest.fixture
def cloned(tmp_path: Path) -> Cloning:
    return lambda repository: clone(repository, tmp_path)


def checked(forge: ForgeCommand, where: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = forge.run("check", where, "--format", "json", *arguments)
    assert done.stdout.startswith("{"), done.stderr
    return done.returncode, json.loads(done.stdout)


def stopped(report: dict[str, Any]) -> dict[str, str]:
    """The gates that did not let it through, and why."""
    silent = ("passed", "skipped")
    return {gate["gate"]: f"{gate['outcome']}: {gate['reason']}" for gate in report["gates"] if gate["outcome"] not in silent}


def findings(report: dict[str, Any], gate: str) -> list[dict[str, Any]]:
    return next(one["findings"] for one in report["gates"] if one["gate"] == gate)


GOOD = [
    ("pallets/itsdangerous", "672971d66a2e"),
    ("unjs/defu", "80c0146afb11"),
    ("octokit/endpoint.js", "62b269fd0964"),
    ("lukeed/clsx", "684509c3860a"),
]


@pytest.mark.parametrize(("repository", "commit"), GOOD, ids=[name for name, _ in GOOD])
def test_a_good_head_passes_every_gate(cloned: Cloning, forge: ForgeCommand, repository: str, commit: str) -> None:
    here = cloned(repository)
    here.at(commit)
    code, report = checked(forge, here.path)
    assert stopped(report) == {}
    assert (code, report["outcome"]) == (0, "passed")
    ran = {gate["gate"] for gate in report["gates"] if gate["outcome"] == "passed"}
    assert {"format", "types", "secrets", "unit", "sca", "sast"} <= ran
    again, same = checked(forge, here.path)
    assert again == 0
    assert all(gate["cached"] for gate in same["gates"] if gate["outcome"] == "passed")


@pytest.mark.parametrize(("repository", "commit"), GOOD, ids=[name for name, _ in GOOD])
def test_a_good_change_passes_every_gate(cloned: Cloning, forge: ForgeCommand, repository: str, commit: str) -> None:
    here = cloned(repository)
    here.at(commit)
    code, report = checked(forge, here.path, "--base", "HEAD~1", "--head", "HEAD")
    assert stopped(report) == {}
    assert (code, report["outcome"]) == (0, "passed")
    _, same = checked(forge, here.path, "--base", "HEAD~1", "--head", "HEAD")
    assert all(gate["cached"] for gate in same["gates"] if gate["outcome"] == "passed")


WIDE = [
    ("pallets/markupsafe", "1251593f6b0e", "pytest"),  # has a part in C
    ("pytest-dev/iniconfig", "71901257f6cb", "pytest"),  # black by its hook
    ("lukeed/dequal", "37c21f675c1f", "uvu"),
    ("expressjs/cookie-parser", "a0fe6c5d1b21", "mocha"),  # ESLint 7, and no lock
    ("fastify/fastify-cors", "2a47537e6deb", "node_test"),
    ("unjs/ufo", "11308c0bb5cb", "vitest"),  # bidirectional text in a fixture
]


@pytest.mark.parametrize(("repository", "commit", "runner"), WIDE, ids=[name for name, *_ in WIDE])
def test_many_ways_of_testing_pass(cloned: Cloning, forge: ForgeCommand, repository: str, commit: str, runner: str) -> None:
    here = cloned(repository)
    here.at(commit)
    code, report = checked(forge, here.path)
    assert stopped(report) == {}
    assert (code, report["outcome"]) == (0, "passed")
    unit = next(gate for gate in report["gates"] if gate["gate"] == "unit")
    assert [(tool["tool"], tool["examined"] > 0) for tool in unit["tools"] if tool["outcome"] == "passed"] == [(runner, True)]


BAD = [
    ("pallets/itsdangerous", "c30678d19e37", ("tests",), "test_future_age"),
    ("unjs/defu", "3942bfbbcaa7", ("test",), "should not override Object prototype"),
    ("sindresorhus/slugify", "1aaea23c4825", ("test.js",), "main"),
    ("lukeed/dequal", "0f081ab6c1c8", ("test",), "keys :: complex"),
]


@pytest.mark.parametrize(("repository", "commit", "paths", "test"), BAD, ids=[name for name, *_ in BAD])
def test_the_tests_of_a_fix_on_the_source_before_it_are_rejected_by_name(
    cloned: Cloning, forge: ForgeCommand, repository: str, commit: str, paths: tuple[str, ...], test: str
) -> None:
    here = cloned(repository)
    base, head = here.tests_of(commit, *paths)
    code, report = checked(forge, here.path, "--base", base, "--head", head)
    assert (code, report["outcome"]) == (1, "failed")
    named = [finding for finding in findings(report, "unit") if finding["severity"] == "error"]
    assert {finding["attribution"] for finding in named} == {"new"}
    assert test in named[0]["message"]
    assert named[0]["file"].startswith(paths)
