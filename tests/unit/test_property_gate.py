"""Gate `property` without any runner: which files it asks for, and with which seed."""

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change
from forge_dagster.domain.policy_gates import PropertySection
from forge_dagster.gates.property import seed_of

SHAS = st.text("0123456789abcdef", min_size=40, max_size=40)


@given(SHAS, SHAS)
def test_the_same_head_has_the_same_seed_whatever_it_is_compared_with(head: str, base: str) -> None:
    one = seed_of(Change(repository="o/r", head_sha=head, base_sha=base), PropertySection())
    assert one == seed_of(Change(repository="o/r", head_sha=head), PropertySection())
    assert 0 <= one < 2**31


def test_heads_differ_and_a_work_tree_has_a_seed_too() -> None:
    seeds = {seed_of(Change(repository="o/r", head_sha=sha * 40), PropertySection()) for sha in "abcdef"}
    assert len(seeds) == 6
    assert seed_of(Change(repository="o/r", base_sha="a" * 40), PropertySection()) >= 0


@given(st.integers(0, 2**31 - 1), SHAS)
def test_the_policy_s_seed_is_kept(seed: int, head: str) -> None:
    assert seed_of(Change(repository="o/r", head_sha=head), PropertySection(seed=seed)) == seed
