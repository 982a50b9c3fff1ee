"""The key-encryption key that lies in the custodian's secrets folder: AES-256-GCM, known by a fingerprint."""

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hvelv.kernel.errors import NotPossible, _
from hvelv.privacy.service.keys import KEY_BYTES

NONCE_BYTES = 12
DIRECT_BYTES = NONCE_BYTES + KEY_BYTES + 16
"""The length of a key wrapped by the key-encryption key itself, as the first version of Hvelv did; no other has it."""


class LocalKek:
    """The key, in memory."""

    def __init__(self, secret: str) -> None:
        """Take the secret `kek`: 32 bytes in URL-safe base64. Raises `ValueError` for anything else."""
        try:
            key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError("the secret `kek` is not 32 bytes in URL-safe base64")
        self._aead = AESGCM(key)
        self.fingerprint = hashlib.sha256(b"hvelv kek\n" + key).digest()[:8]

    @classmethod
    def load(cls, path: Path) -> "LocalKek":
        """Read the secret. Raises `FileNotFoundError`, `ValueError`."""
        return cls(path.read_text().strip())

    def wrap(self, key: bytes, context: str) -> bytes:
        """Return `key` encrypted, with `context` authenticated along with it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, key, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the key. Raises `NotPossible` for another key-encryption key or another context."""
        try:
            return self._aead.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            raise wrong_key() from None


def new_kek() -> str:
    """Return a new secret of the kind."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def wrong_key() -> NotPossible:
    """Return the refusal of a key that was wrapped by another, for something else, or changed."""
    return NotPossible(_("Nøkkelen hører ikke til her, eller er endret."), code="wrong-key")
