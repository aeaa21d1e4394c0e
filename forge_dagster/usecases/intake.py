"""Turn stored events into attempts. Events are hints: what is done rests on what the host says now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.previews import preview_name
from forge_dagster.errors import ConfigurationError, HostError, LedgerError, RevisionGone, UsageError
from forge_dagster.ports import Event, GitHost, PullRequest, Services
from forge_dagster.usecases.approve import approve
from forge_dagster.usecases.open_attempts import OPEN, Pusher, open_change, open_release, supersede

MAX_BACKOFF_S = 300.0
"""Longest wait between two tries of an event whose host does not answer."""

GONE = frozenset({404, 410, 422})
"""HTTP statuses that trying again will not change."""

_JUDGED = frozenset({"opened", "synchronize", "reopened", "ready_for_review", "converted_to_draft", "edited", "closed"})
_MEMBERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""Whose reviews count (GitHub's author_association): on a public repository anybody may press "approve"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What to do now: attempts that wait for a run (oldest first), and runs that something newer has overtaken."""

    attempts: tuple[Attempt, ...]
    cancel_runs: tuple[str, ...]


def intake(services: Services) -> Intake:
    """Act on every due event. An attempt that nobody has asked a run for is returned again each time.

    Raises LedgerError. A host that does not answer puts its events off, without limit; an event that cannot be handled for
    another reason is tried five times and then left, with an audit row.
    """
    cancel: list[str] = []
    for event in services.ledger.due_events(at=services.clock.now()):
        _handle(services, event, cancel)
    pending = services.ledger.attempts(states=(AttemptState.PENDING,), limit=1000)
    return Intake(attempts=tuple(reversed(pending)), cancel_runs=tuple(dict.fromkeys(cancel)))


def requested(services: Services, attempts: tuple[Attempt, ...] | list[Attempt]) -> None:
    """A run was asked for each of these."""
    for attempt in attempts:
        services.ledger.advance(attempt.id, AttemptState.REQUESTED)


def _handle(services: Services, event: Event, cancel: list[str]) -> None:
    ledger = services.ledger
    try:
        action = _ACTIONS.get(event.name)
        if action is not None:
            action(services, event, cancel)
    except LedgerError:
        raise
    except (RevisionGone, ConfigurationError, UsageError) as error:
        _ignored(services, event, error.message)
    except HostError as error:
        if error.status in GONE:
            _ignored(services, event, error.message)
        else:
            wait = error.retry_after_s or min(2.0**event.tries, MAX_BACKOFF_S)
            ledger.finish_event(event.id, error=error.message, retry_at=services.clock.now() + wait)
    except Exception as error:  # noqa: BLE001 - one event that cannot be handled must not hold up the others
        ledger.finish_event(event.id, error=f"{type(error).__name__}: {error}")
        _audit(services, event, "event.failed", f"{type(error).__name__}: {error}")
    else:
        ledger.finish_event(event.id)


def _ignored(services: Services, event: Event, reason: str) -> None:
    _audit(services, event, "event.ignored", reason)
    services.ledger.finish_event(event.id)


def _audit(services: Services, event: Event, kind: str, reason: str) -> None:
    body = {"delivery": event.delivery, "event": event.name, "action": event.action, "repository": event.repository}
    services.ledger.record(kind, {**body, "reason": one_line(reason, 500)}, services.clock.now())


def _pull_request(services: Services, event: Event, cancel: list[str]) -> None:
    if event.action not in _JUDGED:
        return
    host = services.host_of(event.repository)
    pull = host.pull_request(event.repository, _number(event))
    if pull.state == "closed":
        _close(services, host, pull, cancel)
    elif pull.draft:
        supersede(services, _open_attempts(services, pull), why="turned into a draft", cancel=cancel)
    else:
        open_change(services, host, pull, pusher=_pusher(services, event, pull), cancel=cancel)


def _push(services: Services, event: Event, cancel: list[str]) -> None:
    branch = _text(event.payload, "ref").removeprefix("refs/heads/")
    if branch in services.settings.production_branches and not event.payload.get("deleted"):
        open_release(services, services.host_of(event.repository), event.repository, branch, cancel=cancel)


def _review(services: Services, event: Event, _: list[str]) -> None:
    review = _table(event.payload, "review")
    state = _text(review, "state").lower()
    if state not in ("approved", "changes_requested", "dismissed") or event.action not in ("submitted", "dismissed"):
        return
    by, is_agent = _who(services, _table(review, "user"))
    if _text(review, "author_association").upper() not in _MEMBERS:
        raise UsageError(f"{by} is no member of {event.repository}: the review does not count")
    number, head = _number(event), _text(review, "commit_id")
    if state == "dismissed":
        words = services.ledger.approvals(event.repository, number, head)
        if not any(word.approved and word.by.casefold() == by.casefold() for word in words):
            return
    approve(
        services,
        event.repository,
        number,
        by=by,
        approved=state == "approved",
        comment="the approval was taken back" if state == "dismissed" else _text(review, "body"),
        head_sha=head,
        by_is_agent=is_agent,
    )


_ACTIONS: Mapping[str, Callable[[Services, Event, list[str]], None]] = {
    "pull_request": _pull_request,
    "push": _push,
    "pull_request_review": _review,
}


def _close(services: Services, host: GitHost, pull: PullRequest, cancel: list[str]) -> None:
    overtaken = [a for a in _open_attempts(services, pull) if not (pull.merged and _lands(services, a, pull))]
    supersede(services, overtaken, why=f"#{pull.number} was {'merged' if pull.merged else 'closed'}", cancel=cancel)
    for platform in services.platforms.values():
        platform.remove_preview(name=preview_name(pull.repository, pull.number))
    if pull.merged and pull.base_ref in services.settings.production_branches:
        open_release(services, host, pull.repository, pull.base_ref, cancel=cancel)


def _lands(services: Services, attempt: Attempt, pull: PullRequest) -> bool:
    """Whether it is this attempt's own verdict that merged the pull request: its run is about to end by itself."""
    verdict = services.ledger.verdict(attempt.id)
    return attempt.head_sha == pull.head_sha and verdict is not None and verdict.decision is Decision.MERGE


def _open_attempts(services: Services, pull: PullRequest) -> tuple[Attempt, ...]:
    return services.ledger.attempts(repository=pull.repository, number=pull.number, states=OPEN, limit=1000)


def _pusher(services: Services, event: Event, pull: PullRequest) -> Pusher | None:
    """Who pushed the head: the sender of `synchronize`, if that event is about the very head the pull request has now."""
    if event.action != "synchronize" or _text(event.payload, "after") != pull.head_sha:
        return None
    name, is_agent = _who(services, _table(event.payload, "sender"))
    return Pusher(name=name, is_agent=is_agent) if name else None


def _who(services: Services, user: Mapping[str, Any]) -> tuple[str, bool]:
    login = one_line(_text(user, "login"), 100)
    agent = services.settings.agents.get(login)
    return agent or login, agent is not None or (_text(user, "type") == "Bot" and login != "forge")


def _number(event: Event) -> int:
    number = event.payload.get("number") or _table(event.payload, "pull_request").get("number")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**31:
        raise UsageError(f"the event {event.delivery} names no pull request")
    return number


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
