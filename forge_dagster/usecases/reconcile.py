"""Find what no webhook announced: compare each host with the ledger, and store what is missing as events of our own."""

from collections.abc import Mapping
from typing import Any

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.graph import Job
from forge_dagster.domain.rounds import round_to_open
from forge_dagster.errors import ForgeError, LedgerError, RevisionGone
from forge_dagster.ports import GitHost, PullRequest, Services
from forge_dagster.usecases.open_attempts import Base, base_of, history, wanted_change, wanted_release

_RECENT = 500
"""Attempts of a repository looked through for pull requests that were closed unnoticed."""


def reconcile(services: Services) -> int:
    """Poll every repository of every host; how many events were stored. The next `intake` acts on them.

    The id of such an event is made of what it is about, so that polling again stores it no second time. A repository that
    cannot be polled does not keep the others from it. Raises the first ForgeError only if nothing at all could be polled.
    """
    stored = polled = 0
    first: ForgeError | None = None
    for name, host in services.hosts.items():
        try:
            repositories = host.repositories()
        except LedgerError:
            raise
        except ForgeError as error:
            first = first or error
            continue
        polled += not repositories
        for repository in repositories:
            try:
                stored += _Poll(services, name, host, repository).run()
                polled += 1
            except LedgerError:
                raise
            except ForgeError as error:
                first = first or error
    if first is not None and not polled:
        raise first
    return stored


class _Poll:
    """One look at one repository."""

    def __init__(self, services: Services, host_name: str, host: GitHost, repository: str) -> None:
        self._services = services
        self._host_name = host_name
        self._host = host
        self._repository = repository
        self._bases: dict[str, Base] = {}

    def run(self) -> int:
        pulls = self._host.open_pull_requests(self._repository)
        stored = sum(self._open_pull(pull) for pull in pulls if not pull.draft)
        stored += self._closed({pull.number for pull in pulls})
        return stored + sum(self._branch(branch) for branch in self._services.settings.production_branches)

    def _open_pull(self, pull: PullRequest) -> bool:
        try:
            if pull.base_ref not in self._bases:
                self._bases[pull.base_ref] = base_of(self._host, self._repository, pull.base_ref)
        except RevisionGone:
            return False
        wanted = wanted_change(self._services, pull, self._bases[pull.base_ref])
        earlier = history(self._services, wanted)
        if round_to_open(earlier, wanted) is None:
            return False
        about = f"{pull.number}:{pull.base_ref}:{pull.head_sha}:{wanted.policy_digest[:12]}:{_latest(earlier)}"
        return self._receive("pull_request", "opened", about, {"number": pull.number})

    def _closed(self, open_numbers: set[int]) -> int:
        """Pull requests that have attempts but are not open: each is announced once per latest attempt."""
        recent = self._services.ledger.attempts(repository=self._repository, job=Job.CHANGE, limit=_RECENT)
        latest: dict[int, Attempt] = {}
        for attempt in recent:
            if attempt.number is not None and attempt.number not in open_numbers:
                latest.setdefault(attempt.number, attempt)
        return sum(
            self._receive("pull_request", "closed", f"{number}:closed:{attempt.id}", {"number": number})
            for number, attempt in latest.items()
        )

    def _branch(self, branch: str) -> bool:
        wanted = wanted_release(self._services, self._host, self._repository, branch)
        if wanted is None:
            return False
        earlier = history(self._services, wanted)
        if round_to_open(earlier, wanted) is None:
            return False
        about = f"push:{branch}:{wanted.head_sha}:{_latest(earlier)}"
        return self._receive("push", "", about, {"ref": f"refs/heads/{branch}"})

    def _receive(self, name: str, action: str, about: str, payload: Mapping[str, Any]) -> bool:
        return self._services.ledger.receive(
            delivery=f"reconcile:{self._repository}:{about}",
            host=self._host_name,
            name=name,
            action=action,
            repository=self._repository,
            payload=payload,
            at=self._services.clock.now(),
        )


def _latest(earlier: tuple[Attempt, ...]) -> int:
    return earlier[0].id if earlier else 0
