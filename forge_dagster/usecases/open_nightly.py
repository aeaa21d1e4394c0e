"""Have the tip of every production branch judged anew, and say what came of it."""

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.graph import Job
from forge_dagster.domain.nightly import nightly_check
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.rounds import same_case
from forge_dagster.errors import ForgeError, LedgerError
from forge_dagster.ports import GitHost, Services
from forge_dagster.usecases.open_attempts import OPEN, history, put_check, wanted_release


def open_nightly(services: Services) -> tuple[Attempt, ...]:
    """One attempt per repository and production branch, unless one of last night is still open; `git_events` runs them.

    A repository whose host does not answer is left out this night. Raises LedgerError.
    """
    opened: list[Attempt] = []
    for host in services.hosts.values():
        try:
            for repository in host.repositories():
                opened += _of_repository(services, host, repository)
        except LedgerError:
            raise
        except ForgeError as error:
            services.ledger.record("nightly.skipped", {"reason": one_line(error.message, 500)}, services.clock.now())
    return tuple(opened)


def _of_repository(services: Services, host: GitHost, repository: str) -> list[Attempt]:
    opened = []
    for branch, environment in services.settings.production_branches.items():
        if environment != "production":
            continue
        tip = wanted_release(services, host, repository, branch)
        if tip is None:
            continue
        wanted = tip.model_copy(update={"job": Job.NIGHTLY, "title": f"nightly run of {branch}"})
        earlier = history(services, wanted)
        if any(attempt.state in OPEN for attempt in earlier):
            continue
        rounds = [attempt.round for attempt in earlier if same_case(attempt, wanted)]
        attempt = services.ledger.open_attempt(wanted.model_copy(update={"round": max(rounds, default=-1) + 1}))
        if attempt is not None:
            opened.append(attempt)
    return opened


def tell_nightly(services: Services, attempt: Attempt) -> None:
    """Show on the commit, and in the audit log, what the ended nightly run found."""
    results = services.ledger.results(attempt.id)
    view = nightly_check(results)
    url = services.run_url(attempt.run_id) if attempt.run_id else ""
    body = {"name": view.name, "title": view.title, "summary": view.summary, "conclusion": view.conclusion}
    put_check(services, attempt, {**body, "status": "completed", "details_url": url})
    outcomes = {gate: result.outcome.value for gate, result in results.items()}
    what = {"attempt": attempt.id, "repository": attempt.repository, "head": attempt.head_sha, "outcomes": outcomes}
    services.ledger.record("nightly.judged", what, services.clock.now())
