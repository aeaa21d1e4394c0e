"""Which releases may go out: let through by a verdict, a baseline, or answered for by the operator."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import EvidenceError, UsageError
from forge_dagster.usecases.evidence import keep_result
from forge_dagster.usecases.prove_release import vouch
from tests.fakes.git_world import REPOSITORY
from tests.support.built_release import BuiltRelease
from tests.support.evidence import TREE, verified

REFUSING: dict[str, Any] = {"evidence": {"unverified_releases": "refuse"}}


def test_a_tree_that_a_verdict_let_through_goes_out(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    release.let_through()
    assert "let through" in release.prove()


def test_what_no_verdict_let_through_says_how_to_go_on(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    with pytest.raises(EvidenceError, match="no verdict was ever given") as refused:
        release.prove()
    assert f"forge audit vouch {REPOSITORY} {release.head[:12]}" in (refused.value.hint or "")


def test_settings_that_refuse_offer_no_way_round(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path, **REFUSING)
    with pytest.raises(EvidenceError) as refused:
        release.prove()
    assert "vouch" not in (refused.value.hint or "")
    with pytest.raises(UsageError, match="refuse releases without a verdict"):
        vouch(release.services, REPOSITORY, release.head, by="olga", why="urgent")


def test_an_operator_answers_for_one_commit_and_its_tree(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    release.let_through(Decision.REJECT)
    assert vouch(release.services, REPOSITORY, release.head[:7], by="olga", why="seen by hand").id == release.attempt.id
    assert "vouched for by olga" in release.prove()
    assert verified(release.world).fault is None
    other = release.open(Job.RELEASE, "d" * 40, number=None)
    release.build(other)
    assert not release.goes_out(other)
    artifacts = dict(release.services.ledger.results(release.attempt.id)["build"].artifacts)
    keep_result(
        release.services, release.attempt, gate_result("build", Outcome.PASSED, artifacts=artifacts), tree="8" * 40
    )  # built again, of another tree
    assert not release.goes_out()


def test_a_word_given_before_the_settings_refused_holds_no_more(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    vouch(release.services, REPOSITORY, release.head, by="olga", why="seen by hand")
    (tmp_path / "refusing").mkdir()
    refusing = BuiltRelease(tmp_path / "refusing", **REFUSING).services.settings
    release.world.services = dataclasses.replace(release.services, settings=refusing)
    assert not release.goes_out()


@pytest.mark.parametrize(("sha", "said"), [("c" * 6, "no release"), ("d" * 40, "no release"), ("", "no release")])
def test_one_answers_only_for_a_release_that_is_known(tmp_path: Path, sha: str, said: str) -> None:
    release = BuiltRelease(tmp_path)
    with pytest.raises(UsageError, match=said):
        vouch(release.services, REPOSITORY, sha, by="olga", why="seen by hand")


def test_one_answers_for_no_ambiguous_commit(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    release.open(Job.RELEASE, "c" * 39 + "d", number=None)
    with pytest.raises(UsageError, match="more than one release"):
        vouch(release.services, REPOSITORY, "c" * 12, by="olga", why="seen by hand")


def test_one_answers_for_nothing_that_is_not_built(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    release.open(Job.RELEASE, "e" * 40, number=None)
    with pytest.raises(UsageError, match="has not been built yet"):
        vouch(release.services, REPOSITORY, "e" * 40, by="olga", why="seen by hand")


def test_the_first_release_is_signed_as_the_baseline_once(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path, **REFUSING)
    assert "baseline" in release.prove(first=True)
    assert "is the baseline" in release.prove()
    later = release.open(Job.RELEASE, "d" * 40, number=None)
    release.build(later)
    with pytest.raises(EvidenceError):
        release.prove(later, first=True)


def test_a_branch_with_a_judged_change_has_no_baseline_left(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    release.let_through(Decision.REJECT)
    with pytest.raises(EvidenceError, match="the verdict on its tree was reject"):
        release.prove(first=True)


def test_what_was_not_built_here_does_not_go_out(tmp_path: Path) -> None:
    release = BuiltRelease(tmp_path)
    release.let_through()
    unbuilt = release.open(Job.RELEASE, "d" * 40, number=None)
    with pytest.raises(EvidenceError, match="never attested"):
        release.prove(unbuilt)
    keep_result(release.services, unbuilt, gate_result("build", Outcome.FAILED, reason="red"), tree=TREE)
    with pytest.raises(EvidenceError, match="another commit, branch or release"):
        release.prove(unbuilt)
