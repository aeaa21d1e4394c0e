"""Check the audit log with all it names, against the ledger's own rows or from a file; and write that file."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from forge_dagster.domain.attestations import result_digest, verdict_digest
from forge_dagster.domain.audit import canonical_json
from forge_dagster.domain.log_check import LogCheck, Replay, check_log, word_key
from forge_dagster.domain.log_keys import Signatures
from forge_dagster.errors import UsageError
from forge_dagster.ports import AuditEntry, Services

SCHEMA = "forge.audit/1"
_ALL = 1_000_000_000


def verify_ledger(services: Services, *, expected_head: str | None = None) -> LogCheck:
    """Check the log of this home, and that results, verdicts and approvals in the ledger are those that the log tells of.

    Raises UsageError for a Forge without keys.
    """
    if services.keyring is None:
        raise UsageError("this Forge has no keys", hint="start it with `forge up`, which makes them")
    services.ledger.key_in_force()
    found = check_log(
        services.ledger.audit(),
        envelope=lambda digest: None if (stored := services.ledger.envelope(digest)) is None else stored.envelope,
        signatures=services.keyring,
        trusted=services.keyring.trusted(),
        expected_head=expected_head,
    )
    return found if found.fault is not None else replace(found, fault=_row_fault(services, found.replay))


def _row_fault(services: Services, replay: Replay) -> str | None:
    """The first row that is not what the log says. Attempts older than anything attested are left out."""
    first = min(replay.attestations.values(), default=0)
    for attempt in services.ledger.attempts(limit=_ALL):
        results = services.ledger.results(attempt.id)
        for gate in sorted(results):
            signed = replay.results.get((attempt.id, gate))
            if gate == "verdict" or (signed is None and attempt.id < first):
                continue
            if signed != result_digest(results[gate]):
                return f"the stored result of gate {gate} of attempt {attempt.id} is not the one that was signed"
        verdict = services.ledger.verdict(attempt.id)
        signed = replay.verdicts.get(attempt.id)
        if verdict is not None and (signed is not None or attempt.id >= first) and signed != verdict_digest(verdict):
            return f"the stored verdict on attempt {attempt.id} is not the one that was signed"
        for word in services.ledger.approvals(attempt.repository, attempt.number or 0, attempt.head_sha):
            if word_key(word.model_dump(mode="json")) not in replay.approvals:
                return f"a stored word of {word.by} on {attempt.repository}#{word.number} is not in the log"
    missing = next((key for key in replay.results if key[1] not in services.ledger.results(key[0])), None)
    return None if missing is None else f"the signed result of gate {missing[1]} of attempt {missing[0]} is gone"


def export_lines(services: Services) -> Iterator[str]:
    """The log and every envelope it names as JSON lines: a header, then entries, each followed by its attestation."""
    entries = list(services.ledger.audit())
    head = entries[-1].digest if entries else None
    yield canonical_json({"schema": SCHEMA, "entries": len(entries), "head": head, "at": services.clock.now()})
    for entry in entries:
        yield canonical_json({"entry": asdict(entry)})
        digest = entry.body.get("attestation")
        stored = services.ledger.envelope(str(digest)) if digest is not None else None
        if stored is not None:
            yield canonical_json({"attestation": {k: v for k, v in asdict(stored).items() if k != "sequence"}})


def verify_export(
    lines: Iterable[str],
    *,
    signatures: Signatures,
    trusted: Mapping[str, str],
    expected_head: str | None = None,
) -> LogCheck:
    """Check what `export_lines` wrote, with nothing but public keys. Raises UsageError for a file that is something else."""
    read = _read(lines)
    return check_log(
        read.entries,
        envelope=read.envelopes.get,
        signatures=signatures,
        trusted=trusted,
        expected_head=expected_head or read.head,
    )


class _Export:
    def __init__(self) -> None:
        self.head: str | None = None
        self.entries: list[AuditEntry] = []
        self.envelopes: dict[str, str] = {}


def _read(lines: Iterable[str]) -> _Export:
    read = _Export()
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if number == 1:
                if value["schema"] != SCHEMA:
                    raise ValueError(f"schema {value['schema']}")
                read.head = value["head"]
            else:
                _LINES[next(iter(value))](read, value)
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError) as error:
            raise UsageError(
                f"line {number} is no line of an exported audit log: {type(error).__name__}: {error}",
                hint="give a file that `forge audit export` wrote",
            ) from error
    return read


def _entry(read: _Export, value: Mapping[str, Any]) -> None:
    entry = AuditEntry(**value["entry"])
    if not isinstance(entry.body, dict) or not isinstance(entry.seal, str | None) or not isinstance(entry.digest, str):
        raise TypeError("a field of another type")
    read.entries.append(entry)


def _attestation(read: _Export, value: Mapping[str, Any]) -> None:
    stored = value["attestation"]
    read.envelopes[str(stored["digest"])] = str(stored["envelope"])


_LINES: Mapping[str, Callable[[_Export, Mapping[str, Any]], None]] = {"entry": _entry, "attestation": _attestation}
