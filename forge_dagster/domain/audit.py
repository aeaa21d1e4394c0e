"""The hash chain of the audit log: each entry's digest covers the one before, so that nothing can be changed unseen."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

GENESIS = "0" * 64
"""What the first entry has as its `previous`."""


class Link(Protocol):
    """An entry of the log, as ports.AuditEntry has it."""

    @property
    def sequence(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def previous(self) -> str: ...
    @property
    def digest(self) -> str: ...


def canonical_json(value: object) -> str:
    """The one way to write a value: sorted keys, no spaces, ASCII only. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def link_digest(*, sequence: int, at: float, kind: str, body: Mapping[str, Any], previous: str) -> str:
    """SHA-256 over the canonical JSON of an entry and the digest before it, 64 hex digits."""
    text = canonical_json({"sequence": sequence, "at": at, "kind": kind, "body": body, "previous": previous})
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What checking a chain found. `fault` names the first broken link, or is None; `head` is the last good digest.

    A cut-off end cannot be seen from inside the chain: compare `entries` and `head` with a copy kept elsewhere.
    """

    entries: int
    head: str
    fault: str | None = None


def verify(entries: Iterable[Link]) -> Verification:
    """Check a whole chain, oldest entry first: no gap, no reordering, no altered byte."""
    count, head = 0, GENESIS
    for entry in entries:
        fault = link_fault(entry, expected=count + 1, head=head)
        if fault is not None:
            return Verification(entries=count, head=head, fault=fault)
        count, head = count + 1, entry.digest
    return Verification(entries=count, head=head)


def link_fault(entry: Link, *, expected: int, head: str) -> str | None:
    """What is wrong with an entry that is to follow the digest `head` as number `expected`, or None."""
    if entry.sequence != expected:
        return f"entry {expected} is missing: the next one is {entry.sequence}"
    if entry.previous != head:
        return f"entry {entry.sequence} does not follow the one before it"
    try:
        digest = link_digest(sequence=entry.sequence, at=entry.at, kind=entry.kind, body=entry.body, previous=entry.previous)
    except ValueError as error:
        return f"entry {entry.sequence} cannot be read: {error}"
    return None if digest == entry.digest else f"entry {entry.sequence} was altered: its digest does not match"
