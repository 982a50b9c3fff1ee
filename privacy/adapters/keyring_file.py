"""What the keyring's file holds, and its sealed form: AES-256-GCM under the key-encryption key whose fingerprint it bears."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hvelv.privacy.adapters.kek import LocalKek

SEAL = b"HVKR1\n"
PRINT_BYTES = 8


@dataclass(frozen=True)
class Keyring:
    """Each group's wrapping key and when it was made; when those that are gone went; which keys sealed it before."""

    serial: int = 0  # one more at each change
    keys: Mapping[str, tuple[bytes, str]] = field(default_factory=dict, repr=False)
    destroyed: Mapping[str, str] = field(default_factory=dict)
    former: tuple[str, ...] = ()  # fingerprints of the key-encryption keys that were replaced

    def sealed(self, kek: LocalKek) -> bytes:
        """Return the file's bytes."""
        keys = {name: [base64.b64encode(key).decode(), made] for name, (key, made) in sorted(self.keys.items())}
        body = {
            "serial": self.serial,
            "keys": keys,
            "destroyed": dict(sorted(self.destroyed.items())),
            "former": self.former,
        }
        return SEAL + kek.fingerprint + kek.wrap(json.dumps(body).encode(), _seal_context(kek.fingerprint))

    @classmethod
    def opened(cls, data: bytes, kek: LocalKek) -> "Keyring":
        """Read the file's bytes. Raises `NotPossible` for another key or changed bytes."""
        body = json.loads(kek.unwrap(data[len(SEAL) + PRINT_BYTES :], _seal_context(kek.fingerprint)))
        keys = {name: (base64.b64decode(key), made) for name, (key, made) in body["keys"].items()}
        return cls(body["serial"], keys, body["destroyed"], tuple(body.get("former", ())))

    def after(self, kek: LocalKek) -> "Keyring":
        """Return the keyring as it is when `kek` no longer seals it."""
        return replace(self, serial=self.serial + 1, former=(*self.former, kek.fingerprint.hex()))

    def loses(self, copy: "Keyring") -> bool:
        """Say whether something is in `copy` that would be lost with it: a later change, or a living key."""
        return copy.serial > self.serial or any(
            name not in self.destroyed and self.keys.get(name, (b"",))[0] != key
            for name, (key, _made) in copy.keys.items()
        )


def fingerprint_of(data: bytes) -> bytes:
    """Return the fingerprint of the key-encryption key that sealed the file; empty for what is no keyring."""
    found = data[len(SEAL) :][:PRINT_BYTES]
    return found if data.startswith(SEAL) and len(found) == PRINT_BYTES else b""


def sealer(data: bytes, keks: Sequence[LocalKek]) -> LocalKek | None:
    """Return the one that sealed the file, if it is here."""
    return next((kek for kek in keks if kek.fingerprint == fingerprint_of(data)), None)


def _seal_context(fingerprint: bytes) -> str:
    return f"hvelv keyring {fingerprint.hex()}"
