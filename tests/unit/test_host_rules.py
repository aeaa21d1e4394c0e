"""Who may write which ref, and names made of hostile text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.hosts.embedded.rules import (
    ZERO,
    Kind,
    RefUpdate,
    head_branch,
    is_login,
    is_ref_name,
    is_repository,
    one_line,
    refusal,
    slug,
    target_branch,
)

OLD, NEW = "1" * 40, "2" * 40


def allowed(ref: str, *, kind: Kind, login: str = "me", old: str = OLD, new: str = NEW, empty: bool = False) -> bool:
    why = refusal(
        RefUpdate(old, new, ref), login=login, kind=kind, protected=("main", "staging"), empty=empty, heads={"theirs": "olga"}
    )
    return why is None


@pytest.mark.parametrize(
    ("ref", "kinds"),
    [
        ("refs/heads/main", {"forge"}),
        ("refs/heads/staging", {"forge"}),
        ("refs/heads/feature", {"forge", "operator", "agent"}),
        ("refs/heads/theirs", {"forge", "operator"}),
        ("refs/heads/agents/me/x", {"forge", "operator", "agent"}),
        ("refs/heads/agents/me/x/y", {"forge", "operator"}),
        ("refs/heads/agents/you/x", {"forge", "operator"}),
        ("refs/heads/agents/me", {"forge", "operator"}),
        ("refs/heads/users/olga/x", {"forge", "operator"}),
        ("refs/heads/forge/environments", {"forge"}),
        ("refs/for/main", {"forge", "operator", "agent"}),
        ("refs/for/", set()),
        ("refs/pull/1/head", set()),
        ("refs/notes/commits", set()),
        ("refs/heads/a..b", set()),
        ("HEAD", set()),
    ],
)
def test_who_may_write(ref: str, kinds: set[str]) -> None:
    assert {kind for kind in ("agent", "operator", "forge", "read") if allowed(ref, kind=kind)} == kinds


def test_protected_branches_are_never_deleted() -> None:
    assert not any(allowed("refs/heads/main", kind=kind, new=ZERO) for kind in ("agent", "operator", "forge", "read"))


def test_the_first_main_is_an_operators_to_import() -> None:
    assert allowed("refs/heads/main", kind="operator", old=ZERO, empty=True)
    assert not allowed("refs/heads/staging", kind="operator", old=ZERO, empty=True)
    assert not allowed("refs/heads/main", kind="agent", old=ZERO, empty=True)


def test_tags_do_not_move() -> None:
    assert allowed("refs/tags/v1", kind="operator", old=ZERO)
    assert not allowed("refs/tags/v1", kind="operator")
    assert not allowed("refs/tags/v1", kind="agent", old=ZERO)


@given(st.text(max_size=300))
def test_a_slug_is_always_a_safe_branch_part(text: str) -> None:
    made = slug(text)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", made)
    assert is_ref_name(f"agents/me/{made}")
    assert slug(made) == made


@given(st.text(max_size=300), st.sampled_from(["agent", "operator"]))
def test_what_is_pushed_for_review_lands_below_the_pusher(topic: str, kind: Kind) -> None:
    branch = head_branch("forge/builder-01", kind, topic)
    folder = "agents" if kind == "agent" else "users"
    assert branch.rpartition("/")[0] == f"{folder}/forge/builder-01"
    assert allowed(f"refs/heads/{branch}", kind="operator")


@given(st.text(max_size=400))
def test_one_line_is_one_printable_line(text: str) -> None:
    made = one_line(text, 80)
    assert len(made) <= 80
    assert made.isprintable() or not made
    assert one_line(made, 80) == made


@pytest.mark.parametrize("name", ["forge/builder-01", "olga", "a", "a.b", "octo-cat_1"])
def test_logins(name: str) -> None:
    assert is_login(name)


@pytest.mark.parametrize("name", ["", "a/b/c", "/a", "a/", "a b", "a\n", "../a", "a/..", "a.lock", "-a", "a" * 80, "ü", "a//b"])
def test_no_logins(name: str) -> None:
    assert not is_login(name)


@pytest.mark.parametrize(
    "name", ["", "a", "a/b/c", "a/..", "a/.git", "a/b.git", "../a", "a/b c", "a/-b/", "/a", "a/b\n", "a/b.."]
)
def test_no_repositories(name: str) -> None:
    assert not is_repository(name)


def test_target_branch() -> None:
    assert (target_branch("refs/for/main"), target_branch("refs/for/a/b")) == ("main", "a/b")
    assert (target_branch("refs/for/"), target_branch("refs/heads/main")) == (None, None)
