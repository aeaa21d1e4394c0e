"""Check a whole audit log: the chain, every seal, every attestation, and that it says what its entry says. Pure, offline."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from forge_dagster.domain.attestations import Kind, Statement, content_digest, parse_statement
from forge_dagster.domain.audit import GENESIS, canonical_json, link_fault
from forge_dagster.domain.log_keys import KEY_KINDS, KeyHistory, KeyPeriod, SealedLink, Signatures

APPROVAL_KINDS = ("approval", "rejection", "rollout.approved", "rollout.rejected")


@dataclass(slots=True, kw_only=True)
class Replay:
    """The state that the log tells of. `results`: (attempt, gate) -> digest of the result; `verdicts`: attempt -> digest."""

    results: dict[tuple[int, str], str] = field(default_factory=dict)
    verdicts: dict[int, str] = field(default_factory=dict)
    approvals: set[str] = field(default_factory=set)
    attestations: dict[str, int] = field(default_factory=dict)
    """Digest -> the attempt it is about."""

    def take(self, entry: SealedLink) -> None:
        """Follow one entry."""
        body = entry.body
        if entry.kind == Kind.GATE and "result" in body:
            self.results[int(body["attempt"]), str(body["gate"])] = str(body["result"])
        elif entry.kind == Kind.VERDICT and "verdict" in body:
            self.verdicts[int(body["attempt"])] = str(body["verdict"])
        elif entry.kind in APPROVAL_KINDS:
            self.approvals.add(word_key(body))


def word_key(word: Mapping[str, Any]) -> str:
    """An approval's fields as one text, whatever stands beside them."""
    names = ("repository", "number", "head_sha", "by", "approved", "comment", "at")
    return canonical_json({name: word.get(name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCheck:
    """What was found. `fault` names the first broken thing; `unsealed` counts entries older than the first key."""

    entries: int
    head: str
    fault: str | None
    keys: tuple[KeyPeriod, ...]
    attestations: int
    unsealed: int
    replay: Replay


def check_log(
    entries: Iterable[SealedLink],
    *,
    envelope: Callable[[str], str | None],
    signatures: Signatures,
    trusted: Mapping[str, str],
    expected_head: str | None = None,
) -> LogCheck:
    """Check a log, oldest entry first.

    `envelope` finds an attestation by its digest; `trusted` are the public keys by id that the first key must be one of, and
    all of which the log must know (else an end of it is missing). `expected_head` is a digest noted earlier, which the log must
    hold: only so can every cut-off end be seen.
    """
    keys, replay = KeyHistory(trusted=trusted, signatures=signatures), Replay()
    count, unsealed, head, fault, seen_head = 0, 0, GENESIS, None, expected_head in (None, GENESIS)
    for entry in entries:
        fault = link_fault(entry, expected=count + 1, head=head) or _entry_fault(entry, keys, replay, envelope, signatures)
        if fault is not None:
            break
        count, head = count + 1, entry.digest
        unsealed += not keys.periods
        seen_head = seen_head or head == expected_head
    if fault is None:
        fault = _whole(keys, trusted, seen_head=seen_head, expected_head=expected_head, head=head)
    return LogCheck(
        entries=count,
        head=head,
        fault=fault,
        keys=tuple(keys.periods),
        attestations=len(replay.attestations),
        unsealed=unsealed,
        replay=replay,
    )


def _whole(
    keys: KeyHistory, trusted: Mapping[str, str], *, seen_head: bool, expected_head: str | None, head: str
) -> str | None:
    unseen = sorted(set(trusted) - {period.key for period in keys.periods})
    if not keys.periods:
        return "no key has signed anything here" if not trusted else f"no entry speaks of key {unseen[0][:12]}: not this log"
    if not seen_head:
        return f"the log does not hold the expected head {str(expected_head)[:12]}: cut off, or another log (head {head[:12]})"
    return f"no entry speaks of key {unseen[0][:12]}: the log's end is cut off" if unseen else None


def _entry_fault(
    entry: SealedLink,
    keys: KeyHistory,
    replay: Replay,
    envelope: Callable[[str], str | None],
    signatures: Signatures,
) -> str | None:
    if entry.kind in KEY_KINDS:
        return keys.admit(entry)
    fault = keys.seal_fault(entry)
    period = keys.at(entry.sequence)
    if fault is None and period is not None:
        fault = _attestation_fault(entry, period, replay, envelope, signatures)
    if fault is None:
        try:
            replay.take(entry)
        except (KeyError, TypeError, ValueError):
            fault = f"entry {entry.sequence} ({entry.kind}) cannot be followed"
    return fault


def _attestation_fault(
    entry: SealedLink,
    period: KeyPeriod,
    replay: Replay,
    envelope: Callable[[str], str | None],
    signatures: Signatures,
) -> str | None:
    digest = entry.body.get("attestation")
    if digest is None:
        known = entry.kind in list(Kind)
        return f"entry {entry.sequence} ({entry.kind}) has no attestation" if known else None
    text = envelope(str(digest))
    place = f"entry {entry.sequence}: attestation {str(digest)[:12]}"
    if text is None:
        return f"{place} is missing"
    try:
        statement = opened_statement(text, digest=str(digest), period=period, signatures=signatures)
        fault = binding_fault(entry, statement)
        if fault is None and statement.kind is Kind.VERDICT:
            attempt = statement.facts.attempt
            fault = next(
                (
                    f"rests on attestation {needed[:12]} of gate {gate}, which is not in the log before it"
                    for gate, needed in statement.verdict.gates.items()
                    if replay.attestations.get(needed) != attempt
                ),
                None,
            )
        if fault is None:
            replay.attestations[str(digest)] = statement.facts.attempt
    except ValueError as error:
        fault = _first_line(error)
    return None if fault is None else f"{place} {fault}"


def opened_statement(text: str, *, digest: str, period: KeyPeriod, signatures: Signatures) -> Statement:
    """The statement in an envelope. Raises ValueError: another text than the log names, another key, a false signature."""
    if content_digest(text) != digest:
        raise ValueError("was altered: its digest does not match")
    return parse_statement(signatures.opened(text, period.public))


def binding_fault(entry: SealedLink, statement: Statement) -> str | None:
    """Where a statement says something else than the entry that names it, or None. Raises ValueError for facts it lacks."""
    facts, body = statement.facts, entry.body
    said: dict[str, object] = {
        "kind": statement.kind,
        "repository": facts.repository,
        "attempt": facts.attempt,
        "number": facts.number,
        "head": facts.head,
    }
    written: dict[str, object] = {name: body.get(name) for name in ("repository", "attempt", "number", "head")}
    written["kind"] = entry.kind
    if statement.kind is Kind.GATE:
        said |= {"gate": statement.gate.gate, "result": statement.gate.result, "outcome": statement.gate.outcome.value}
        written |= {name: body.get(name) for name in ("gate", "result", "outcome")}
    elif statement.kind is Kind.VERDICT:
        said |= {"verdict": statement.verdict.verdict, "decision": statement.verdict.decision.value, "policy": facts.policy}
        written |= {name: body.get(name) for name in ("verdict", "decision", "policy")}
    wrong = next((name for name in sorted(said) if said[name] != written[name]), None)
    return None if wrong is None else f"is of another {wrong} than its entry says: {said[wrong]}, not {written[wrong]}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
