"""Open the attempts that the state of a git host calls for, and end those it has overtaken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forge_dagster.domain.changes import Attempt, AttemptState, Identity
from forge_dagster.domain.feedback import VERDICT_CHECK
from forge_dagster.domain.graph import Job
from forge_dagster.domain.identity import identity_of, trailers
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy import POLICY_FILE, policy_digest
from forge_dagster.domain.rounds import round_to_open, same_case
from forge_dagster.errors import RevisionGone
from forge_dagster.ports import Commit, GitHost, PullRequest, Services

OPEN = (AttemptState.PENDING, AttemptState.REQUESTED, AttemptState.RUNNING)
_HISTORY = 500
_TITLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pusher:
    """Who pushed, as the host says: the agent's name where the login is bound to one."""

    name: str
    is_agent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Tip of a base branch, and the policy it asks for."""

    sha: str
    policy_digest: str


def base_of(host: GitHost, repository: str, branch: str) -> Base:
    """Raises RevisionGone when there is no such branch, and HostError."""
    sha = host.branch_head(repository, branch)
    if sha is None:
        raise RevisionGone(f"{repository} has no branch {one_line(branch)}")
    return Base(sha=sha, policy_digest=policy_digest(host.file_text(repository, POLICY_FILE, sha) or ""))


def wanted_change(services: Services, pull: PullRequest, base: Base) -> Attempt:
    """The attempt that an open pull request calls for: its current head under the policy of its base's tip."""
    return Attempt(
        repository=pull.repository,
        job=Job.CHANGE,
        number=pull.number,
        title=one_line(pull.title, _TITLE),
        base_ref=pull.base_ref,
        base_sha=base.sha,
        head_sha=pull.head_sha,
        policy_digest=base.policy_digest,
        created_at=services.clock.now(),
    )


def wanted_release(services: Services, host: GitHost, repository: str, branch: str) -> Attempt | None:
    """The attempt that an environment's branch calls for, or None when there is no such branch. Raises HostError."""
    try:
        tip = base_of(host, repository, branch)
    except RevisionGone:
        return None
    return Attempt(
        repository=repository,
        job=Job.RELEASE,
        base_ref=branch,
        head_sha=tip.sha,
        policy_digest=tip.policy_digest,
        created_at=services.clock.now(),
    )


def history(services: Services, wanted: Attempt) -> tuple[Attempt, ...]:
    """Attempts of the same change, or of the same environment's branch, newest first."""
    found = services.ledger.attempts(repository=wanted.repository, job=wanted.job, number=wanted.number, limit=_HISTORY)
    return tuple(a for a in found if wanted.job is Job.CHANGE or a.base_ref == wanted.base_ref)


def open_change(
    services: Services, host: GitHost, pull: PullRequest, *, pusher: Pusher | None, cancel: list[str]
) -> Attempt | None:
    """Open the attempt that an open pull request calls for, unless it is there; end those it overtakes.

    `pusher` is who pushed the current head, where known; else its author is taken. Ids of runs to end go to `cancel`.
    """
    wanted = wanted_change(services, pull, base_of(host, pull.repository, pull.base_ref))
    earlier = history(services, wanted)
    commit = host.commit(pull.repository, pull.head_sha)
    overtaken = [a for a in earlier if a.state in OPEN and not same_case(a, wanted)]
    supersede(services, overtaken, why=f"replaced by head {pull.head_sha[:12]}", cancel=cancel)
    who = pusher or Pusher(name=pull.author, is_agent=pull.author_is_agent)
    identity = identity_of(commit.message, pusher=who.name, pusher_is_agent=who.is_agent)
    opened = _open(services, wanted.model_copy(update={"identity": identity}), earlier)
    if opened is not None:
        announce(services, opened)
    return opened


