"""Ed25519 signatures over canonical documents (RFC 8032, by the `cryptography` library)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.errors import Refusal, _


class BadSignature(Refusal):
    """The document is not the one that was signed, or another key signed it."""

    status = 409


@dataclass(frozen=True)
class Signed:
    """A document with the signature over its kind and canonical form."""

    kind: str
    document: dict[str, Any]
    signature: str
    key: str

    def as_dict(self) -> dict[str, Any]:
        """Return the form that is stored and sent."""
        return {"kind": self.kind, "document": self.document, "signature": self.signature, "key": self.key}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Signed":
        """Return the envelope in `data`. Raises `BadSignature` when parts are missing."""
        try:
            return cls(str(data["kind"]), dict(data["document"]), str(data["signature"]), str(data["key"]))
        except (KeyError, TypeError, ValueError):
            raise BadSignature(_("Dokumentet mangler signatur.")) from None


def _bad() -> BadSignature:
    return BadSignature(
        _("Signaturen stemmer ikke med dokumentet."), remedy=_("Hent dokumentet på nytt og meld fra til drift.")
    )


def _message(kind: str, document: dict[str, Any]) -> bytes:
    return b"hvelv\n" + kind.encode() + b"\n" + canonical(document)


@dataclass(frozen=True)
class Verifier:
    """Knows the public key and nothing else."""

    public: Ed25519PublicKey

    @classmethod
    def load(cls, path: Path) -> "Verifier":
        """Read a public key in PEM form."""
        key = serialization.load_pem_public_key(path.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError("not an Ed25519 public key")
        return cls(key)

    @property
    def fingerprint(self) -> str:
        """Return the first 16 hex digits of the key's SHA-256."""
        raw = self.public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return digest(raw.hex())[:16]

    def pem(self) -> bytes:
        """Return the key in PEM form."""
        return self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def check(self, signed: Signed, kind: str) -> dict[str, Any]:
        """Return the document if it is of `kind` and signed with this key. Raises `BadSignature`."""
        if signed.kind != kind:
            raise _bad()
        try:
            self.public.verify(bytes.fromhex(signed.signature), _message(kind, signed.document))
        except (InvalidSignature, ValueError):
            raise _bad() from None
        return signed.document


@dataclass(frozen=True)
class Signer:
    """Holds the private key. Only the custodian makes one."""

    private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> "Signer":
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Read a private key in PEM form."""
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("not an Ed25519 private key")
        return cls(key)

    def pem(self) -> bytes:
        """Return the private key in PEM form, unencrypted: for a file of mode 0600."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def verifier(self) -> Verifier:
        """Return the public half."""
        return Verifier(self.private.public_key())

    def sign(self, kind: str, document: dict[str, Any]) -> Signed:
        """Sign `document` as a `kind`, so that a signature on one kind is worth nothing on another."""
        signature = self.private.sign(_message(kind, document)).hex()
        return Signed(kind, document, signature, self.verifier.fingerprint)
