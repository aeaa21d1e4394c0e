"""Keys: what signs for Forge, and what signs beside it where the machine has an identity of its own."""

from collections.abc import Mapping
from typing import Protocol

from forge_dagster.domain.log_keys import Signatures


class Keyring(Signatures, Protocol):
    """Forge's own keys, where no sandboxed process can reach them. Every method may raise ConfigurationError."""

    def create(self) -> tuple[str, str]:
        """Make a key: its id and its public key. Nobody trusts it before `publish`."""
        ...

    def publish(self, key: str) -> None:
        """Keep the public key among those this home trusts. Idempotent."""
        ...

    def retire(self, key: str) -> None:
        """Destroy the private key; the public one stays. Idempotent."""
        ...

    def trusted(self) -> Mapping[str, str]:
        """Key id -> public key of every key this home has or had."""
        ...

    def sign(self, key: str, message: bytes) -> str:
        """The signature, base64."""
        ...

    def envelope(self, key: str, payload: bytes, payload_type: str) -> str:
        """The payload in a DSSE envelope signed by `key`, as canonical JSON."""
        ...


class KeylessSigner(Protocol):
    """Signs with a short-lived certificate for the identity that this machine was given (Sigstore)."""

    def sign(self, payload: bytes) -> str:
        """A Sigstore bundle as JSON. Raises EvidenceError: no identity here, not installed, nobody answers."""
        ...
