"""A larger account takes two stewards and a reason; what is spent is never touched."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.privacy.adapters.store_accounts import TopUpRow
from hvelv.privacy.domain.charging import MOST_MICRO, PLATFORM
from hvelv.privacy.service.accounts import Overdrawn
from hvelv.privacy.service.reviews import Steward
from tests.builders_accounts import (
    BIRTHS,
    BLOOD,
    CAP,
    DONORS,
    SIGRID,
    STINE,
    TOR,
    URINE,
    a_purchase,
    opened_books,
)

HDS, TWICE = Steward("hedda", "hds"), 2 * CAP


@pytest.fixture
def kept(database_url):
    made = opened_books(database_url, authority="hds", members=[("p-one", "sindre")])
    made.give("p-one", {BLOOD: 100_000, BIRTHS: 100_000})
    yield made
    made.database.close()


def propose(kept, who=STINE, **changes):
    return kept.topups.propose(who, DONORS, **{"cap": TWICE, "reason": "Ny finansiering for 2027."} | changes)["id"]


@pytest.mark.attack("DP23")
def test_one_steward_proposes_another_confirms_and_both_are_in_the_audit_trail(kept):
    kept.accounts.charge(a_purchase())
    before = kept.accounts.account(BLOOD)

    topup = propose(kept, period=("2027-01-01", "2027-12-31"))
    waiting = kept.accounts.account(BLOOD)
    done = kept.topups.confirm(SIGRID, topup)

    after = kept.accounts.account(URINE)
    assert waiting == before
    assert (after.cap, after.spent, after.delta_cap) == (TWICE, before.spent, before.delta_cap)
    assert (done["state"], done["proposed_by"], done["decided_by"]) == ("confirmed", "stine", "sigrid")
    assert done["period"] == ["2027-01-01", "2027-12-31"]
    told = [event for event in kept.events() if "topup" in event[1]]
    assert told == [("stine", "account.topup_proposed", DONORS), ("sigrid", "account.topup_confirmed", DONORS)]
    with kept.database.reading() as session:
        rows = [row for row in kept.database.trail.rows(session) if "topup" in row.action]
    assert all(row.detail["reason"] == "Ny finansiering for 2027." for row in rows)
    assert all((row.detail["before"], row.detail["cap"]) == (CAP, TWICE) for row in rows)
    assert {(row.detail["from"], row.detail["until"]) for row in rows} == {("2027-01-01", "2027-12-31")}


def test_a_larger_account_has_room_for_more_and_the_platforms_share_grows_with_it(kept):
    own = {held.dataset: held.allocated for held in kept.accounts.allocations(PLATFORM)}
    with pytest.raises(Overdrawn):
        kept.give("p-two", {BLOOD: 900_000})

    kept.topups.confirm(SIGRID, propose(kept))
    kept.give("p-two", {BLOOD: 900_000})

    grown = {held.dataset: held.allocated for held in kept.accounts.allocations(PLATFORM)}
    assert (grown[BLOOD], grown[URINE], grown[BIRTHS]) == (2 * own[BLOOD], 2 * own[URINE], own[BIRTHS])
    account = kept.accounts.account(BLOOD)
    held = kept.accounts.allocations(population=DONORS)
    assert account.allotted == sum(one.allocated for one in held)
    assert account.delta_allotted == sum(one.delta_allocated for one in held) <= account.delta_cap


@pytest.mark.attack("DP23")
@pytest.mark.parametrize("decide", ["confirm", "refuse"])
def test_nobody_decides_on_their_own_proposal(kept, decide):
    topup = propose(kept)

    with pytest.raises(Denied) as refusal:
        getattr(kept.topups, decide)(STINE, topup)

    assert refusal.value.code == "own-proposal"
    assert kept.accounts.account(BLOOD).cap == CAP
    assert kept.topups.of_population(DONORS)[0]["state"] == "proposed"


@pytest.mark.attack("DP23")
def test_the_database_itself_refuses_a_decision_by_one_alone_and_a_smaller_account(kept):
    propose(kept)
    for changes in (
        {"state": "confirmed", "decided_by": "stine"},
        {"state": "confirmed"},
        {"cap": CAP},
        {"reason": ""},
        {"state": "done"},
    ):
        with pytest.raises(IntegrityError), kept.database.transaction() as unit:
            unit.session.connection().execute(update(TopUpRow).values(**changes))


@pytest.mark.attack("DP23")
def test_another_holders_steward_neither_proposes_decides_nor_sees(kept):
    topup = propose(kept)

    for ask in (
        lambda: propose(kept, TOR),
        lambda: kept.topups.confirm(TOR, topup),
        lambda: kept.topups.refuse(TOR, topup),
        lambda: kept.topups.confirm(SIGRID, "top-none"),
        lambda: kept.topups.propose(STINE, "none", cap=TWICE, reason="x"),
    ):
        with pytest.raises(NotFound):
            ask()
    assert kept.topups.waiting(TOR) == []
    assert [one["id"] for one in kept.topups.waiting(SIGRID)] == [topup]


def test_the_configured_authority_may_confirm_for_a_holder_with_one_steward_but_not_propose(kept):
    topup = propose(kept)

    assert kept.topups.is_authority(HDS)
    assert not kept.topups.is_authority(Steward("nobody", ""))
    assert [one["id"] for one in kept.topups.waiting(HDS)] == [topup]
    with pytest.raises(NotFound):
        propose(kept, HDS)
    kept.topups.confirm(HDS, topup)

    assert kept.accounts.account(BLOOD).cap == TWICE


@pytest.mark.attack("DP23")
def test_who_is_in_a_project_that_the_account_pays_for_does_not_make_it_larger(kept):
    topup = propose(kept)

    with pytest.raises(Denied) as refusal:
        kept.topups.confirm(Steward("sindre", "lab"), topup)

    assert refusal.value.code == "own-project"
    assert kept.accounts.account(BLOOD).cap == CAP


@pytest.mark.attack("DP23")
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        *(("cap", {"cap": cap}) for cap in (CAP, CAP - 1, 0, -1, MOST_MICRO + 1, float("inf"), float("nan"), 2.5, "9", None, True)),
        ("reason", {"reason": " "}),
        ("reason", {"reason": None}),
        ("reason", {"reason": "x" * 501}),
        ("reason", {"reason": "For 010190 12345."}),
        ("period", {"period": ("2027-01-01", "")}),
        ("period", {"period": ("2027-12-31", "2027-01-01")}),
        ("period", {"period": ("i fjor", "i år")}),
    ],
    ids=str,
)  # fmt: skip
def test_a_proposal_says_a_larger_size_and_why(kept, field, changes):
    with pytest.raises(Invalid) as refusal:
        propose(kept, **changes)

    assert [problem.field for problem in refusal.value.problems] == [field]
    assert kept.topups.of_population(DONORS) == []


def test_one_proposal_waits_at_a_time_and_can_be_taken_back(kept):
    first = propose(kept)
    with pytest.raises(NotPossible) as refusal:
        propose(kept, SIGRID)
    with pytest.raises(Denied):
        kept.topups.withdraw(SIGRID, first)

    kept.topups.withdraw(STINE, first)
    kept.clock.at += timedelta(seconds=1)
    second = propose(kept, SIGRID)
    kept.topups.refuse(STINE, second)

    assert refusal.value.code == "waiting"
    assert [one["state"] for one in kept.topups.of_population(DONORS)] == ["refused", "withdrawn"]
    for decide in (kept.topups.confirm, kept.topups.refuse):
        with pytest.raises(NotPossible):
            decide(STINE, second)
    assert kept.accounts.account(BLOOD).cap == CAP
    assert [action for _who, action, _what in kept.events()].count("account.topup_confirmed") == 0


@pytest.mark.attack("DP23")
def test_a_proposal_about_an_account_that_has_changed_since_is_not_confirmed(kept):
    topup = propose(kept)
    with kept.database.transaction() as unit:
        kept.accounts.enlarge_account(unit, DONORS, CAP, CAP + 1)

    with pytest.raises(NotPossible) as refusal:
        kept.topups.confirm(SIGRID, topup)

    assert refusal.value.code == "account-changed"
    assert kept.accounts.account(BLOOD).cap == CAP + 1
    assert kept.topups.of_population(DONORS)[0]["state"] == "proposed"


def test_of_several_who_confirm_and_propose_at_once_one_is_heard(kept):
    topup, together = propose(kept), threading.Barrier(6)

    def act(number):
        together.wait()
        try:
            if number % 2:
                return kept.topups.confirm(Steward(f"person{number}", "lab"), topup)["state"]
            return propose(kept, Steward(f"person{number}", "lab"), cap=CAP + number + 1) and "proposed"
        except (NotPossible, Invalid) as refusal:
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(act, range(6)))

    assert outcomes.count("confirmed") == 1
    assert outcomes.count("proposed") <= 1
    assert kept.accounts.account(BLOOD).cap == TWICE
    assert kept.number("SELECT COUNT(*) FROM privacy_topup WHERE state = 'confirmed'") == 1
