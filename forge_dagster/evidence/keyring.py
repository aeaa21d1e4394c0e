"""The keys of one home: a folder that only Forge's own user may enter, private keys beside the public ones they belong to."""

import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from forge_dagster.errors import ConfigurationError
from forge_dagster.evidence.signatures import Ed25519Signatures, envelope_text, public_key


class FolderKeyring(Ed25519Signatures):
    """ports.Keyring in `folder`: `<key id>.key` (PKCS8, mode 0600) and `<key id>.pub` (SubjectPublicKeyInfo), both PEM.

    Making the object touches nothing. A folder or private key that others may read, or that another user owns, is refused.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signers: dict[str, CryptoSigner] = {}
        self._lock = threading.Lock()

    def create(self) -> tuple[str, str]:
        """See ports.Keyring."""
        private = Ed25519PrivateKey.generate()
        public = _hex(private.public_key())
        key = self.key_id(public)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_loose(self._folder, 0o077)
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            descriptor = os.open(self._path(key, "key"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(pem)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise self._unusable(error) from error
        return key, public

    def publish(self, key: str) -> None:
        """See ports.Keyring."""
        path = self._path(key, "pub")
        if path.exists():
            return
        pem = self._signer(key).public_key.to_dict()["keyval"]["public"]
        text = Ed25519PublicKey.from_public_bytes(bytes.fromhex(pem)).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        try:
            fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            fresh.write_bytes(text)
            fresh.replace(path)
        except OSError as error:
            raise self._unusable(error) from error

    def retire(self, key: str) -> None:
        """See ports.Keyring."""
        with self._lock:
            self._signers.pop(key, None)
        try:
            self._path(key, "key").unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def trusted(self) -> Mapping[str, str]:
        """See ports.Keyring."""
        if not self._folder.exists():
            return {}
        try:
            _refuse_loose(self._folder, 0o077)
            return read_public_keys(sorted(self._folder.glob("*.pub")))
        except OSError as error:
            raise self._unusable(error) from error

    def sign(self, key: str, message: bytes) -> str:
        """See ports.Keyring."""
        import base64

        return base64.b64encode(bytes.fromhex(self._signer(key).sign(message).signature)).decode("ascii")

    def envelope(self, key: str, payload: bytes, payload_type: str) -> str:
        """See ports.Keyring."""
        made = Envelope(payload, payload_type, {})
        made.sign(self._signer(key))
        return envelope_text(made)

    def _signer(self, key: str) -> CryptoSigner:
        """Permissions are looked at each time; the file is read once."""
        path = self._path(key, "key")
        try:
            _refuse_loose(self._folder, 0o077)
            _refuse_loose(path, 0o077)
            with self._lock:
                if key not in self._signers:
                    private = load_pem_private_key(path.read_bytes(), None)
                    signer = CryptoSigner(private) if isinstance(private, Ed25519PrivateKey) else None
                    if signer is None or signer.public_key.keyid != key:
                        raise ConfigurationError(
                            f"{path} is not the key it is named after", hint="restore Forge's keys from a backup"
                        )
                    self._signers[key] = signer
                return self._signers[key]
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"the key that signs for Forge is gone: {path}",
                hint="restore it from a backup, or make another one: forge keys rotate --lost",
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise self._unusable(error) from error

    def _path(self, key: str, suffix: str) -> Path:
        if len(key) != 64 or set(key) - set("0123456789abcdef"):
            raise ConfigurationError(f"{key[:80]!r} is no key's name", hint="the ledger was altered: forge audit verify")
        return self._folder / f"{key}.{suffix}"

    def _unusable(self, error: Exception) -> ConfigurationError:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return ConfigurationError(f"Forge's keys in {self._folder} cannot be used: {said}", hint="correct its permissions")


def read_public_keys(paths: list[Path]) -> dict[str, str]:
    """Key id -> public key of PEM files. Raises ConfigurationError for one that holds no Ed25519 public key."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            loaded = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} is no public key: {error}", hint="give Forge's keys/*.pub") from error
        if not isinstance(loaded, Ed25519PublicKey):
            raise ConfigurationError(f"{path} is no Ed25519 key", hint="give Forge's keys/*.pub")
        public = _hex(loaded)
        found[public_key(public).keyid] = public
    return found


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _refuse_loose(path: Path, forbidden: int) -> None:
    """Raises ConfigurationError where others than the owner may, or another user than ours owns it; OSError: not there."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigurationError(f"{path} is not owned by the user Forge runs as", hint=f"chown it, or remove the link: {path}")
    if stat.S_IMODE(found.st_mode) & forbidden:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise ConfigurationError(
            f"{path} can be used by others than its owner (mode {stat.S_IMODE(found.st_mode):o})",
            hint=f"chmod {mode} {path}; if anybody else was on this machine: forge keys rotate",
        )
