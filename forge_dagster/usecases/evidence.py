"""Sign what was found and decided, and believe what is signed: a result or verdict counts only as its attestation says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from forge_dagster.domain.attestations import (
    Kind,
    Statement,
    gate_statement,
    result_digest,
    verdict_digest,
    verdict_statement,
)
from forge_dagster.domain.audit import link_digest
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Approval, TrustLevel, Verdict
from forge_dagster.domain.log_check import binding_fault, opened_statement, word_key
from forge_dagster.domain.log_keys import KEY_KINDS, KeyHistory
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.trust import TRUST_SET, level_said
from forge_dagster.errors import EvidenceError
from forge_dagster.ports import Attestation, AuditEntry, Services, StoredStatement

UNSIGNED = "its stored result is not the one that was signed"
VERIFY = "run `forge audit verify`: the ledger was altered, or restored from a backup without its keys"

_WORDS = 2000
"""Approvals looked through for the one that a row claims; older ones are asked for again."""

Log = Callable[[str], None]


def keep_result(
    services: Services,
    attempt: Attempt,
    result: GateResult,
    *,
    tree: str | None = None,
    base: str | None = None,
    log: Log | None = None,
) -> None:
    """Store the result with its attestation. A build is signed keyless as well, where that was asked for."""
    at, result = services.clock.now(), services.redaction().value(result)  # what is signed is what is stored
    statement = gate_statement(attempt, result, tree=tree, base=base, at=at)
    body = {
        **_about(attempt),
        "gate": result.gate,
        "outcome": result.outcome.value,
        "result": result_digest(result),
    }
    services.ledger.put_result(attempt.id, result, attestation=Attestation(statement=statement, body=body, at=at))
    if result.gate == "build" and result.outcome is Outcome.PASSED:
        _sign_keyless(services, Kind.GATE, attempt, name="build", log=log)


def keep_verdict(
    services: Services, attempt: Attempt, verdict: Verdict, gates: Mapping[str, str], *, log: Log | None = None
) -> None:
    """Store the verdict with its attestation; `gates`: gate -> digest of the attestation it rests on."""
    at, verdict = services.clock.now(), services.redaction().value(verdict)  # what is signed is what is stored
    statement = verdict_statement(attempt, verdict, gates=gates, at=at)
    body = {
        **_about(attempt),
        "base": attempt.base_sha,
        "tested_tree": attempt.tested_tree,
        "policy": attempt.policy_digest,
        "run": attempt.run_id,
        "verdict": verdict_digest(verdict),
        **verdict.model_dump(mode="json", exclude={"attempt_id"}),
    }
    services.ledger.put_verdict(verdict, at, attestation=Attestation(statement=statement, body=body, at=at))
    _sign_keyless(services, Kind.VERDICT, attempt, name=None, log=log)


def _about(attempt: Attempt) -> dict[str, object]:
    return {"attempt": attempt.id, "repository": attempt.repository, "number": attempt.number, "head": attempt.head_sha}


def _sign_keyless(services: Services, kind: Kind, attempt: Attempt, *, name: str | None, log: Log | None) -> None:
    """Best effort: what does not come about is said, and nothing rests on it."""
    if services.keyless is None:
        return
    say = log or (lambda _: None)
    stored = services.ledger.statements(kind, repository=attempt.repository, attempt_id=attempt.id, name=name, limit=1)
    if not stored:
        return
    try:
        proven = Proofs(services).opened(stored[0])
        services.ledger.put_bundle(stored[0].digest, services.keyless.sign(proven.statement.payload()))
    except EvidenceError as error:
        say(f"not signed by Sigstore: {one_line(error.message)}; Forge's own signature stands")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A statement whose signature, place in the log and binding to it were checked."""

    statement: Statement
    digest: str
    entry: AuditEntry


class Proofs:
    """Signed statements of the ledger, each checked before it is believed. Reads the keys once: make one per question."""

    def __init__(self, services: Services) -> None:
        """Raises EvidenceError where there are no keys, or the log's keys are not this home's."""
        keyring = services.keyring
        if keyring is None:
            raise EvidenceError("this Forge has no keys", hint="start it with `forge up`, which makes them")
        self._ledger, self._keyring = services.ledger, keyring
        self._ledger.key_in_force()
        self._keys = KeyHistory(trusted=keyring.trusted(), signatures=keyring)
        for entry in self._ledger.audit(kinds=KEY_KINDS):
            fault = _digest_fault(entry) or self._keys.admit(entry)
            if fault is not None:
                raise EvidenceError(f"the audit log's keys: {fault}", hint=VERIFY)

    def opened(self, stored: StoredStatement) -> Proven:
        """Raises EvidenceError, saying what is wrong with it."""
        entry = self._ledger.entry(stored.sequence)
        place = f"attestation {stored.digest[:12]}"
        if entry is None or entry.body.get("attestation") != stored.digest:
            raise EvidenceError(f"{place}: the audit log does not name it", hint=VERIFY)
        fault = _digest_fault(entry) or self._keys.seal_fault(entry)
        period = self._keys.at(entry.sequence)
        if fault is None and period is None:
            fault = "it is older than the first key"
        try:
            if fault is None and period is not None:
                statement = opened_statement(stored.envelope, digest=stored.digest, period=period, signatures=self._keyring)
                fault = binding_fault(entry, statement)
                if fault is None:
                    return Proven(statement=statement, digest=stored.digest, entry=entry)
        except ValueError as error:
            fault = one_line(str(error), 300)
        raise EvidenceError(f"{place}: {fault}", hint=VERIFY)

    def of(
        self,
        kind: Kind,
        attempt: Attempt | None = None,
        *,
        repository: str = "",
        name: str | None = None,
        head_sha: str | None = None,
        tree: str | None = None,
        limit: int = 100,
    ) -> Iterator[Proven]:
        """Newest first. Raises EvidenceError at the first that cannot be believed.

        The ledger's columns only find a statement; what it is about is what it says itself.
        """
        wanted: dict[str, object] = {
            "repository": repository if attempt is None else attempt.repository,
            "attempt": None if attempt is None else attempt.id,
            "head": head_sha,
            "tree": tree,
        }
        for stored in self._ledger.statements(
            kind,
            repository=str(wanted["repository"]),
            attempt_id=None if attempt is None else attempt.id,
            name=name,
            head_sha=head_sha,
            tree=tree,
            limit=limit,
        ):
            proven = self.opened(stored)
            said = proven.statement.facts.model_dump()
            wrong = next((what for what, value in wanted.items() if value is not None and said[what] != value), None)
            if wrong is None and proven.statement.kind is not kind:
                wrong = "kind"
            if wrong is None and name is not None and proven.statement.gate.gate != name:
                wrong = "gate"
            if wrong is not None:
                raise EvidenceError(f"attestation {stored.digest[:12]} is of another {wrong}", hint=VERIFY)
            yield proven

    def is_sealed(self, entry: AuditEntry) -> bool:
        """Whether Forge wrote this entry, in this place."""
        return self._keys.at(entry.sequence) is not None and not (_digest_fault(entry) or self._keys.seal_fault(entry))


