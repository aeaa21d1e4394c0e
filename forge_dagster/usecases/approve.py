"""A person's word on a change."""

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Approval, Verdict
from forge_dagster.domain.graph import Job
from forge_dagster.domain.plain_text import one_line
from forge_dagster.errors import UsageError
from forge_dagster.ports import PullRequest, Services
from forge_dagster.usecases.decide import decide

_COMMENT = 1000


def approve(
    services: Services,
    repository: str,
    number: int,
    *,
    by: str,
    approved: bool,
    comment: str = "",
    head_sha: str | None = None,
    by_is_agent: bool = False,
) -> Verdict | None:
    """Keep that `by` approves (or, with `approved` False, rejects) a pull request at its current head, and decide again.

    `head_sha` is the head that the person looked at, where known. The new verdict, or None while the gates are still at work
    (it is heard when they are done). Raises UsageError for an agent, an author, a closed pull request, or another head.
    """
    pull = services.host_of(repository).pull_request(repository, number)
    where = f"{repository}#{number}"
    if pull.state != "open":
        raise UsageError(f"{where} is closed: there is nothing to decide")
    if head_sha is not None and head_sha != pull.head_sha:
        raise UsageError(
            f"{where} has another head by now: {pull.head_sha[:12]}", hint="look at the new commits and speak on those"
        )
    attempts = services.ledger.attempts(repository=repository, job=Job.CHANGE, number=number, limit=1000)
    _refuse_agents_and_authors(services, by, by_is_agent, pull, attempts)
    word = Approval(
        repository=repository,
        number=number,
        head_sha=pull.head_sha,
        by=one_line(by, 100),
        approved=approved,
        comment=one_line(comment, _COMMENT),
        at=services.clock.now(),
    )
    services.ledger.record("approval" if approved else "rejection", word.model_dump(mode="json"), word.at)
    services.ledger.put_approval(word)
    attempt = next((a for a in attempts if a.head_sha == pull.head_sha), None)
    if attempt is None or services.ledger.verdict(attempt.id) is None:
        return None
    verdict, _ = decide(services, attempt.id, run_id=attempt.run_id or "")
    return verdict


def _refuse_agents_and_authors(
    services: Services, by: str, by_is_agent: bool, pull: PullRequest, attempts: tuple[Attempt, ...]
) -> None:
    name = by.casefold()
    settings = services.settings.agents
    agents = {*settings, *settings.values(), "forge"} | {a.identity.name for a in attempts if a.identity.pusher_is_agent}
    if pull.author_is_agent:
        agents.add(pull.author)
    if by_is_agent or name in {agent.casefold() for agent in agents}:
        raise UsageError(f"{one_line(by)} is an agent: only people approve", hint="ask a person who is not the author")
    authors = {pull.author, *(a.identity.pusher for a in attempts if a.head_sha == pull.head_sha)} - {None}
    if not name or name in {str(author).casefold() for author in authors}:
        raise UsageError(
            f"{one_line(by)} wrote {pull.repository}#{pull.number}: nobody approves a change of their own",
            hint="ask a person who is not the author",
        )
