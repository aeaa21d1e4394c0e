"""Secrets, with the real scanner: what the base has already blames no change, and nothing that a change adds slips through."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.support.gate_bench import GateBench
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
