import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Identity
from forge_dagster.domain.identity import TRAILERS, identity_of, mismatch, missing, trailers

_SPECIFICATION = """feat: add user authentication endpoint

Implements JWT-based auth with refresh tokens.
Closes #142

Agent-By: forge/builder-01
Task-ID: task-2026-0208-0042
Model: claude-sonnet-4-20250514
Prompt-Hash: sha256:abc123
"""


def test_the_specifications_example() -> None:
    identity = identity_of(_SPECIFICATION, pusher="forge/builder-01", pusher_is_agent=True)
    assert identity == Identity(
        pusher="forge/builder-01",
        pusher_is_agent=True,
        agent="forge/builder-01",
        task="task-2026-0208-0042",
        model="claude-sonnet-4-20250514",
        prompt_hash="sha256:abc123",
    )
    assert mismatch(identity) is None
    assert missing(identity) == ()


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\n\n\n",
        "Agent-By: x",
        "title\nAgent-By: x",
        "title\n\nAgent-By: x\n\nmore text",
        "title\n\nwe wrote\nAgent-By: x",
        "title\n\n Agent-By: x",
        "title\n\nAgent-By:",
        "title\n\nAgent By: x",
    ],
)
def test_what_is_no_trailer(message: str) -> None:
    identity = identity_of(message, pusher=None, pusher_is_agent=False)
    assert identity == Identity()
    assert missing(identity) == TRAILERS
    assert identity.name == "local"


def test_names_ignore_case_and_values_may_go_on() -> None:
    assert trailers("t\n\nAGENT-BY : a\n  b\nModel:m\r\n") == {"agent-by": ("a b",), "model": ("m",)}


def test_a_name_claimed_twice_is_nobodys() -> None:
    twice = identity_of("t\n\nAgent-By: a\nAgent-By: b\nTask-ID: 1\nTask-ID: 1", pusher="a", pusher_is_agent=True)
    assert (twice.agent, twice.task) == ("a, b", "1")
    assert mismatch(twice) is not None


@pytest.mark.parametrize(
    ("pusher", "is_agent", "claim", "wrong"),
    [
        ("a", True, "a", False),
        ("a", True, "b", True),
        ("a", True, "A", True),
        ("a", True, None, False),
        ("ann", False, "a", False),
        (None, False, "a", False),
    ],
)
def test_an_agent_signs_with_its_own_name(pusher: str | None, is_agent: bool, claim: str | None, wrong: bool) -> None:
    said = mismatch(Identity(pusher=pusher, pusher_is_agent=is_agent, agent=claim))
    assert (said is not None) is wrong
    if said is not None:
        assert f"Agent-By: {claim}" in said
        assert f"{pusher} pushed it" in said


@given(st.text(), st.lists(st.text(max_size=300), max_size=5))
def test_hostile_messages_are_bounded_and_harmless(title: str, values: list[str]) -> None:
    message = title + "\n\n" + "\n".join(f"Agent-By: {value}" for value in values)
    identity = identity_of(message, pusher="p", pusher_is_agent=True)
    shown = (mismatch(identity) or "") + (identity.agent or "")
    assert len(shown) <= 2 * 5 * 210 + 200
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_a_huge_message_is_read_from_its_end() -> None:
    assert trailers("title\n\n" + "x" * 10_000_000 + "\n\nAgent-By: a") == {"agent-by": ("a",)}
    assert trailers("t\n" * 3_000_000) == {}
    assert len(trailers("t\n\nAgent-By: " + "x" * 30_000)["agent-by"][0]) == 200
