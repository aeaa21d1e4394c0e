"""Give the verdict on an attempt, tell its author, and land what may land."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Approval, Decision, Risk, RiskLevel, TrustLevel, Verdict
from forge_dagster.domain.graph import Job
from forge_dagster.domain.light import is_light
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy import POLICY_FILE, parse_policy
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.risk import classify
from forge_dagster.domain.verdict import Case, give_verdict, verdict_result
from forge_dagster.errors import EvidenceError, ForgeError, HostError, Interrupted, LedgerError, Superseded, UsageError
from forge_dagster.ports import GitHost, PullRequest, Services
from forge_dagster.usecases.evidence import keep_verdict, signed_results, signed_trust, signed_verdict, signed_words
from forge_dagster.usecases.examine import LIGHT
from forge_dagster.usecases.feed_back import JUDGING, feed_back
from forge_dagster.usecases.merge import Landing, merge, why_not_current
from forge_dagster.usecases.open_attempts import supersede
from forge_dagster.usecases.outbox import drain

MERGE_RETRY_S = 10.0
"""The merge is tried at once; the outbox tries again after this, should the host not answer or this process be killed."""


def _silent(_: str) -> None:
    pass


def decide(
    services: Services, attempt_id: int, *, run_id: str, log: Callable[[str], None] = _silent
) -> tuple[Verdict, GateResult]:
    """Decide by the results there are, for the run `run_id`; the verdict and the result of its gate. Idempotent.

    Call it again after a killed worker, and when a person has spoken. Raises Superseded when the verdict would no longer be for
    what the pull request is, or another run is the effective one; HostError when the host cannot say what it is now (nothing is
    decided then: call again); UsageError for a release, which has no verdict.
    """
    attempt = services.ledger.attempt(attempt_id)
    number = attempt.number
    if attempt.job is not Job.CHANGE or number is None:
        raise UsageError(f"attempt {attempt_id} is a release: it has no verdict")
    if attempt.state in (AttemptState.SUPERSEDED, AttemptState.ABANDONED):
        raise Superseded(f"attempt {attempt_id} ({attempt.partition}) is over: {attempt.state.value}")
    if attempt.run_id not in (None, run_id):
        raise Superseded(f"attempt {attempt_id} ({attempt.partition}) belongs to run {attempt.run_id}")
    host = services.host_of(attempt.repository)
    pull = _current(services, host, attempt, number)
    stored = _stored(services, attempt)
    if pull.merged and stored is not None and stored.decision is Decision.MERGE:
        return _conclude(services, attempt, stored, landed=True)
    seen = _examined(services, host, attempt, stored, log)
    attempt = seen.attempt
    while True:
        words = services.ledger.approvals(attempt.repository, number, attempt.head_sha)
        signed = signed_results(services, attempt)
        verdict = give_verdict(_case(services, seen, pull, signed_words(services, words), signed.results))
        if verdict != stored:
            keep_verdict(services, attempt, verdict, signed.attestations, log=log)
            stored = verdict
        # A person who spoke after `words` was read saw no verdict yet, and so left it to this call to hear them.
        if words == services.ledger.approvals(attempt.repository, number, attempt.head_sha):
            return _conclude(services, attempt, verdict, landed=pull.merged)


def _stored(services: Services, attempt: Attempt) -> Verdict | None:
    """The verdict given before; one that was not signed is given anew."""
    try:
        return signed_verdict(services, attempt)
    except EvidenceError:
        return None


def _current(services: Services, host: GitHost, attempt: Attempt, number: int) -> PullRequest:
    """The pull request, if it still is what was judged."""
    try:
        pull = host.pull_request(attempt.repository, number)
    except HostError as error:
        if error.status not in (404, 410):
            raise
        raise _overtaken(services, attempt, "the pull request is gone") from error
    if pull.merged and pull.head_sha == attempt.head_sha:
        return pull
    moved = why_not_current(pull, attempt)
    if moved is not None:
        raise _overtaken(services, attempt, moved)
    return pull


def _overtaken(services: Services, attempt: Attempt, why: str) -> Superseded:
    supersede(services, [attempt], why=why, cancel=[])
    return Superseded(f"attempt {attempt.id} ({attempt.partition}) has no verdict: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The attempt with its tested tree, and what its change is like (domain.verdict.Case)."""

    attempt: Attempt
    risk: Risk
    kind_declared: bool = False
    light: bool = False


