"""Make the external writes that are due: exactly once in effect, since every write is idempotent and retried until it is done.

Kinds of errand and their bodies:
    check_run   key, name, head_sha, status, conclusion, title, summary, details_url, annotations (findings as JSON)
    status      sha, state, context, description, url
    comment     number, marker, body
    close       number
    merge       attempt
    deployment  sha, environment, description, state, url
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.plain_text import one_line
from forge_dagster.errors import ForgeError, HostError, LedgerError, RevisionGone
from forge_dagster.ports import CheckRun, Errand, GitHost, Services
from forge_dagster.usecases.feed_back import feed_back
from forge_dagster.usecases.merge import merge

LEASE_S = 120.0
"""How long one errand may take before another process may send it again."""

MAX_TRIES = 60
"""With waits that double up to MAX_BACKOFF_S, about nine hours of a host that does not answer."""
MAX_BACKOFF_S = 600.0
BUSY_S = 2.0

PERMANENT = frozenset({400, 404, 410, 422})
"""HTTP statuses that trying again will not change. Not 405: a merge is refused so until the required checks are in."""


def drain(services: Services, limit: int = 50) -> int:
    """Send what is due, oldest first; how many were sent. Raises LedgerError.

    Errands of one repository are sent by one process at a time. A host that does not answer leaves its errands due again later.
    """
    due = services.ledger.due_errands(services.clock.now(), limit)
    return sum(_drain_repository(services, repository, limit) for repository in dict.fromkeys(e.repository for e in due))


def _drain_repository(services: Services, repository: str, limit: int) -> int:
    ledger, name, owner = services.ledger, f"outbox:{repository}", uuid.uuid4().hex
    if not ledger.lock(name, owner=owner, ttl_s=LEASE_S, at=services.clock.now()):
        return 0
    sent = 0
    try:
        # Read again under the lease: what was due before may have been sent by its last holder.
        for errand in ledger.due_errands(services.clock.now(), limit):
            if errand.repository != repository:
                continue
            if not ledger.lock(name, owner=owner, ttl_s=LEASE_S, at=services.clock.now()):
                break
            done, answers = _run(services, errand)
            sent += done
            if not answers:
                break
    finally:
        ledger.unlock(name, owner=owner)
    return sent


def _run(services: Services, errand: Errand) -> tuple[bool, bool]:
    """Do one errand: whether it is done, and whether the host answers at all."""
    now = services.clock.now
    try:
        wait = _KINDS[errand.kind](services, services.host_of(errand.repository), errand)
    except LedgerError:
        raise
    except HostError as error:
        if error.status in PERMANENT or isinstance(error, RevisionGone) or errand.tries + 1 >= MAX_TRIES:
            return _give_up(services, errand, error.message), True
        wait = error.retry_after_s or min(2.0 ** (errand.tries + 1), MAX_BACKOFF_S)
        services.ledger.finish_errand(errand.id, error=error.message, retry_at=now() + wait)
        return False, error.status is not None and error.status < 500
    except ForgeError as error:
        return _give_up(services, errand, error.message), True
    except Exception as error:  # noqa: BLE001 - one errand that cannot be read must not hold up the others
        return _give_up(services, errand, f"{type(error).__name__}: {error}"), True
    if wait is not None:
        services.ledger.finish_errand(errand.id, error="busy", retry_at=now() + wait)
        return False, True
    services.ledger.finish_errand(errand.id)
    return True, True


def _give_up(services: Services, errand: Errand, reason: str) -> bool:
    body = {"key": errand.key, "kind": errand.kind, "repository": errand.repository, "tries": errand.tries + 1}
    services.ledger.record("errand.given_up", {**body, "reason": one_line(reason, 500)}, services.clock.now())
    services.ledger.finish_errand(errand.id, error=reason)
    return False


def _check_run(_: Services, host: GitHost, errand: Errand) -> None:
    body = dict(errand.body)
    findings = tuple(Finding.model_validate(finding) for finding in body.pop("annotations", ()))
    host.put_check_run(errand.repository, CheckRun(**body, annotations=findings))


def _status(_: Services, host: GitHost, errand: Errand) -> None:
    body = dict(errand.body)
    host.put_status(errand.repository, body.pop("sha"), **body)


def _comment(_: Services, host: GitHost, errand: Errand) -> None:
    body = dict(errand.body)
    host.put_comment(errand.repository, body.pop("number"), **body)


def _close(_: Services, host: GitHost, errand: Errand) -> None:
    host.close(errand.repository, errand.body["number"])


def _deployment(_: Services, host: GitHost, errand: Errand) -> None:
    body: Mapping[str, Any] = errand.body
    about = {"sha": body["sha"], "environment": body["environment"], "description": body["description"]}
    deployment = host.create_deployment(errand.repository, **about)
    state = {"state": body["state"], "url": body["url"], "description": body["description"]}
    host.put_deployment_status(errand.repository, deployment, **state)


def _merge(services: Services, _: GitHost, errand: Errand) -> float | None:
    """Land a verdict whose own run could not; the feedback then says so."""
    landing = merge(services, errand.body["attempt"])
    if landing.state == "busy":
        return BUSY_S
    attempt = services.ledger.attempt(errand.body["attempt"])
    verdict = services.ledger.verdict(attempt.id)
    if landing.state in ("merged", "stuck") and verdict is not None:
        feed_back(services, attempt, verdict, note=landing.note)
    return None


_KINDS: Mapping[str, Callable[[Services, GitHost, Errand], float | None]] = {
    "check_run": _check_run,
    "status": _status,
    "comment": _comment,
    "close": _close,
    "deployment": _deployment,
    "merge": _merge,
}
"""Each gives None when done, or the seconds to wait before it is tried again."""
