"""The rules of gate mutation: which lines, which sample, which score."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.mutation import (
    LEAST_SAMPLE,
    NOTICED,
    Fate,
    Mutant,
    affordable,
    combined,
    judge_mutants,
    lines_to_mutate,
    mutable_lines,
    ranges,
    sample_order,
    score,
)
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity

fates = st.lists(st.sampled_from(Fate), max_size=60)


def mutants(became: list[Fate]) -> list[Mutant]:
    return [Mutant(file="a.py", line=n + 1, kind="k", removed=(f"x{n}",), added=("y",), fate=f) for n, f in enumerate(became)]


@given(fates)
def test_the_score_is_the_share_of_the_noticed_among_the_valid(became: list[Fate]) -> None:
    valid = [fate for fate in became if fate is not Fate.INVALID]
    found = score(became)
    if not valid:
        assert found is None
    else:
        share = Fraction(100 * sum(fate in (Fate.KILLED, Fate.TIMEOUT) for fate in valid), len(valid))
        assert found == pytest.approx(float(share))


@given(fates, st.floats(min_value=0, max_value=100))
def test_the_judgement_follows_from_the_score_alone(became: list[Fate], minimum: float) -> None:
    judged = judge_mutants("tool", mutants(became), found=len(became), minimum=minimum, budget_s=300)
    reached = score(became)
    if reached is None:
        assert judged.outcome is Outcome.SKIPPED
        assert judged.examined == 0
        return
    assert judged.outcome is (Outcome.PASSED if reached >= minimum - 1e-9 else Outcome.FAILED)
    assert judged.examined == sum(fate is not Fate.INVALID for fate in became)
    alive = [fate for fate in became if fate not in NOTICED and fate is not Fate.INVALID]
    assert len(judged.findings) == len(alive) == judged.metrics["survived"]
    weight = Severity.ERROR if judged.outcome is Outcome.FAILED else Severity.WARNING
    assert {finding.severity for finding in judged.findings} <= {weight}
    assert "sampled" not in judged.reason


def test_a_survivor_tells_where_what_and_what_to_do() -> None:
    planted = Mutant(
        file="src/a.py", line=7, kind="Lt_LtE", removed=("    if a < b:",), added=("    if a <= b:",), fate=Fate.SURVIVED
    )
    judged = judge_mutants("cosmic_ray", [planted], found=1, minimum=75, budget_s=300)
    (finding,) = judged.findings
    assert (finding.file, finding.line, finding.rule) == ("src/a.py", 7, "survived")
    assert (finding.category, finding.attribution) == (Category.MUTATION, Attribution.NEW)
    assert "- if a < b:\n+ if a <= b:" in finding.message
    assert "write a test that notices it" in finding.suggested_fix
    assert "7" not in finding.snippet
    assert judged.reason == "tests notice 0 of 1 planted faults (0.0%), 75% are asked for"


def test_a_sample_is_stated_with_the_whole() -> None:
    judged = judge_mutants("tool", mutants([Fate.KILLED] * 40), found=213, minimum=75, budget_s=300)
    assert judged.outcome is Outcome.PASSED
    assert "sampled 40 of 213 mutants" in judged.reason
    assert (judged.metrics["mutants"], judged.metrics["sampled"]) == (213.0, 40.0)


@given(st.lists(st.text(max_size=8), max_size=30), st.text(max_size=8), st.integers(min_value=0, max_value=30))
def test_the_order_of_the_sample_depends_on_keys_and_seed_only(keys: list[str], seed: str, cut: int) -> None:
    order = sample_order(keys, seed)
    assert sorted(order) == sorted(set(keys))
    assert order == sample_order(list(reversed(keys)), seed)
    chosen = set(order[:cut])
    # leaving out what is not drawn does not change what is drawn
    assert sample_order(chosen, seed) == order[: len(chosen)]


def test_another_head_draws_another_sample() -> None:
    keys = [str(n) for n in range(50)]
    assert sample_order(keys, "a" * 40) != sample_order(keys, "b" * 40)


@given(
    st.integers(min_value=0, max_value=10_000),
    st.floats(min_value=0, max_value=1e4, allow_nan=False),
    st.floats(min_value=0.1, max_value=1e5),
)
def test_what_is_affordable_is_within_the_budget_or_the_least(total: int, each: float, budget: float) -> None:
    count = affordable(total, seconds_each=each, budget_s=budget)
    assert 0 <= count <= total
    assert count == total or count <= LEAST_SAMPLE or count * each <= budget * 1.000001
    assert count >= min(total, LEAST_SAMPLE)


@given(st.sets(st.integers(min_value=1, max_value=200)))
def test_ranges_hold_exactly_the_lines(lines: set[int]) -> None:
    found = ranges(lines)
    assert {n for first, last in found for n in range(first, last + 1)} == lines
    assert all(b[0] > a[1] + 1 for a, b in pairwise(found))


def test_only_changed_product_code_is_mutated() -> None:
    def changed(path: str, status: str = "modified") -> ChangedFile:
        return ChangedFile(path=path, status=status, added_lines=frozenset({1}))

    names = ("src/a.py", "tests/test_a.py", "src/b.ts", "web/c.py")
    files = (*(changed(name) for name in names), changed("src/gone.py", "removed"), ChangedFile(path="src/shorter.py"))
    change = Change(repository="r", files=files)
    assert set(lines_to_mutate(change, lambda path: not path.startswith("tests"), (".py",))) == {"src/a.py", "web/c.py"}
    assert set(lines_to_mutate(change, lambda path: True, (".py",), "web")) == {"web/c.py"}


def test_docstrings_and_comments_hold_nothing_to_mutate() -> None:
    text = '"""Module."""\n\n# why\ndef f(\n    a,\n):\n    """Doc."""\n    return g(\n        a,\n    )\n'
    assert mutable_lines("a.py", text) == {4, 5, 6, 8, 9, 10}


def test_the_score_of_several_tools_is_that_of_all_their_mutants() -> None:
    one = {"mutation_score": 50.0, "mutants": 4.0, "sampled": 2.0, "killed": 1.0, "survived": 1.0}
    two = {"mutation_score": 100.0, "mutants": 6.0, "sampled": 6.0, "killed": 6.0, "survived": 0.0}
    assert combined([one, {}, two]) == {
        "mutation_score": 87.5,
        "mutants": 10.0,
        "sampled": 8.0,
        "killed": 7.0,
        "survived": 1.0,
    }
    assert combined([{}]) == {}
