"""Secrets, with the real scanner: what the base has already blames no change, and nothing that a change adds slips through."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.support.forge_command import ForgeCommand
from tests.support.gate_bench import GateBench
from tests.support.repositories import TestRepository
from tests.support.seeds import token

OLD, NEW = (f'TOKEN = "{token("gh" + "p_", 36, salt=salt)}"\n' for salt in ("old", "new"))
ONLY = '[gates.secrets]\ntools = ["kingfisher"]\n'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[GateBench]:
    run = ProcessRun(home=None, run_id="secret-history")
    yield GateBench(tmp_path.resolve(), run, LocalEnvironments(tmp_path / "home", run))
    run.stop()


def test_a_secret_of_the_base_in_a_touched_file_is_shown_and_blames_nobody(bench: GateBench) -> None:
    bench.plant({"settings.py": OLD}, {"settings.py": f"DEBUG = False\n\n{OLD}"}, policy=ONLY)
    result = bench.examine("secrets")
    assert {finding.attribution for finding in result.findings} == {Attribution.PREEXISTING}
    assert result.outcome is Outcome.PASSED, result.reason


def test_another_secret_beside_it_is_the_changes(bench: GateBench) -> None:
    bench.plant({"settings.py": OLD}, {"settings.py": f"{OLD}{NEW}"}, policy=ONLY)
    result = bench.examine("secrets")
    assert result.outcome is Outcome.FAILED
    assert {(finding.line, finding.attribution) for finding in result.findings} == {
        (1, Attribution.PREEXISTING),
        (2, Attribution.NEW),
    }


def test_a_secret_in_the_place_of_the_old_one_is_the_changes(bench: GateBench) -> None:
    bench.plant({"settings.py": OLD}, {"settings.py": NEW}, policy=ONLY)
    result = bench.examine("secrets")
    assert (result.outcome, {finding.attribution for finding in result.findings}) == (Outcome.FAILED, {Attribution.NEW})


def test_a_secret_that_the_base_has_elsewhere_is_the_changes_where_it_is_copied_to(bench: GateBench) -> None:
    bench.plant({"settings.py": OLD}, {"copy.py": OLD}, policy=ONLY)
    result = bench.examine("secrets")
    assert (result.outcome, {finding.place for finding in result.findings}) == (Outcome.FAILED, {"copy.py:1"})


@pytest.mark.parametrize("edited", [False, True], ids=["a commit range", "a work tree"])
def test_in_a_folder_of_a_repository_all_commits_are_looked_through(tmp_path: Path, edited: bool) -> None:
    """A folder with a project of its own, of which the scanner would not see that it lies in a repository."""
    repository = TestRepository(tmp_path / "mono")
    project = '[project]\nname = "a"\nversion = "1"\n'
    base = repository.commit("base", **{"packages/a/pyproject.toml": project, "packages/a/old.py": OLD})
    clean = repository.commit("clean", **{"packages/a/x.py": "X = 1\n"})
    repository.commit("leak", **{"packages/a/y.py": NEW, "other/z.py": NEW})
    repository.commit("hidden", **{"packages/a/y.py": "Y = 1\n"})
    forge = ForgeCommand(tmp_path / "home")
    asked = ("check", repository.path / "packages/a", "--gate", "secrets", "--format", "json")
    done = forge.run(*asked, "--base", clean, *(() if edited else ("--head", "HEAD")))
    found = json.loads(done.stdout)["gates"][0]
    assert (done.returncode, found["outcome"]) == (1, "failed"), found["reason"]
    messages = {finding["file"]: finding["message"] for finding in found["findings"]}
    assert set(messages) == {"y.py", None}
    assert "../../other/z.py, outside of the folder that is checked" in messages[None]
    fine = forge.run(*asked, "--base", base, "--head", clean)
    assert (fine.returncode, json.loads(fine.stdout)["gates"][0]["outcome"]) == (0, "passed")