def _examined(services: Services, host: GitHost, attempt: Attempt, stored: Verdict | None, log: Callable[[str], None]) -> _Seen:
    """What there is to see of the change. What cannot be looked at is critical: a person has to."""
    try:
        if stored is not None and stored.outcome is Outcome.PASSED and attempt.tested_tree is not None:
            text = host.file_text(attempt.repository, POLICY_FILE, attempt.base_sha or attempt.head_sha) or ""
            kind = parse_policy(text).project.kind
            light = any(result.reason.startswith(LIGHT) for result in services.ledger.results(attempt.id).values())
            return _Seen(attempt=attempt, risk=stored.risk, kind_declared=kind is not None, light=light)
        checkout = services.workspace.checkout(attempt, host, log=log)
    except (Superseded, Interrupted, LedgerError):
        raise
    except ForgeError as error:
        unknown = f"what it touches is not known: {one_line(error.message)}"
        return _Seen(attempt=attempt, risk=Risk(level=RiskLevel.HIGH, reasons=(unknown,), critical=True))
    if attempt.tested_tree is None and checkout.tested_tree is not None:
        attempt = services.ledger.advance(
            attempt.id, AttemptState.RUNNING, tested_tree=checkout.tested_tree, base_sha=checkout.change.base_sha
        )
    return _Seen(
        attempt=attempt,
        risk=classify(checkout.change.paths, checkout.policy.risk),
        kind_declared=checkout.policy.project.kind is not None,
        light=is_light(checkout.change.paths, checkout.policy.light),
    )


def _case(
    services: Services, seen: _Seen, pull: PullRequest, words: tuple[Approval, ...], results: Mapping[str, GateResult]
) -> Case:
    attempt = seen.attempt
    names = {attempt.identity.name, pull.author}
    trust = min((signed_trust(services, agent=name, repository=attempt.repository) for name in names), default=TrustLevel.L0)
    return Case(
        attempt_id=attempt.id,
        repository=attempt.repository,
        number=pull.number,
        head_sha=attempt.head_sha,
        specs=JUDGING,
        results=results,
        risk=seen.risk,
        trust=trust,  # of the less trusted of who opened and who pushed
        approvals=words,
        authors=frozenset(names),
        kind_declared=seen.kind_declared,
        light=seen.light,
    )


def _conclude(services: Services, attempt: Attempt, verdict: Verdict, *, landed: bool) -> tuple[Verdict, GateResult]:
    """Tell, land and close. Every step may be killed: all of it is done again by the next call, or by the outbox."""
    landing = None
    if verdict.decision is Decision.MERGE:
        key, body = f"merge:{attempt.repository}:{attempt.id}", {"attempt": attempt.id}
        later = services.clock.now() + MERGE_RETRY_S
        services.ledger.post(key=key, kind="merge", repository=attempt.repository, body=body, at=later)
        if not landed:  # a host may want to see the verdict's check before it lets anybody merge
            feed_back(services, attempt, verdict)
            drain(services)
        landing = _try_merge(services, attempt)
        if landing.state == "superseded":
            drain(services)
            raise Superseded(f"attempt {attempt.id} ({attempt.partition}) was {landing.note}")
    note = "" if landing is None else landing.note
    feed_back(services, attempt, verdict, note=note)
    result = verdict_result(verdict, note=note)
    services.ledger.put_result(attempt.id, result)
    services.ledger.advance(attempt.id, AttemptState.DECIDED)
    drain(services)
    return verdict, result


def _try_merge(services: Services, attempt: Attempt) -> Landing:
    try:
        return merge(services, attempt.id)
    except (Superseded, Interrupted, LedgerError):
        raise
    except ForgeError as error:  # the errand is in the outbox, and is tried again from there
        return Landing(state="busy", note=f"not merged yet: {one_line(error.message)}")