def open_release(services: Services, host: GitHost, repository: str, branch: str, *, cancel: list[str]) -> Attempt | None:
    """Open the release that the tip of an environment's branch calls for, unless it is there.

    Earlier ones that have not begun are ended; one that has goes on to its end, so that production is never left between.
    """
    wanted = wanted_release(services, host, repository, branch)
    if wanted is None:
        return None
    earlier = history(services, wanted)
    commit = host.commit(repository, wanted.head_sha)
    waiting = [a for a in earlier if a.state in OPEN[:2] and not same_case(a, wanted)]
    supersede(services, waiting, why=f"replaced by {wanted.head_sha[:12]}", cancel=cancel)
    changes = {"identity": _made_by(host, repository, commit), "title": one_line(commit.message.partition("\n")[0], _TITLE)}
    return _open(services, wanted.model_copy(update=changes), earlier)


def _made_by(host: GitHost, repository: str, commit: Commit) -> Identity:
    """Identity of a release: the trailers of what was merged, since Forge's merge commit has none of its own."""
    if len(commit.parents) == 2 and not trailers(commit.message):
        commit = host.commit(repository, commit.parents[1])
    return identity_of(commit.message, pusher=None, pusher_is_agent=False)


def _open(services: Services, wanted: Attempt, earlier: Sequence[Attempt]) -> Attempt | None:
    number = round_to_open(earlier, wanted)
    return None if number is None else services.ledger.open_attempt(wanted.model_copy(update={"round": number}))


def next_round(services: Services, host: GitHost, pull: PullRequest, attempt: Attempt) -> Attempt | None:
    """Judge the head of `attempt` again, since its base moved. None when it was judged too often; else the latest attempt."""
    wanted = wanted_change(services, pull, base_of(host, pull.repository, pull.base_ref)).model_copy(
        update={"identity": attempt.identity}
    )
    earlier = history(services, wanted)
    if earlier and earlier[0].id != attempt.id:
        return earlier[0]
    overtaken = attempt.model_copy(update={"state": AttemptState.SUPERSEDED})
    opened = _open(services, wanted, [overtaken, *earlier[1:]])
    if opened is not None:
        announce(services, opened)
    return opened


def supersede(services: Services, attempts: Sequence[Attempt], *, why: str, cancel: list[str]) -> None:
    """End attempts that something newer has overtaken; ids of their runs go to `cancel`. Idempotent."""
    now = services.clock.now()
    for attempt in attempts:
        ended = services.ledger.advance(attempt.id, AttemptState.SUPERSEDED)
        if ended.state is not AttemptState.SUPERSEDED:
            continue
        if ended.run_id is not None:
            cancel.append(ended.run_id)
        body = {"attempt": attempt.id, "repository": attempt.repository, "number": attempt.number, "head": attempt.head_sha}
        services.ledger.record("attempt.superseded", {**body, "why": one_line(why)}, now)
        if attempt.job is Job.CHANGE:  # a check that stays "in progress" for ever would block the pull request
            post_check(services, attempt, status="completed", conclusion="cancelled", title=one_line(why))


def announce(services: Services, attempt: Attempt) -> None:
    """Show on the head commit that it is going to be judged."""
    post_check(services, attempt, status="queued", conclusion=None, title="waits for its gates")


def post_check(services: Services, attempt: Attempt, *, status: str, conclusion: str | None, title: str) -> None:
    """Queue the state of the verdict's check."""
    check = {"name": VERDICT_CHECK, "status": status, "conclusion": conclusion, "title": title, "summary": title}
    put_check(services, attempt, check)


def put_check(services: Services, attempt: Attempt, check: Mapping[str, object]) -> None:
    """Queue a check on the attempt's head; a later one of the same name replaces it."""
    name = check["name"]
    services.ledger.post(
        key=f"check:{attempt.repository}:{attempt.head_sha}:{name}",
        kind="check_run",
        repository=attempt.repository,
        body={"key": str(name), "head_sha": attempt.head_sha, **check},
        at=services.clock.now(),
    )
