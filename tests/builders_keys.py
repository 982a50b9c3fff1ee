"""Keys in small: a database, a keyring or a key service, and the three services on them."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import Database, custodian
from hvelv.kernel.signing import Signer
from hvelv.privacy.adapters.key_rows import SqlDestructions, SqlKeys
from hvelv.privacy.adapters.keyring import LocalKeyring
from hvelv.privacy.service.custody import KeyCustodian
from hvelv.privacy.service.destructions import Destructions
from hvelv.privacy.service.keys import Keys

KEK = base64.urlsafe_b64encode(bytes(range(32))).decode()
PROJECT, OTHER = "p-one", "p-two"


def a_folder(folder: Path, kek: str = KEK) -> Path:
    """Return the secrets folder below `folder`, with a key-encryption key."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    if not (secrets / "kek").exists():
        (secrets / "kek").write_text(kek + "\n")
    return secrets


def a_keyring(folder: Path, copies: tuple[Path, ...] = (), **options: Any) -> LocalKeyring:
    """Return the keyring below `folder`, as a process that starts sees it."""
    return LocalKeyring(a_folder(folder), SetClock(), copies, **options)


@dataclass
class KeyWorld:
    """A custodian's keys and nothing else."""

    database: Database
    custodian: KeyCustodian
    signer: Signer
    clock: SetClock
    folder: Path

    @property
    def keys(self) -> Keys:
        return Keys(self.database, SqlKeys(), self.custodian, self.clock)

    @property
    def destructions(self) -> Destructions:
        return Destructions(self.database, SqlDestructions(), self.custodian, self.signer, self.clock)

    def open_project(self, project: str = PROJECT) -> None:
        with self.database.transaction() as unit:
            self.keys.ensure_project(unit, project, "office")

    def destroy(self, project: str = PROJECT, *, finish: bool = True) -> None:
        with self.database.transaction() as unit:
            self.keys.destroy_project(unit, project, "office", "the retention is over")
        if finish:
            self.destructions.finish()

    def actions(self) -> list[str]:
        with self.database.reading() as session:
            return [row.action for row in self.database.trail.rows(session)]


def a_key_world(url: str, folder: Path, keeper: KeyCustodian | None = None) -> KeyWorld:
    """Return a world with empty tables."""
    clock = SetClock()
    database = custodian(url, clock=clock)
    database.create_all()
    return KeyWorld(database, keeper or a_keyring(folder), Signer.generate(), clock, folder)


def killed_at(step: str, work: Callable[[Callable[[str], None]], None]) -> bool:
    """Do `work` in a process that is killed when it reaches `step`; says whether it got there."""
    child = os.fork()
    if child == 0:

        def reached(name: str) -> None:
            if name == step:
                os._exit(9)

        try:
            work(reached)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
