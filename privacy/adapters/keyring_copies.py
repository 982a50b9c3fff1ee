"""Copies of the keyring: when one may be overwritten, and what is said where it may not, because it may be the last.

A copy is behind the keyring, never before it: the keyring is written first. So a copy that knows more tells that the
keyring was lost, or that an older one was put back.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hvelv.kernel.errors import NotPossible, Unavailable, _
from hvelv.privacy.adapters import durable
from hvelv.privacy.adapters.kek import LocalKek
from hvelv.privacy.adapters.keyring_file import Keyring, fingerprint_of, sealer


def check(paths: Iterable[Path], ring: Keyring, keks: Sequence[LocalKek]) -> None:
    """Raise `Unavailable` unless each copy may be overwritten by `ring`. Those out of reach are let be."""
    for path in paths:
        if refusal := _objection(path, ring, keks):
            raise refusal


def put(path: Path, data: bytes, ring: Keyring, keks: Sequence[LocalKek]) -> bool:
    """Bring a copy to `data`, which is `ring` sealed. Says whether it was reached, and could be overwritten."""
    if _objection(path, ring, keks):
        return False  # it came within reach after `check`
    try:
        durable.sweep(path)
        if not path.exists() or path.read_bytes() != data:
            durable.replace(path, data)
    except OSError:
        return False
    return True


def lost(paths: Iterable[Path], keks: Sequence[LocalKek]) -> Unavailable | None:
    """Return the refusal to begin anew while there are copies; it names the newest that opens."""
    found = {path: data for path in paths if (data := _data(path)) is not None}
    if not found:
        return None
    newest = max(found, key=lambda path: ring.serial if (ring := _ring(found[path], keks)) else -1)
    return Unavailable(
        _("Nøkkelringen mangler, men det finnes en kopi av den: {copy}. Ingenting er gjort."),
        remedy=_("Legg kopien tilbake som nøkkelring (docs/operating.md, Keys)."),
        code="keyring-lost",
        copy=str(newest),
    )


def lost_without_copy() -> Unavailable:
    """Return the refusal to begin anew while the database has keys that the keyring wrapped."""
    return Unavailable(
        _("Nøkkelringen mangler, og databasen har nøkler som bare den åpner. Ingenting er gjort."),
        remedy=_("Legg nøkkelringen tilbake fra en kopi (docs/operating.md, Keys)."),
        code="keyring-lost",
    )


def _objection(path: Path, ring: Keyring, keks: Sequence[LocalKek]) -> Unavailable | None:
    data = _data(path)
    if data is None or not (fingerprint := fingerprint_of(data)):
        return None
    if sealer(data, keks) is None and fingerprint.hex() not in ring.former:
        return Unavailable(
            _("Kopien {copy} er forseglet med en hovednøkkel som er ukjent her. Den overskrives ikke."),
            remedy=_("Legg tilbake nøkkelring og hovednøkkel som hører sammen, eller flytt kopien ut av mappen."),
            code="keyring-copy-unknown",
            copy=str(path),
        )
    copy = _ring(data, keks)
    if copy is None or not ring.loses(copy):
        return None
    return Unavailable(
        _("Kopien {copy} er nyere enn nøkkelringen, eller har nøkler som den mangler. Ingenting er gjort."),
        remedy=_("Legg kopien tilbake som nøkkelring (docs/operating.md, Keys)."),
        code="keyring-behind",
        copy=str(path),
    )


def _data(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _ring(data: bytes, keks: Sequence[LocalKek]) -> Keyring | None:
    kek = sealer(data, keks)
    try:
        return Keyring.opened(data, kek) if kek else None
    except NotPossible:
        return None
