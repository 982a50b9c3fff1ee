"""Wrapping keys with AES-256-GCM under a key-encryption key that lies in the custodian's secrets folder."""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hvelv.kernel.errors import NotPossible, _
from hvelv.privacy.service.keys import KEY_BYTES

NONCE_BYTES = 12


class LocalKek:
    """A `KeyCustodian` with the key in memory. A hardware module can stand in its place."""

    def __init__(self, secret: str) -> None:
        """Take the secret `kek`: 32 bytes in URL-safe base64. Raises `ValueError` for anything else."""
        try:
            key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError("the secret `kek` is not 32 bytes in URL-safe base64")
        self._aead = AESGCM(key)

    def wrap(self, key: bytes, context: str) -> bytes:
        """Return `key` encrypted, with `context` authenticated along with it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, key, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the key. Raises `NotPossible` for another key-encryption key or another context."""
        try:
            return self._aead.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise NotPossible(_("Nøkkelen hører ikke til her, eller er endret."), code="wrong-key") from None
