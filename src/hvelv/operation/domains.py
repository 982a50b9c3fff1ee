"""Trust domains: who owns which folder, which user runs it, and where two of them may meet.

One folder for each domain below the data folder, which no other domain can read. Processes meet at unix sockets in
folders below `run_dir`; who may enter such a folder may use the socket in it, and nobody else.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hvelv.kernel.settings import Settings

PORTAL, HUB, GATEWAY, CUSTODIAN, STORE, PREFECT = "portal", "hub", "gateway", "custodian", "store", "prefect"

DOMAINS = (PORTAL, HUB, GATEWAY, CUSTODIAN, STORE, PREFECT)
"""In the order of their user ids above `settings.domain_uid_base`."""

OPERATION = "operation"
"""The folder of the operator's own secrets (the supervisor's password). No process of the platform reads it."""

STAYS_ROOT = frozenset({HUB})
"""The hub starts each session as a user of its own, which only root can."""


@dataclass(frozen=True)
class Meeting:
    """A folder below `run_dir` where `owner` listens and `visitor` may come in. Root (the hub) comes in everywhere."""

    folder: str
    owner: str
    visitor: str | None = None
    filled: bool = False
    """Whether the visitor writes in folders of its own that the owner makes in it."""

    @property
    def mode(self) -> int:
        """Return the folder's mode."""
        return 0o750 if self.visitor else 0o700


MEETINGS = (
    Meeting("custodian-portal", owner=CUSTODIAN, visitor=PORTAL),
    Meeting("custodian-enclave", owner=CUSTODIAN, visitor=GATEWAY),
    Meeting("portal-internal", owner=PORTAL),
    Meeting("gateway-control", owner=GATEWAY),
    Meeting("sessions", owner=HUB, visitor=GATEWAY),
    Meeting("egress", owner=HUB, visitor=GATEWAY, filled=True),
)


@dataclass(frozen=True)
class User:
    """A user id and its group id, equal by construction."""

    uid: int
    gid: int


def separated(settings: Settings) -> bool:
    """Say whether each domain has a user of its own: only root can arrange that."""
    return os.geteuid() == 0 and settings.separate_users


def user_of(settings: Settings, domain: str) -> User:
    """Return the user that `domain` runs as."""
    if not separated(settings) or domain in STAYS_ROOT or domain == OPERATION:
        return User(os.geteuid(), os.getegid())
    number = settings.domain_uid_base + DOMAINS.index(domain)
    return User(number, number)


def prepare_folders(settings: Settings) -> None:
    """Make every folder with its owner and mode; mend owners left by an earlier start as another user."""
    outer = 0o711 if separated(settings) else 0o700
    _folder(settings.root, User(os.geteuid(), os.getegid()), outer)
    _folder(settings.run_dir, User(os.geteuid(), os.getegid()), outer)
    _folder(settings.root / "logs", User(os.geteuid(), os.getegid()), 0o700)
    for domain in (*DOMAINS, OPERATION):
        _folder(settings.domain_dir(domain), user_of(settings, domain), 0o700)
        _folder(settings.secrets_dir(domain), user_of(settings, domain), 0o700)
        if domain not in STAYS_ROOT:
            give(settings.domain_dir(domain), user_of(settings, domain))
    for meeting in MEETINGS:
        owner = user_of(settings, meeting.owner)
        group = user_of(settings, meeting.visitor).gid if meeting.visitor else owner.gid
        _folder(settings.run_dir / meeting.folder, User(owner.uid, group), meeting.mode)


def give(tree: Path, user: User) -> None:
    """Make `user` the owner of everything in `tree`. Links are changed themselves, not what they point at."""
    if os.geteuid() != 0:
        return
    for path in _tree(tree):
        status = path.lstat()
        if (status.st_uid, status.st_gid) != (user.uid, user.gid):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _tree(top: Path) -> Iterator[Path]:
    yield top
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            yield Path(folder, name)


def _folder(path: Path, owner: User, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)