def _digest_fault(entry: AuditEntry) -> str | None:
    digest = link_digest(sequence=entry.sequence, at=entry.at, kind=entry.kind, body=entry.body, previous=entry.previous)
    return None if digest == entry.digest else f"entry {entry.sequence} was altered: its digest does not match"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedResults:
    """Results as signed, and the digests of their attestations."""

    results: Mapping[str, GateResult]
    attestations: Mapping[str, str]


def signed_results(services: Services, attempt: Attempt) -> SignedResults:
    """The attempt's results; one that is not what was signed for this very attempt is ERRORED, whatever it says.

    A Forge without keys has results only.
    """
    results = services.ledger.results(attempt.id)
    if services.keyring is None:
        return SignedResults(results=results, attestations={})
    proofs, believed, digests = Proofs(services), dict(results), {}
    for gate, result in results.items():
        if gate == "verdict":
            continue
        try:
            proven = next(proofs.of(Kind.GATE, attempt, name=gate), None)
        except EvidenceError as error:
            believed[gate] = gate_result(gate, Outcome.ERRORED, reason=str(error))
            continue
        if proven is None or not _says(proven.statement, attempt, gate, result):
            believed[gate] = gate_result(gate, Outcome.ERRORED, reason=f"{UNSIGNED}\n  -> {VERIFY}")
        else:
            digests[gate] = proven.digest
    return SignedResults(results=believed, attestations=digests)


def _says(statement: Statement, attempt: Attempt, gate: str, result: GateResult) -> bool:
    facts = statement.facts
    bound = (facts.repository, facts.head, facts.policy, facts.branch, facts.attempt) == (
        attempt.repository,
        attempt.head_sha,
        attempt.policy_digest,
        attempt.base_ref,
        attempt.id,
    )
    same_tree = facts.tree is None or attempt.tested_tree is None or facts.tree == attempt.tested_tree
    return bound and same_tree and (statement.gate.gate, statement.gate.result) == (gate, result_digest(result))


def signed_words(services: Services, words: tuple[Approval, ...]) -> tuple[Approval, ...]:
    """Of approvals and rejections, those that the sealed log holds too: a row that somebody slipped in is no word."""
    if services.keyring is None or not words:
        return words
    proofs = Proofs(services)
    kinds = ("approval", "rejection")
    logged = {word_key(e.body) for e in services.ledger.audit(limit=_WORDS, kinds=kinds) if proofs.is_sealed(e)}
    return tuple(word for word in words if word_key(word.model_dump(mode="json")) in logged)


def signed_trust(services: Services, *, agent: str, repository: str) -> TrustLevel:
    """How far the sealed log trusts the agent in this repository: L0 where it says nothing.

    There is no other record of it, so nothing that can be written without Forge's key raises a level.
    """
    proofs = None if services.keyring is None else Proofs(services)
    level = TrustLevel.L0
    for entry in services.ledger.audit(kinds=(TRUST_SET,)):
        said = level_said(entry.body, agent=agent, repository=repository)
        if said is not None and (proofs is None or proofs.is_sealed(entry)):
            level = said
    return level


def signed_verdict(services: Services, attempt: Attempt) -> Verdict | None:
    """The stored verdict, which has to be the one signed last for this attempt. Raises EvidenceError where it is not."""
    verdict = services.ledger.verdict(attempt.id)
    if verdict is None or services.keyring is None:
        return verdict
    proven = next(Proofs(services).of(Kind.VERDICT, attempt), None)
    if proven is None:
        raise EvidenceError(f"the verdict on attempt {attempt.id} was never signed", hint=VERIFY)
    facts = proven.statement.facts
    said = (facts.repository, facts.head, facts.policy, facts.tree, proven.statement.verdict.verdict)
    stored = (
        attempt.repository,
        attempt.head_sha,
        attempt.policy_digest,
        attempt.tested_tree,
        verdict_digest(verdict),
    )
    if said != stored:
        raise EvidenceError(f"the verdict on attempt {attempt.id} is not the one that was signed", hint=VERIFY)
    return verdict
