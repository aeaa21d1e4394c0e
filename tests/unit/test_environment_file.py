"""The file that says what runs where."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.rollout_state import Phase, ReleaseRef, Rollout
from forge_dagster.usecases.environments import environment_file

NEW, OLD = ReleaseRef(name="n", sha="b" * 40, digest="sha256:b"), ReleaseRef(name="o", sha="a" * 40, digest="sha256:a")


def rollout(phase: Phase, reason: str = "") -> Rollout:
    return Rollout(
        key="k", repository="a/b", environment="a/b/production", release=NEW, previous=OLD, phase=phase, reason=reason
    )


def test_a_promoted_release_is_live_and_names_the_one_before() -> None:
    file = tomllib.loads(environment_file(rollout(Phase.PROMOTED), at=5.5))
    assert file["release"] == NEW.sha
    assert (file["artifact"], file["previous_release"], file["weight"], file["at"]) == (NEW.digest, OLD.sha, 100, 5)


def test_after_a_rollback_the_old_one_is_live() -> None:
    file = tomllib.loads(environment_file(rollout(Phase.STABLE, "error rate 50%"), at=0))
    assert (file["release"], file["rolled_back"], file["weight"]) == (OLD.sha, NEW.sha, 100)
    assert file["reason"] == "error rate 50%"


@given(st.text(), st.sampled_from([phase for phase in Phase if phase is not Phase.BAKING]))
def test_no_reason_breaks_the_file(reason: str, phase: Phase) -> None:
    assert tomllib.loads(environment_file(rollout(phase, reason), at=0))["phase"] == phase.value
