"""Ed25519 signatures and DSSE envelopes, checked with public keys alone."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from forge_dagster.domain.audit import canonical_json


class Ed25519Signatures:
    """domain.log_keys.Signatures. A public key is 64 hex digits; its id is securesystemslib's (SHA-256 of the key's JSON)."""

    def key_id(self, public: str) -> str:
        """See domain.log_keys.Signatures."""
        return public_key(public).keyid

    def is_signed(self, public: str, message: bytes, signature: str) -> bool:
        """See domain.log_keys.Signatures."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            decoded = base64.b64decode(signature, validate=True)
            # the last character has bits that mean nothing: one way of writing them is accepted (RFC 4648, section 3.5)
            if base64.b64encode(decoded).decode("ascii") != signature:
                return False
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(decoded, message)
        except (InvalidSignature, ValueError, binascii.Error):
            return False
        return True

    def opened(self, envelope: str, public: str) -> bytes:
        """See domain.log_keys.Signatures. One way of writing an envelope is accepted: `envelope_text`'s."""
        key = public_key(public)
        found = _read(lambda: Envelope.from_dict(json.loads(envelope)))
        if _read(lambda: envelope_text(found)) != envelope:
            raise ValueError("is written in another way than Forge's")
        if list(found.signatures) != [key.keyid]:
            names = ", ".join(name[:12] for name in found.signatures) or "nobody"
            raise ValueError(f"is signed by {names}, and key {key.keyid[:12]} was in force then")
        try:
            found.verify([key], 1)
        except VerificationError as error:
            raise ValueError("has a false signature") from error
        payload: bytes = found.payload
        return payload


def public_key(public: str) -> SSlibKey:
    """The key as securesystemslib has it. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))


def envelope_text(envelope: Envelope) -> str:
    """An envelope as canonical JSON: the text that is stored and whose digest is its address."""
    return canonical_json(envelope.to_dict())


def _read(read: Callable[[], Any]) -> Any:
    """What foreign text holds. securesystemslib raises whatever its parsing meets; here it is one thing."""
    try:
        return read()
    except Exception as error:
        raise ValueError(f"cannot be read ({type(error).__name__})") from error
