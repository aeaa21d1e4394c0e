"""Which key speaks for Forge at which place of the audit log: keys are known by the log itself, from a trusted one on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from forge_dagster.domain.audit import Link

KEY_CREATED = "key.created"
"""A first key, or one in place of a lost one; sealed by itself, so it must be among the trusted ones."""
KEY_ROTATED = "key.rotated"
"""A new key in place of the one that seals this entry."""
KEY_KINDS = (KEY_CREATED, KEY_ROTATED)


class SealedLink(Link, Protocol):
    """An entry of the log with its seal: "<key id>:<signature, base64>", or None before the first key."""

    @property
    def seal(self) -> str | None: ...


class Signatures(Protocol):
    """What it takes to check signatures; nothing in it is secret."""

    def key_id(self, public: str) -> str:
        """The id of a public key (64 hex digits). Raises ValueError for what is none."""
        ...

    def is_signed(self, public: str, message: bytes, signature: str) -> bool:
        """Whether `signature` (base64) is `public`'s on `message`."""
        ...

    def opened(self, envelope: str, public: str) -> bytes:
        """The payload of a DSSE envelope. Raises ValueError unless it is signed by `public`, and by nobody else."""
        ...


def seal_message(digest: str) -> bytes:
    """What a seal signs: never the bytes of another protocol (DSSE begins otherwise)."""
    return f"forge.audit/1 {digest}".encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPeriod:
    """A key and where in the log it speaks: entries after `created`'s own, up to and with `until`. Times are seconds."""

    key: str
    public: str
    since: int
    since_at: float
    until: int | None = None
    until_at: float | None = None


class KeyHistory:
    """Reads the key entries of a log in order."""

    def __init__(self, *, trusted: Mapping[str, str], signatures: Signatures) -> None:
        """`trusted`: key id -> public key of those that may stand at the beginning of a line of keys."""
        self._trusted, self._signatures = trusted, signatures
        self.periods: list[KeyPeriod] = []

    def admit(self, entry: SealedLink) -> str | None:
        """Take an entry of KEY_KINDS; what is wrong with it, or None."""
        key, public = str(entry.body.get("key", "")), str(entry.body.get("public", ""))
        try:
            if self._signatures.key_id(public) != key:
                return f"entry {entry.sequence}: the key does not fit its name"
        except ValueError:
            return f"entry {entry.sequence}: its key cannot be read"
        if entry.kind == KEY_CREATED and self._trusted.get(key) != public:
            return f"entry {entry.sequence}: key {key[:12]} is not trusted: not one of the keys given"
        began = KeyPeriod(key=key, public=public, since=entry.sequence, since_at=entry.at)
        sealed_by = began if entry.kind == KEY_CREATED else self.current
        if sealed_by is None:
            return f"entry {entry.sequence}: a key follows one that is not in the log"
        fault = self._sealed(entry, sealed_by)
        if fault is None:
            if self.periods:
                self.periods[-1] = replace(self.periods[-1], until=entry.sequence, until_at=entry.at)
            self.periods.append(began)
        return fault

    @property
    def current(self) -> KeyPeriod | None:
        """The latest key; None before the first."""
        return self.periods[-1] if self.periods else None

    def at(self, sequence: int) -> KeyPeriod | None:
        """The key that speaks at this place; None before the first."""
        return next(
            (p for p in reversed(self.periods) if p.since < sequence and (p.until is None or sequence <= p.until)), None
        )

    def seal_fault(self, entry: SealedLink) -> str | None:
        """What is wrong with the seal of an entry that is none of KEY_KINDS, or None."""
        period = self.at(entry.sequence)
        return self._sealed(entry, period) if period is not None else None

    def _sealed(self, entry: SealedLink, period: KeyPeriod) -> str | None:
        if entry.seal is None:
            return f"entry {entry.sequence} is not sealed"
        key, _, signature = entry.seal.partition(":")
        if key != period.key:
            return f"entry {entry.sequence} is sealed by key {key[:12]}, and key {period.key[:12]} was in force then"
        if not self._signatures.is_signed(period.public, seal_message(entry.digest), signature):
            return f"entry {entry.sequence} has a false seal"
        return None
