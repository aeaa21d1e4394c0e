"""When a commit is judged, and judged again."""

from collections.abc import Sequence

from forge_dagster.domain.changes import Attempt, AttemptState

MAX_ROUNDS = 10
"""Attempts at the same head under the same policy: a base that never rests must not keep the machine busy for ever."""


def same_case(one: Attempt, other: Attempt) -> bool:
    """Whether two attempts differ at most in their round."""
    return _case(one) == _case(other)


def round_to_open(history: Sequence[Attempt], wanted: Attempt) -> int | None:
    """Which round of `wanted` to open now, or None for none. `history`: attempts of the same change, newest first.

    A case never seen is round 0. One seen is opened again only if it is not the latest (the head went away and came back), or
    was superseded (the pull request was closed and reopened), and at most MAX_ROUNDS times.
    """
    rounds = [attempt.round for attempt in history if same_case(attempt, wanted)]
    if not rounds:
        return 0
    latest = history[0]
    if same_case(latest, wanted) and latest.state is not AttemptState.SUPERSEDED:
        return None
    return max(rounds) + 1 if max(rounds) + 1 < MAX_ROUNDS else None


def _case(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.repository,
        attempt.job,
        attempt.number,
        attempt.base_ref,
        attempt.head_sha,
        attempt.policy_digest,
    )
