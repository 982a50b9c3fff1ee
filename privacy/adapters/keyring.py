"""A `KeyCustodian` in a sealed file: the keyring, AES-256-GCM under the secret `kek`, with copies in other folders.

Destroying a wrapping key rewrites the keyring and its copies without it. A running process sees what another one
changed: it looks at the files' inode and time before each use. What was destroyed stays named in the keyring, so that
it is never made again under the same name. A missing keyring is begun anew only where nothing was ever wrapped, and no
copy is overwritten that knows more than the keyring (hvelv.privacy.adapters.keyring_copies).
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hvelv.kernel.clock import Clock
from hvelv.kernel.errors import NotPossible, Unavailable, _
from hvelv.privacy.adapters import durable, keyring_copies
from hvelv.privacy.adapters.kek import DIRECT_BYTES, NONCE_BYTES, LocalKek, new_kek, wrong_key
from hvelv.privacy.adapters.keyring_file import Keyring, sealer
from hvelv.privacy.service.custody import Place
from hvelv.privacy.service.keys import KEY_BYTES

FILE, KEK, NEXT = "keyring", "kek", "kek.next"
MARK = b"HVW2"


@dataclass(frozen=True)
class _Read:
    """The files as they were read, and the marks by which a change is seen."""

    marks: tuple[object, ...]
    ring: Keyring
    keks: tuple[LocalKek, ...]
    kek: LocalKek  # the one that seals the ring


class LocalKeyring:
    """The keyring in the custodian's secrets folder."""

    kind = "keyring"

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        copies: Sequence[Path] = (),
        *,
        in_need: Callable[[], bool] = lambda: False,
        reached: durable.Reached = durable.nothing,
    ) -> None:
        """Take the folder with the secret `kek`. `in_need` says whether anything is kept that only a keyring opens.

        Raises `ValueError` for a secret of another form, `FileNotFoundError`.
        """
        self._in_need = in_need
        self._folder, self._clock, self._copies, self._reached = folder, clock, tuple(copies), reached
        LocalKek.load(folder / KEK)
        self._last: _Read | None = None

    def wrap(self, group: str, key: bytes, context: str) -> bytes:
        """Return `key` encrypted under the group's wrapping key."""
        ring = self._read().ring
        if group not in ring.keys:
            ring = self._made(group)
        nonce = os.urandom(NONCE_BYTES)
        return MARK + nonce + AESGCM(ring.keys[group][0]).encrypt(nonce, key, _bound(group, context))

    def unwrap(self, group: str, wrapped: bytes, context: str) -> bytes:
        """Return the key, also one that the key-encryption key wrapped itself."""
        read = self._read()
        if group in read.ring.destroyed:
            raise _gone()
        if self.wrapped_directly(wrapped):
            return _first(read.keks, wrapped, context)
        if group not in read.ring.keys or not wrapped.startswith(MARK):
            raise _gone() if group not in read.ring.keys else wrong_key()
        nonce, body = wrapped[len(MARK) :][:NONCE_BYTES], wrapped[len(MARK) + NONCE_BYTES :]
        try:
            return AESGCM(read.ring.keys[group][0]).decrypt(nonce, body, _bound(group, context))
        except (InvalidTag, ValueError):
            raise wrong_key() from None

    def destroy(self, group: str) -> Sequence[Place]:
        """Rewrite the keyring and its copies without the group's wrapping key."""
        with self._alone() as read:
            ring = read.ring
            if group in ring.keys or group not in ring.destroyed:
                keys = {name: kept for name, kept in ring.keys.items() if name != group}
                gone = {**ring.destroyed, group: self._clock.now().isoformat()}
                ring = Keyring(ring.serial + 1, keys, gone)
                self._keep(ring, read.kek)
            done = "rewritten without the wrapping key; the old content overwritten"
            return (Place("keyring", str(self._folder / FILE), done, reached=True), *self._copied(done))

    def living(self) -> frozenset[str]:
        """Return the groups in the keyring."""
        return frozenset(self._read().ring.keys)

    def begin_rotation(self) -> None:
        """Make the next key-encryption key."""
        with self._alone():
            if not (self._folder / NEXT).exists():
                durable.replace(self._folder / NEXT, f"{new_kek()}\n".encode(), self._step("next"))

    def is_outdated(self, group: str, wrapped: bytes) -> bool:  # noqa: ARG002 - the contract's
        """Say whether the key-encryption key wrapped it itself: then it has to be moved before that one goes."""
        return bool(self.wrapped_directly(wrapped))

    def finish_rotation(self) -> None:
        """Seal keyring and copies under the next key-encryption key, and let that take the present one's place."""
        with self._alone() as read:
            if not (self._folder / NEXT).exists():
                return  # another process has finished it
            newer = LocalKek.load(self._folder / NEXT)
            self._keep(read.ring.after(read.kek), newer)
            self._copied("")
            self._reached("copied")
            durable.rename(self._folder / NEXT, self._folder / KEK, self._step("kek"))

    def wrapped_directly(self, wrapped: bytes) -> str:
        """Return the fingerprint of the present key-encryption key for what has the first version's length."""
        return self.state() if len(wrapped) == DIRECT_BYTES else ""

    def in_use(self, fingerprint: str) -> bool:
        """Say whether it is one of those in the folder."""
        return any(kek.fingerprint.hex() == fingerprint for kek in self._read().keks)

    def state(self) -> str:
        """Return the fingerprint of the key-encryption key that is the file `kek`."""
        return self._read().keks[0].fingerprint.hex()

    def _made(self, group: str) -> Keyring:
        with self._alone() as read:
            if group in read.ring.destroyed:
                raise _gone()
            if group in read.ring.keys:
                return read.ring
            made = secrets.token_bytes(KEY_BYTES), self._clock.now().isoformat()
            ring = replace(read.ring, serial=read.ring.serial + 1, keys={**read.ring.keys, group: made})
            self._keep(ring, read.kek)
            self._copied("")
            return ring

    def _read(self) -> _Read:
        last = self._last
        if last is None or last.marks != self._marks():
            try:
                with durable.locked(self._folder / f"{FILE}.lock", alone=False):
                    self._last = last = self._load()
            except OSError:
                raise Unavailable(_("Nøkkelringen kan ikke leses. Ingenting er gjort."), code="keyring") from None
        return last

    def _load(self) -> _Read:
        newer = self._folder / NEXT
        keks = (LocalKek.load(self._folder / KEK), *([LocalKek.load(newer)] if newer.exists() else []))
        marks = self._marks()
        if not (self._folder / FILE).exists():
            self._refuse_if_lost(keks)
            return _Read(marks, Keyring(), keks, keks[0])
        data = (self._folder / FILE).read_bytes()
        kek = sealer(data, keks)
        if kek is None:
            raise NotPossible(
                _("Nøkkelringen er forseglet med en annen hovednøkkel enn den som ligger her."),
                remedy=_("Legg tilbake den hovednøkkelen som hører til, fra sikkerhetskopien."),
                code="other-kek",
            )
        return _Read(marks, Keyring.opened(data, kek), keks, kek)

    def _refuse_if_lost(self, keks: Sequence[LocalKek]) -> None:
        if refusal := keyring_copies.lost(self._copy_files(), keks):
            raise refusal
        if self._in_need():
            raise keyring_copies.lost_without_copy()

    def _copy_files(self) -> list[Path]:
        return [folder / FILE for folder in self._copies]

    def _marks(self) -> tuple[object, ...]:
        return tuple(_mark(self._folder / name) for name in (FILE, KEK, NEXT))

    @contextmanager
    def _alone(self) -> Iterator[_Read]:
        """Hold the lock and finish first what a killed process began."""
        try:
            with durable.locked(self._folder / f"{FILE}.lock", alone=True):
                for name in (FILE, KEK, NEXT):
                    durable.sweep(self._folder / name)
                read = self._load()
                keyring_copies.check(self._copy_files(), read.ring, read.keks)
                if read.kek is not read.keks[0]:  # killed between the keyring's new seal and the new key's place
                    durable.rename(self._folder / NEXT, self._folder / KEK)
                    read = self._load()
                    self._copied("")
                yield read
        except OSError:
            raise Unavailable(_("Nøkkelringen kan ikke skrives. Ingenting er gjort."), code="keyring") from None
        finally:
            self._last = None

    def _keep(self, ring: Keyring, kek: LocalKek) -> None:
        durable.replace(self._folder / FILE, ring.sealed(kek), self._step("keyring"))

    def _copied(self, done: str) -> Sequence[Place]:
        """Bring the copies to what the keyring is; say which were reached."""
        data, read = (self._folder / FILE).read_bytes(), self._load()
        return [
            Place("copy", str(path), done, reached=keyring_copies.put(path, data, read.ring, read.keks))
            for path in self._copy_files()
        ]

    def _step(self, name: str) -> durable.Reached:
        return lambda step: self._reached(f"{name} {step}")


def _mark(path: Path) -> object:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _first(keks: Sequence[LocalKek], wrapped: bytes, context: str) -> bytes:
    for kek in keks:
        try:
            return kek.unwrap(wrapped, context)
        except NotPossible:
            continue
    raise wrong_key()


def _gone() -> NotPossible:
    return NotPossible(_("Nøkkelen finnes ikke eller er slettet."), code="no-key")


def _bound(group: str, context: str) -> bytes:
    return f"{group}\n{context}".encode()
