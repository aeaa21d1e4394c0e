"""Keyless signing by Sigstore, with the identity that the machine was given: the optional extra `keyless`."""

from forge_dagster.errors import EvidenceError


class SigstoreSigner:
    """ports.KeylessSigner for the public-good instance (docs.sigstore.dev, "Signing"; sigstore-python's API).

    Where the machine has no ambient OIDC credential, no network or no package `sigstore`, it raises EvidenceError.
    """

    def sign(self, payload: bytes) -> str:
        """See ports.KeylessSigner."""
        try:
            from sigstore.dsse import Statement
            from sigstore.models import ClientTrustConfig
            from sigstore.oidc import IdentityToken, detect_credential
            from sigstore.sign import SigningContext
        except ModuleNotFoundError as error:
            raise EvidenceError(
                "keyless signing needs the package sigstore", hint="pip install 'forge-dagster[keyless]'"
            ) from error
        try:
            credential = detect_credential()
            if credential is None:
                raise EvidenceError(
                    "this machine has no OIDC identity", hint="keyless signing works in CI systems and clouds that give one"
                )
            context = SigningContext.from_trust_config(ClientTrustConfig.production())
            with context.signer(IdentityToken(credential)) as signer:
                bundle: str = signer.sign_dsse(Statement(payload)).to_json()
        except EvidenceError:
            raise
        except Exception as error:  # whatever the network or the service does, Forge's own signature stands
            raise EvidenceError(f"Sigstore did not sign: {type(error).__name__}: {error}") from error
        return bundle
