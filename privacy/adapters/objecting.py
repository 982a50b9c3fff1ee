"""The register's cipher: numbers into blocks, and a keyed digest of what a look at the register saw."""

import hashlib
import hmac
from collections.abc import Sequence

import pyarrow as pa

from hvelv.privacy.adapters.pseudonyms import PersonCipher


class BlockEncryptor:
    """The `Encryptor` of the register of objections."""

    def hexes(self, key: bytes, numbers: Sequence[str]) -> list[str]:
        """Return a block in hex for each number."""
        raw = PersonCipher(key).blocks(pa.array(numbers, pa.string())).tobytes()
        return [raw[i : i + 16].hex() for i in range(0, len(raw), 16)]

    def fingerprint(self, key: bytes, parts: Sequence[bytes]) -> str:
        """Return a digest of `parts` under the key, in hex (HMAC-SHA-256; each part is preceded by its length)."""
        digest = hmac.new(key, b"objections", hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()
