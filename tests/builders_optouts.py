"""A register of objections and of changed numbers, and nothing else of a custodian."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import text

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import Database, custodian
from hvelv.privacy.adapters.objecting import Buffers
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.adapters.store_optouts import SqlCanonical, SqlOptOuts
from hvelv.privacy.service.canonical import CanonicalPersons
from hvelv.privacy.service.optouts import Asked, OptOuts

PURPOSES, DATASETS, HOLDERS = ("statistics", "scientific_research"), ("d-labs", "d-deaths"), ("h-one", "h-two")
LABS, DEATHS = Asked("d-labs", "h-one"), Asked("d-deaths", "h-two")
KEY = bytes(range(3, 35))


def number(person: int) -> str:
    """Return a synthetic number: month + 80, control digits not looked at."""
    return f"{1 + person % 28:02d}{81 + person % 12:02d}{person % 100:02d}{person % 100000:05d}"


def objection(person: int, **changes: Any) -> dict[str, Any]:
    """Return a row that says that a person objects to everything."""
    return {"person_number": number(person), "scope": "all", "since": "2026-01-01"} | changes


def withdrawal(person: int, **changes: Any) -> dict[str, Any]:
    """Return a row that says that a person no longer does."""
    return {"person_number": number(person), "scope": "all", "until": "2026-01-10"} | changes


def change(old: int, new: int) -> dict[str, str]:
    """Return a row that says that one number succeeded another."""
    return {"old": number(old), "new": number(new)}


class OneKey:
    """A stand-in for the keys: one, which is not kept."""

    def __init__(self) -> None:
        self.made = False

    def ensure(self, _unit: Any, _name: str, _actor: str) -> None:
        self.made = True

    def opened_in(self, _session: Any, _name: str) -> bytes:
        assert self.made, "nobody has made the key"
        return KEY


class Rows(SqlOptOuts):
    """The register's rows, with datasets that can be objected to."""

    def datasets(self, session: Any) -> set[str]:
        return set(DATASETS)


@dataclass
class Register:
    """The register."""

    database: Database
    clock: SetClock
    optouts: OptOuts
    canonical: CanonicalPersons

    def against(self, asked: Asked = LABS, purpose: str = "statistics") -> set[str]:
        """Return the numbers of those who are in no extract."""
        seen = self.optouts.look([asked], purpose)
        return numbers(seen.against(asked.dataset))

    def stored(self) -> str:
        """Return everything that lies in the register and in the audit trail, as text."""
        with self.database.reading() as session:
            names = ("privacy_objection", "privacy_canonical", "audit_event")
            return "".join(str(session.execute(text(f"SELECT * FROM {name}")).all()) for name in names)  # noqa: S608 - names of ours

    def actions(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what the audit trail tells, oldest first."""
        with self.database.reading() as session:
            return [(row.action, dict(row.detail)) for row in self.database.trail.rows(session)]


def numbers(blocks: bytes) -> set[str]:
    """Return the numbers that blocks under the register's key stand for."""
    return set(PersonCipher(KEY).ids(np.frombuffer(blocks, "<u8").reshape(-1, 2)).to_pylist()) if blocks else set()


def blocks(*persons: int) -> bytes:
    """Return the blocks that persons have in the register."""
    return PersonCipher(KEY).blocks(pa.array([number(person) for person in persons])).tobytes()


def a_register(url: str) -> Register:
    """Return an empty register."""
    clock = SetClock()
    database = custodian(url, clock=clock)
    database.create_all()
    keys: Any = OneKey()
    optouts = OptOuts(database, Rows(), keys, Buffers(), clock, purposes=PURPOSES, holders=lambda: HOLDERS)
    return Register(database, clock, optouts, CanonicalPersons(database, SqlCanonical(), keys, Buffers(), clock))
