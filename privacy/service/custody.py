"""Who holds the keys that wrap keys: a sealed file, or a service. One contract for both, tested as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Place:
    """One place from which a key was destroyed; `reached` is False where it could not be, yet."""

    kind: str
    name: str
    done: str
    reached: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the form that a certificate holds."""
        return {"kind": self.kind, "name": self.name, "done": self.done, "reached": self.reached}


class KeyCustodian(Protocol):
    """Holds one wrapping key for each group of keys (each project is one). No wrapping key ever leaves it."""

    kind: str

    def wrap(self, group: str, key: bytes, context: str) -> bytes:
        """Return `key` encrypted by the group's wrapping key, made if there never was one, and bound to `context`.

        Raises `NotPossible` for a group whose wrapping key was destroyed, `Unavailable`.
        """
        ...

    def unwrap(self, group: str, wrapped: bytes, context: str) -> bytes:
        """Return the key. Raises `NotPossible`: destroyed, another group's, another context, changed; `Unavailable`."""
        ...

    def destroy(self, group: str) -> Sequence[Place]:
        """Destroy the group's wrapping key and every copy of it. Asked again it does what was left. Raises `Unavailable`."""
        ...

    def living(self) -> frozenset[str]:
        """Return the groups that have a wrapping key. Raises `Unavailable`."""
        ...

    def begin_rotation(self) -> None:
        """Make ready a newer key; what was wrapped before still opens."""
        ...

    def is_outdated(self, group: str, wrapped: bytes) -> bool:
        """Say whether `wrapped` should be wrapped anew before the rotation is finished."""
        ...

    def finish_rotation(self) -> None:
        """Let the newer key take over."""
        ...

    def wrapped_directly(self, wrapped: bytes) -> str:
        """Return the fingerprint of the key-encryption key that wrapped it without a wrapping key between; else empty."""
        ...

    def in_use(self, fingerprint: str) -> bool:
        """Say whether that key-encryption key still is in use."""
        ...

    def state(self) -> str:
        """Return which key is in force, by a fingerprint or version. No secret."""
        ...
