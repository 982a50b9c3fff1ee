"""Signing in: a right password, a fresh code, and nothing told to those who guess."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher

from hvelv.kernel.database import Database, registry
from hvelv.kernel.errors import NotFound, NotPossible
from hvelv.kernel.people_store import People
from tests.builders_requests import LAB_STEWARD, LEAD, NOON

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
WORD = "riktig hest batteri"


class CountingHasher(PasswordHasher):
    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
        self.verified += 1
        return bool(super().verify(hash, password))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = registry(f"sqlite:///{tmp_path}/registry.sqlite")
    made.create_all()
    yield made
    made.close()


@pytest.fixture
def people(database: Database) -> People:
    made = People(database, CountingHasher())
    made.add("test", LEAD, WORD, SECRET)
    made.add("test", LAB_STEWARD, WORD, SECRET)
    return made


def code(step: int = 0) -> str:
    return str(pyotp.TOTP(SECRET).at(NOON + timedelta(seconds=30 * step)))


def events(database: Database) -> list[tuple[str, str]]:
    with database.reading() as session:
        return [(row.subject, row.action) for row in database.trail.rows(session)][2:]


def test_a_right_password_and_a_fresh_code_let_in_once(people: People, database: Database) -> None:
    assert people.check(LEAD.id, WORD, code(), NOON) == LEAD
    assert people.check(LEAD.id, WORD, code(), NOON) is None
    assert people.check(LEAD.id, WORD, code(-1), NOON) is None
    assert people.check(LEAD.id, WORD, code(1), NOON + timedelta(seconds=30)) == LEAD
    assert [action for _who, action in events(database)] == [
        "sign-in.succeeded",
        "sign-in.failed",
        "sign-in.failed",
        "sign-in.succeeded",
    ]


@pytest.mark.parametrize(
    ("who", "password", "otp"),
    [
        (LEAD.id, "feil", code()),
        (LEAD.id, WORD, "000000"),
        (LEAD.id, WORD, code(2)),
        (LEAD.id, WORD, code(-2)),
        (LEAD.id, WORD, ""),
        (LEAD.id, WORD, "١٢٣٤٥٦"),
        (LEAD.id, WORD + "x" * 300, code()),
        (LEAD.id.upper(), WORD, code()),
        ("ukjent", WORD, code()),
        ("ragnhild\0", WORD, code()),
        ("\ud800", "\ud800", "\ud800"),
        ("", "", ""),
    ],
)
@pytest.mark.attack("PZ13")
def test_all_else_is_refused_alike_and_costs_the_same_work(
    who: str, password: str, otp: str, people: People, database: Database
) -> None:
    before = people._hasher.verified
    assert people.check(who, password, otp, NOON) is None
    assert people._hasher.verified == before + 1
    assert [action for _who, action in events(database)] == ["sign-in.failed"]


@pytest.mark.attack("PZ16")
def test_a_name_without_end_is_cut_before_it_is_written(people: People, database: Database) -> None:
    people.check("a" * 10_000_000, "b" * 10_000_000, "c" * 10_000_000, NOON)
    ((who, _action),) = events(database)
    assert len(who) == 64


def test_no_password_or_code_is_written_down(people: People, database: Database) -> None:
    people.check(LEAD.id, "hemmelig-gjett", "123456", NOON)
    with database.reading() as session:
        rows = "".join(str(row) for row in database.trail.rows(session))
    assert "hemmelig" not in rows
    assert "123456" not in rows
    assert WORD not in Path(str(database.engine.url.database)).read_bytes().decode("latin-1")


def test_who_was_deactivated_is_not_let_in_and_is_still_known(people: People) -> None:
    people.deactivate("test", LEAD.id)
    people.deactivate("test", LEAD.id)
    assert people.check(LEAD.id, WORD, code(), NOON) is None
    found = people.find(LEAD.id)
    assert found is not None
    assert not found.active
    with pytest.raises(NotFound):
        people.deactivate("test", "ukjent")
    with pytest.raises(NotFound):
        people.get("ukjent")


def test_people_come_back_as_they_were_and_a_taken_name_is_refused(people: People) -> None:
    assert people.all() == (LEAD, LAB_STEWARD)
    assert people.find(LAB_STEWARD.id) == LAB_STEWARD
    with pytest.raises(NotPossible):
        people.add("test", LEAD, "x", SECRET)
