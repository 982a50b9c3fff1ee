"""Two at the same moment, on SQLite and on PostgreSQL: both count, or one is told."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hvelv.kernel.database import registry
from hvelv.kernel.errors import NotPossible, Refusal
from hvelv.kernel.people_store import People
from hvelv.requests.domain.lifecycle import State
from hvelv.requests.domain.review import Choice
from tests.builders_requests import COMMITTEE, KARI, LAB_STEWARD, LEAD, POP_STEWARD, House, a_draft, a_house

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = a_house(tmp_path, database_url)
    yield made
    made.close()


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Start all calls at the same moment and return what each gave or refused."""
    answers: list[object] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(place: int, call: Callable[[], object]) -> None:
        gate.wait()
        try:
            answers[place] = call()
        except Refusal as refusal:
            answers[place] = refusal

    threads = [threading.Thread(target=run, args=(i, c)) for i, c in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.attack("WF08")
def test_votes_and_decisions_cast_at_the_same_moment_all_count(house: House) -> None:
    app, revision = house.submitted()
    votes = [lambda p=p: house.applications.vote(p, app, revision, Choice.FOR) for p in COMMITTEE]
    decisions = [
        lambda p=p: house.applications.decide(p, app, revision, Choice.FOR) for p in (LAB_STEWARD, POP_STEWARD)
    ]

    answers = at_once(*votes, *decisions)

    assert not [a for a in answers if isinstance(a, Refusal)]
    view = house.applications.view(LEAD, app)
    assert (view.state, view.tally.votes_for, len(view.tally.approved_by)) == (State.APPROVED, 3, 2)
    assert view.project is not None
    assert [a for _who, a in house.events()].count("project.opened") == 1
    assert [a for _who, a in house.events(house.custodian)] == ["permit.issued"]


@pytest.mark.attack("PZ12")
def test_one_member_voting_twice_at_the_same_moment_votes_once(house: House) -> None:
    app, revision = house.submitted()

    answers = at_once(*[lambda: house.applications.vote(KARI, app, revision, Choice.FOR)] * 4)

    assert sum(isinstance(a, NotPossible) for a in answers) == 3
    assert house.applications.view(KARI, app).tally.votes_for == 1


def test_two_who_save_the_same_page_do_not_overwrite_each_other(house: House) -> None:
    view = house.applications.create(LEAD)
    saves = [lambda t=t: house.applications.save_draft(LEAD, view.id, 0, a_draft(title=t)) for t in ("en", "to", "tre")]
    answers = at_once(*saves)
    assert sum(isinstance(a, NotPossible) for a in answers) == 2
    assert house.applications.view(LEAD, view.id).application.version == 1


@pytest.mark.attack("PZ12")
def test_one_code_lets_one_in(tmp_path: Path, database_url: str) -> None:
    import pyotp
    from argon2 import PasswordHasher

    from tests.builders_requests import NOON

    database = registry(database_url)
    database.create_all()
    people = People(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    secret = people.add("test", LEAD, "riktig hest")
    code = pyotp.TOTP(secret).at(NOON)
    answers = at_once(*[lambda: people.check(LEAD.id, "riktig hest", code, NOON)] * 4)
    database.close()
    assert answers.count(None) == 3
