"""OSV advisories: reading them, and which versions they are about, against a brute-force reading of the specification."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.advisories import (
    AdvisoryUnreadable,
    Range,
    excerpt,
    fixed_version,
    in_range,
    is_affected,
    parse_advisory,
)
from forge_dagster.domain.flaws import Danger, danger_of, flaw_finding, flaws_of
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.package_versions import order_of, pypi_key, semver_key
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.sbom import Component, Ecosystem
from tests.support.advisories import HIGH, LOW, advisory

NPM_ORDER = [
    "0.0.0-0",
    "0.0.1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-rc.1",
    "2.0.0",
    "10.0.0",
]
PYPI_ORDER = [
    "1.0.dev1",
    "1.0a1",
    "1.0a2",
    "1.0b1",
    "1.0rc1",
    "1.0",
    "1.0.post1",
    "1.0.1",
    "1.2",
    "1.10",
    "2.0.dev0",
    "2.0",
    "10.0",
    "1!0.1",
]
ORDERS = {Ecosystem.NPM: NPM_ORDER, Ecosystem.PYPI: PYPI_ORDER}


def npm(version: str, name: str = "left-pad") -> Component:
    return Component(ecosystem=Ecosystem.NPM, name=name, version=version)


def pypi(version: str, name: str = "left-pad") -> Component:
    return Component(ecosystem=Ecosystem.PYPI, name=name, version=version)


@pytest.mark.parametrize("ecosystem", list(Ecosystem))
def test_versions_are_in_the_order_of_their_registry(ecosystem: Ecosystem) -> None:
    shuffled = list(ORDERS[ecosystem])
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=order_of(ecosystem)) == ORDERS[ecosystem]


def test_builds_and_lacking_parts_do_not_count() -> None:
    assert semver_key("1.0.0+b1") == semver_key("v1.0.0") == semver_key("1")
    assert pypi_key("1.0") == pypi_key("1.0.0")


@given(st.text(max_size=40))
def test_a_version_is_compared_or_refused(text: str) -> None:
    for order in (semver_key, pypi_key):
        try:
            assert order(text) == order(text)
        except ValueError:
            continue


def brute(ladder: list[str], events: list[tuple[str, int]], at: int) -> bool:
    """Walk the ladder of all versions from the lowest, switching at each event. `last_affected` takes effect one step later."""
    inside = False
    for step in range(at + 1):
        here = {kind for kind, where in events if where == step}
        before = {kind for kind, where in events if where == step - 1}
        if "last_affected" in before or "fixed" in here:
            inside = False
        if "introduced" in here:
            inside = True
    return inside


@st.composite
def histories(draw: st.DrawFn) -> tuple[Ecosystem, list[tuple[str, int]]]:
    """Intervals that do not touch: introduced, then fixed or last affected (or neither for the last)."""
    ecosystem = draw(st.sampled_from(list(Ecosystem)))
    steps = sorted(draw(st.sets(st.integers(0, len(ORDERS[ecosystem]) - 1), max_size=8)))
    events = []
    for number, step in enumerate(steps):
        kind = "introduced" if number % 2 == 0 else draw(st.sampled_from(["fixed", "last_affected"]))
        events.append((kind, step))
    return ecosystem, events


@given(history=histories(), seed=st.integers(0, 1000))
def test_ranges_are_read_as_a_walk_through_all_versions(history: tuple[Ecosystem, list[tuple[str, int]]], seed: int) -> None:
    ecosystem, events = history
    ladder = ORDERS[ecosystem]
    named = [(kind, ladder[step]) for kind, step in events]
    random.Random(seed).shuffle(named)
    for at, version in enumerate(ladder):
        got = in_range(Range(events=tuple(named)), version, order_of(ecosystem))
        assert got is brute(ladder, events, at), (version, named)


@given(history=histories(), limit=st.integers(0, 12))
def test_a_limit_ends_every_range(history: tuple[Ecosystem, list[tuple[str, int]]], limit: int) -> None:
    ecosystem, events = history
    ladder = ORDERS[ecosystem]
    one = Range(events=tuple((kind, ladder[step]) for kind, step in events), limits=(ladder[limit],))
    for at, version in enumerate(ladder):
        assert in_range(one, version, order_of(ecosystem)) is (at < limit and brute(ladder, events, at))


def test_zero_is_before_every_version() -> None:
    one = parse_advisory(advisory("GHSA-1", "left-pad", events=({"introduced": "0"}, {"last_affected": "1.0.0"})))
    assert is_affected(one, npm("0.0.0-0"))
    assert is_affected(one, npm("1.0.0"))
    assert not is_affected(one, npm("1.0.1"))


def test_versions_that_are_listed_and_names_as_the_registry_compares_them() -> None:
    one = parse_advisory(advisory("PYSEC-1", "Left_Pad", ecosystem="PyPI", events=(), versions=["1.0"]))
    assert is_affected(one, pypi("1.0"))
    assert is_affected(one, pypi("1.0.0"))
    assert not is_affected(one, pypi("1.0.1"))
    assert not is_affected(one, npm("1.0"))


def test_what_cannot_be_compared_counts_unless_versions_are_listed() -> None:
    ranged = parse_advisory(advisory("GHSA-1", "left-pad"))
    listed = parse_advisory(advisory("GHSA-1", "left-pad", versions=["1.0.0"]))
    git = "git+ssh://git@example.org/left-pad.git#abc"
    assert is_affected(ranged, npm(git))
    assert not is_affected(listed, npm(git))


def test_withdrawn_and_git_only_advisories_say_nothing_and_bare_ones_everything() -> None:
    assert not is_affected(parse_advisory(advisory("GHSA-1", "left-pad", withdrawn="2026-01-01T00:00:00Z")), npm("1.0.0"))
    data = advisory("GHSA-1", "left-pad", events=())
    assert is_affected(parse_advisory(data), npm("1.0.0"))
    data["affected"][0]["ranges"] = [{"type": "GIT", "repo": "x", "events": [{"introduced": "0"}]}]
    assert not is_affected(parse_advisory(data), npm("1.0.0"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("id", "modified", "affected", "aliases", "severity", "database_specific", "summary", "withdrawn")


@given(st.sampled_from(KEYS), JSON)
def test_hostile_advisories_are_read_or_refused(key: str, value: Any) -> None:
    data = {**advisory("GHSA-1", "left-pad"), key: value}
    try:
        found = parse_advisory(data)
    except AdvisoryUnreadable:
        return
    is_affected(found, npm("1.0.0"))
    danger_of(found)
    fixed_version(found, npm("1.0.0"))


@given(st.sampled_from(["package", "versions", "ranges", "severity"]), JSON)
def test_hostile_entries_are_read_or_refused(key: str, value: Any) -> None:
    data = advisory("GHSA-1", "left-pad")
    data["affected"][0][key] = value
    try:
        found = parse_advisory(data)
    except AdvisoryUnreadable:
        return
    is_affected(found, npm("1.0.0"))


def test_an_excerpt_says_the_same_of_its_package() -> None:
    data = advisory("GHSA-1", "left-pad", aliases=["CVE-1"], database_specific={"severity": "CRITICAL"})
    data["affected"].append({"package": {"ecosystem": "npm", "name": "other"}, "versions": ["9.9.9"]})
    whole, part = parse_advisory(data), parse_advisory(excerpt(data, Ecosystem.NPM, "left-pad"))
    assert (part.id, part.aliases, part.scores, part.word) == (whole.id, whole.aliases, whole.scores, whole.word)
    assert part.affected == whole.affected[:1]


@pytest.mark.parametrize(
    ("more", "danger"),
    [
        ({"score": HIGH}, Danger.HIGH),
        ({"score": LOW}, Danger.LOW),
        ({"score": LOW, "database_specific": {"severity": "CRITICAL"}}, Danger.CRITICAL),
        ({"score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}, Danger.CRITICAL),
        ({"score": "", "database_specific": {"severity": "MODERATE"}}, Danger.MODERATE),
        ({"score": ""}, None),
        ({"score": "CVSS:3.1/nonsense"}, None),
        ({"score": "", "aliases": ["MAL-2026-1"]}, Danger.CRITICAL),
    ],
)
def test_severity(more: dict[str, Any], danger: Danger | None) -> None:
    assert danger_of(parse_advisory(advisory("GHSA-1", "left-pad", **more))) is danger


def test_an_unknown_severity_counts_as_high() -> None:
    found = parse_advisory(advisory("GHSA-1", "left-pad", score=""))
    (flaw,) = flaws_of([npm("1.0.0")], {("npm", "left-pad"): [found]})
    assert flaw_finding("osv", flaw, ScaSection()).severity is Severity.ERROR
    assert flaw_finding("osv", flaw, ScaSection(fail_on="critical")).severity is Severity.WARNING


def test_advisories_of_one_flaw_are_one_and_the_fix_mends_them_all() -> None:
    known = [
        parse_advisory(advisory("PYSEC-1", "left-pad", aliases=["CVE-1"], events=({"introduced": "0"}, {"fixed": "1.5.0"}))),
        parse_advisory(advisory("GHSA-9", "left-pad", aliases=["CVE-2"])),
        parse_advisory(advisory("GHSA-1", "left-pad", aliases=["CVE-1"], events=({"introduced": "0"}, {"fixed": "1.6.0"}))),
    ]
    flaws = flaws_of([npm("1.0.0")], {("npm", "left-pad"): known})
    assert {flaw.names: flaw.fix for flaw in flaws} == {
        ("GHSA-1", "CVE-1", "PYSEC-1"): "1.6.0",
        ("GHSA-9", "CVE-2"): "2.0.0",
    }


def test_the_finding_survives_another_version_and_another_line() -> None:
    found = {("npm", "left-pad"): [parse_advisory(advisory("GHSA-1", "left-pad"))]}
    (one,) = flaws_of([npm("1.0.0")], found)
    (two,) = flaws_of([Component(ecosystem=Ecosystem.NPM, name="left-pad", version="1.1.0", file="a", line=7)], found)
    snippets = {flaw_finding("osv", flaw, ScaSection()).snippet for flaw in (one, two)}
    assert snippets == {"left-pad@GHSA-1"}


def test_an_unpatched_flaw_says_so() -> None:
    found = parse_advisory(advisory("GHSA-1", "left-pad", events=({"introduced": "0"},)))
    (flaw,) = flaws_of([npm("1.0.0")], {("npm", "left-pad"): [found]})
    assert "no version" in flaw_finding("osv", flaw, ScaSection()).suggested_fix
