"""Makes the reviewer that the operator's settings describe."""

import time
from collections.abc import Callable
from pathlib import Path

from forge_dagster.agents.reviewers.budget import DailyBudget
from forge_dagster.agents.reviewers.command import CommandReviewer
from forge_dagster.agents.reviewers.comments import CommentReviewer
from forge_dagster.agents.reviewers.model import ModelReviewer
from forge_dagster.domain.settings import ReviewerSettings
from forge_dagster.errors import ConfigurationError
from forge_dagster.ports import GitHost, Reviewer


def reviewer(
    named: ReviewerSettings,
    *,
    home: Path,
    host_of: Callable[[str], GitHost] | None,
    read_key: Callable[[Path], str],
    now: Callable[[], float] = time.time,
) -> Reviewer:
    """The reviewer of [reviewer]. Raises ConfigurationError for one that lacks what its kind needs."""
    budget = DailyBudget(home / "review" / "calls.json", limit=named.daily_calls, now=now)
    if named.kind == "comments":
        if host_of is None:
            raise ConfigurationError("[reviewer] comments are on pull requests only", hint="use it with forge up")
        return CommentReviewer(host_of=host_of, logins=named.logins)
    if named.kind == "command":
        if not named.command:
            raise ConfigurationError("[reviewer] has no command", hint='give one, such as command = ["claude", "-p"]')
        return CommandReviewer(argv=named.command, budget=budget)
    if not named.url or not named.model or named.key_file is None:
        raise ConfigurationError("[reviewer] needs url, model and key_file", hint="give all three in settings.toml")
    key_file = named.key_file
    return ModelReviewer(
        kind=named.kind,
        url=named.url,
        model=named.model,
        key=lambda: read_key(key_file),
        max_output_tokens=named.max_output_tokens,
        budget=budget,
    )
