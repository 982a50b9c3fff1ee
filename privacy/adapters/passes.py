"""Credentials for rooms from an object store's STS, through the official `minio` SDK, and the proof that they hold."""

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import urllib3

from hvelv.kernel.errors import Refusal, Unavailable, _
from hvelv.kernel.objects import MinioStore, StoreAccount, account_of
from hvelv.kernel.settings import Settings
from hvelv.privacy.domain.rooms import BUCKET, prefix, reading_rights
from hvelv.privacy.service.credentials import Pass

LIFE = timedelta(seconds=50)
EMBEDDED_ROLE = "arn:aws:iam::role/ProjectReader"
PROBE, NEIGHBOUR = "probe-1", "probe-10"  # the one's name begins as the other's does


@dataclass
class StsPasses:
    """`PassMaker` on an S3 endpoint that has AssumeRole.

    `timed`: the store's credentials live for long (900 s on most), so that their policy says when they lapse. The
    embedded store does not know the time in a policy, and lets credentials live for fifty seconds.
    """

    account: StoreAccount
    role: str
    timed: bool
    _proven: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reading(self, project: str, generation: str = "") -> Pass:
        """Return credentials for the room, or for one generation in it. The first time, those of a made-up project are tried out, and have to hold."""
        with self._lock:
            if not self._proven:
                self._prove()
                self._proven = True
        return self._assumed(project, datetime.now(UTC) + LIFE, generation)

    def _assumed(self, project: str, until: datetime, generation: str = "") -> Pass:
        from minio.credentials.providers import AssumeRoleProvider

        account = self.account
        provider = AssumeRoleProvider(
            sts_endpoint=f"{'https' if account.secure else 'http'}://{account.endpoint}",
            access_key=account.access_key,
            secret_key=account.secret_key,
            policy=json.dumps(reading_rights(project, until if self.timed else None, generation)),
            region="us-east-1",
            role_arn=self.role,
            role_session_name=project,
            http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=10), retries=urllib3.Retry(0)),
        )
        try:
            made = provider.retrieve()
        except (ValueError, OSError, urllib3.exceptions.HTTPError) as error:
            raise Unavailable(_("Lageret ga ingen nøkler. Ingenting er gjort."), code="store-sts") from error
        if made.expiration is None or not made.session_token:
            raise Unavailable(_("Lageret ga ingen nøkler. Ingenting er gjort."), code="store-sts")
        expires = made.expiration.replace(tzinfo=UTC)
        return Pass(
            generation or prefix(project),
            min(expires, until) if self.timed else expires,
            access_key=made.access_key,
            secret_key=made.secret_key,
            session_token=made.session_token,
        )

    def _prove(self) -> None:
        """Try credentials on a room made for it: they open it and not its neighbour, and not when their time is over."""
        own, other = prefix(PROBE) + "probe", prefix(NEIGHBOUR) + "probe"
        ours = MinioStore.of(self.account)
        for name in (own, other):
            ours.put(BUCKET, name, b"probe")
        now = datetime.now(UTC)
        theirs = self._store(self._assumed(PROBE, now + LIFE))
        holds = _reads(theirs, own) and not _reads(theirs, other) and not _writes(theirs, own)
        if self.timed:
            holds = holds and not _reads(self._store(self._assumed(PROBE, now - LIFE)), own)
        for name in (own, other):
            ours.delete(BUCKET, name)
        if not holds:
            raise Unavailable(
                _("Lagerets nøkler holder seg ikke til ett rom og én tid. Ingen er utlevert."),
                remedy=_("Gi sesjonene uttrekk gjennom laboratoriet, og se i docs/operating.md hva lageret må kunne."),
                code="store-unproven",
            )

    def _store(self, made: Pass) -> MinioStore:
        return MinioStore(
            self.account.endpoint,
            made.access_key,
            made.secret_key,
            secure=self.account.secure,
            session_token=made.session_token,
        )


def room_passes(settings: Settings) -> StsPasses | None:
    """Return what makes credentials at the installation's store: None at one that has no role for it in the settings."""
    if settings.store_endpoint and not settings.store_role:
        return None
    embedded = not settings.store_endpoint
    return StsPasses(account_of(settings), EMBEDDED_ROLE if embedded else settings.store_role, timed=not embedded)


def _reads(store: MinioStore, name: str) -> bool:
    try:
        return store.get(BUCKET, name) == b"probe"
    except Refusal:
        return False


def _writes(store: MinioStore, name: str) -> bool:
    try:
        store.put(BUCKET, name, b"probe")
    except Refusal:
        return False
    return True
