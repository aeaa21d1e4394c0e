"""Durable state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from forge_dagster.domain.attestations import Kind, Statement
from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Approval, Verdict
from forge_dagster.domain.flaky import FlakyTest
from forge_dagster.domain.graph import Job
from forge_dagster.domain.results import GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stored webhook delivery (or a reconciler's own find)."""

    id: int
    delivery: str
    host: str
    name: str
    action: str
    repository: str
    payload: Mapping[str, Any]
    received_at: float
    tries: int = 0
    """How often handling it was put off or failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An external write that is due. `key` makes it unique; `kind` names the GitHost call, `body` its arguments."""

    id: int
    key: str
    kind: str
    repository: str
    body: Mapping[str, Any]
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One link of the hash chain."""

    sequence: int
    at: float
    kind: str
    body: Mapping[str, Any]
    previous: str
    digest: str
    seal: str | None = None
    """Forge's signature of the digest, "<key id>:<base64>"; None where the ledger has no keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A statement to be signed, and `body`, the entry of the log that will name it (kind: the statement's)."""

    statement: Statement
    body: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStatement:
    """A signed statement as it lies in the ledger: nothing in it is believed before it is opened."""

    digest: str
    envelope: str
    sequence: int
    """The entry of the log that names it."""
    bundle: str | None = None
    """A Sigstore bundle of the same statement, where one was made."""


class Ledger(Protocol):
    """Durable state in one SQL database. Each call is one transaction, committed on return."""

    # inbox
    def receive(
        self, *, delivery: str, host: str, name: str, action: str, repository: str, payload: Mapping[str, Any], at: float
    ) -> bool:
        """Store an event. False when the delivery is there already (unless its handling failed: then it is due again)."""
        ...

    def due_events(self, limit: int = 100, *, at: float | None = None) -> tuple[Event, ...]:
        """Oldest first; those put off until after `at` (None: by the system's clock) are left out."""
        ...

    def finish_event(self, event: int, *, error: str | None = None, retry_at: float | None = None) -> None:
        """Mark as handled; with `error`, as failed: due again at most 5 times in all. With `retry_at`: put off, unbounded."""
        ...

    # attempts
    def open_attempt(self, attempt: Attempt) -> Attempt | None:
        """Insert; None when (repository, job, number, base_ref, head, policy, round) exists: the UNIQUE row of invariant 3."""
        ...

    def attempt(self, attempt_id: int) -> Attempt: ...
    def attempts(
        self,
        *,
        repository: str | None = None,
        job: Job | None = None,
        number: int | None = None,
        head_sha: str | None = None,
        states: Sequence[AttemptState] = (),
        limit: int = 100,
    ) -> tuple[Attempt, ...]:
        """Newest first."""
        ...  # fmt: skip

    def claim(self, attempt_id: int, run_id: str) -> Attempt:
        """Make `run_id` the effective run. Raises Superseded when another one is, or the attempt is over."""
        ...

    def release_claim(self, attempt_id: int) -> Attempt:
        """Free a claim whose run died, so that another run may take over (state REQUESTED becomes PENDING again)."""
        ...

    def advance(
        self, attempt_id: int, state: AttemptState, *, tested_tree: str | None = None, base_sha: str | None = None
    ) -> Attempt:
        """Move on; a final state never changes again (the call then returns the attempt as it is)."""
        ...

    # results and verdicts
    def put_result(self, attempt_id: int, result: GateResult, *, attestation: Attestation | None = None) -> None:
        """Keep a result, and in the same transaction its attestation."""
        ...

    def results(self, attempt_id: int) -> Mapping[str, GateResult]: ...
    def put_verdict(self, verdict: Verdict, at: float, *, attestation: Attestation | None = None) -> None:
        """Keep a verdict, and in the same transaction its attestation."""
        ...

    def verdict(self, attempt_id: int) -> Verdict | None: ...
    def put_approval(self, approval: Approval) -> None: ...
    def approvals(self, repository: str, number: int, head_sha: str) -> tuple[Approval, ...]: ...

    # tests that failed and then passed alone
    def note_flaky(
        self, repository: str, tests: Mapping[str, str], *, attempt_id: int, head_sha: str, at: float
    ) -> Mapping[str, FlakyTest]:
        """Count these sightings (fingerprint -> the test), each once per attempt; the history of each, this one included."""
        ...

    def flaky_tests(self, repository: str, limit: int = 50) -> tuple[FlakyTest, ...]:
        """Latest sighting first."""
        ...

    # rollouts: `state` is domain.rollout.Rollout as JSON
    def put_rollout(
        self, *, key: str, repository: str, environment: str, release: str, state: Mapping[str, Any], ended: bool, at: float
    ) -> None: ...
    def rollout(self, key: str) -> Mapping[str, Any] | None: ...
    def rollouts(
        self, *, environment: str | None = None, open_only: bool = False, limit: int = 50
    ) -> tuple[Mapping[str, Any], ...]: ...
    def lock(self, name: str, *, owner: str, ttl_s: float, at: float) -> bool:
        """Take or renew an exclusive lease (one rollout per environment, one merge per branch). False: another has it."""
        ...

    def unlock(self, name: str, *, owner: str) -> None: ...

    # outbox
    def post(self, *, key: str, kind: str, repository: str, body: Mapping[str, Any], at: float) -> None:
        """Queue an external write; the same key again replaces a body not sent yet, and re-opens a sent one if it differs."""
        ...

    def due_errands(self, at: float, limit: int = 50) -> tuple[Errand, ...]: ...
    def finish_errand(self, errand: int, *, error: str | None = None, retry_at: float | None = None) -> None: ...

    # audit
    def record(self, kind: str, body: Mapping[str, Any], at: float) -> AuditEntry:
        """Append to the log, sealed where the ledger has keys (the first of which is made now, if there is none)."""
        ...

    def audit(self, limit: int | None = None, *, kinds: Sequence[str] = ()) -> Iterator[AuditEntry]:
        """Oldest first; with `limit` only the newest so many; with `kinds` only those."""
        ...

    def entry(self, sequence: int) -> AuditEntry | None: ...

    # evidence
    def attest(self, attestation: Attestation) -> AuditEntry:
        """Sign, store and log a statement; without keys it is only logged."""
        ...

    def statements(
        self,
        kind: Kind,
        *,
        repository: str,
        attempt_id: int | None = None,
        name: str | None = None,
        head_sha: str | None = None,
        tree: str | None = None,
        limit: int = 100,
    ) -> tuple[StoredStatement, ...]:
        """Newest first. `name` is the gate's, for Kind.GATE."""
        ...  # fmt: skip

    def envelope(self, digest: str) -> StoredStatement | None: ...
    def put_bundle(self, digest: str, bundle: str) -> None:
        """Keep a Sigstore bundle beside the envelope."""
        ...

    def key_in_force(self) -> str | None:
        """Id of the key that signs now; its public part is among the trusted ones by then. None: nothing was signed yet."""
        ...

    def rotate_key(self, *, by: str, at: float, lost: bool = False) -> AuditEntry:
        """A new key signs from now on; the old one seals that, unless it is `lost`. Its private part is destroyed."""
        ...
