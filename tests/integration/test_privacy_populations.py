"""One account for the same people, charges in lines, the platform's own share, answers that are had for free."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.charging import (
    DELTA_CAP,
    DELTA_EACH,
    MOST_DELTA,
    MOST_MICRO,
    PLATFORM,
    Line,
    Purchase,
    delta_cap_of,
)
from hvelv.privacy.domain.statement import Total, count_error95
from hvelv.privacy.service.accounts import KeyTaken, Overdrawn
from tests.builders_accounts import (
    BIRTHS,
    BLOOD,
    CAP,
    DELTA,
    DONORS,
    HOLDER,
    URINE,
    a_purchase,
    books,
    opened_books,
)


@pytest.fixture
def bare(database_url):
    made = books(database_url)
    yield made
    made.database.close()


@pytest.fixture
def kept(database_url):
    """Books with two populations, and a project with something of each dataset."""
    made = opened_books(database_url)
    made.give("p-one", {BLOOD: 100_000, URINE: 50_000, BIRTHS: 20_000})
    yield made
    made.database.close()


def spent(kept, project="p-one"):
    return {held.dataset: held.spent for held in kept.accounts.allocations(project)}


# populations -------------------------------------------------------------------------------------------------------
@pytest.mark.attack("DP08")
@pytest.mark.attack("DP21")
def test_all_datasets_and_versions_of_a_population_share_one_account(kept):
    kept.open(BLOOD, DONORS, cap=9 * CAP)  # a new version
    kept.open("ds-saliva", DONORS, cap=9 * CAP)  # a new dataset about the same people

    assert {kept.accounts.account(d).population for d in (BLOOD, URINE, "ds-saliva")} == {DONORS}
    assert kept.accounts.account("ds-saliva").cap == CAP
    assert kept.accounts.account(BIRTHS).population == BIRTHS


@pytest.mark.attack("DP08")
@pytest.mark.attack("DP09")
def test_what_projects_have_of_all_datasets_together_stays_within_the_populations_cap(kept):
    left = kept.accounts.account(BLOOD).left

    kept.give("p-two", {BLOOD: left - 1_000})
    with pytest.raises(Overdrawn) as refusal:
        kept.give("p-three", {URINE: 1_001})
    kept.give("p-three", {URINE: 1_000})

    assert dict(refusal.value.params) == {"spent": CAP - 1_000, "asked": 1_001, "left": 1_000}
    assert kept.accounts.account(URINE).left == 0
    assert kept.number("SELECT SUM(allocated) FROM privacy_allocation WHERE dataset <> 'ds-births'") == CAP


@pytest.mark.attack("DP09")
def test_projects_that_take_from_two_datasets_of_a_population_at_once_stay_within_its_cap(kept):
    each, together = kept.accounts.account(BLOOD).left // 5, threading.Barrier(8)

    def take(number):
        together.wait()
        try:
            kept.give(f"p-{number}", {(BLOOD, URINE)[number % 2]: each, BIRTHS: 100})
        except Overdrawn:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        given_out = sum(pool.map(take, range(8)))

    assert given_out == 5
    assert kept.accounts.account(BLOOD).allotted <= CAP


@pytest.mark.attack("DP21")
@pytest.mark.parametrize("elsewhere", ["befolkning", BIRTHS, URINE])
def test_a_later_version_cannot_move_to_another_population(kept, elsewhere):
    before = kept.accounts.account(BLOOD)

    with pytest.raises(NotPossible, match="begynt på nytt") as refusal:
        kept.open(BLOOD, elsewhere)
    kept.open(BLOOD, None)  # what says nothing stays where it is

    assert refusal.value.code == "other-population"
    assert kept.accounts.account(BLOOD) == before
    assert kept.number("SELECT COUNT(*) FROM privacy_population") == 2


@pytest.mark.attack("DP21")
def test_of_two_first_versions_at_once_that_name_two_populations_one_is_refused(bare):
    together = threading.Barrier(2)

    def publish(population):
        together.wait()
        try:
            bare.open(BLOOD, population)
        except NotPossible:
            return None
        return population

    with ThreadPoolExecutor(2) as pool:
        (decided,) = {name for name in pool.map(publish, ("en", "to")) if name}

    assert bare.accounts.account(BLOOD).population == decided
    assert bare.number("SELECT COUNT(*) FROM privacy_population") == 1


def test_a_population_is_its_holders(kept):
    with pytest.raises(Denied) as refusal:
        kept.open("ds-other", DONORS, holder="pop")

    assert refusal.value.code == "other-holder"
    with pytest.raises(NotFound):
        kept.accounts.account("ds-other")


# the platform's own share ------------------------------------------------------------------------------------------
def test_a_tenth_of_what_is_left_is_set_aside_for_the_platform_with_each_dataset(kept):
    own = {held.dataset: held.allocated for held in kept.accounts.allocations(PLATFORM)}

    assert own == {BLOOD: CAP // 10, URINE: (CAP - CAP // 10) // 10, BIRTHS: CAP // 20}


def test_no_permit_takes_the_platforms_own_share(kept):
    with pytest.raises(Denied) as refusal:
        kept.give(PLATFORM, {BLOOD: 200_000})

    assert refusal.value.code == "own-share"
    assert kept.accounts.allocation(PLATFORM, BLOOD).allocated == CAP // 10


def test_the_platform_pays_for_its_own_answers(kept):
    kept.accounts.charge(a_purchase(project=PLATFORM, person="catalogue", rho_micro=CAP // 10))

    with pytest.raises(Overdrawn):
        kept.accounts.charge(a_purchase(project=PLATFORM, person="catalogue", idempotency_key="key-00000002"))
    assert kept.accounts.account(BLOOD).spent == CAP // 10
    assert spent(kept)[BLOOD] == 0


# lines -------------------------------------------------------------------------------------------------------------
def test_an_answer_from_several_datasets_is_charged_on_all_of_them_and_once_on_each_population(kept):
    charge = kept.accounts.charge(a_purchase((URINE, BIRTHS, BLOOD), 5_000))

    assert charge.purchase.datasets == (BIRTHS, BLOOD, URINE)
    assert spent(kept) == {BLOOD: 5_000, URINE: 5_000, BIRTHS: 5_000}
    assert kept.accounts.account(BLOOD).spent == 5_000
    assert kept.accounts.account(BIRTHS).spent == 5_000
    assert kept.accounts.charges("p-one") == [charge]


@pytest.mark.parametrize("short", [BLOOD, URINE, BIRTHS])
def test_where_one_dataset_has_too_little_none_is_charged(kept, short):
    left = kept.accounts.allocation("p-one", short).left
    kept.accounts.charge(a_purchase((short,), left))
    before = spent(kept), kept.accounts.account(BLOOD).spent, kept.accounts.account(BIRTHS).spent

    with pytest.raises(Overdrawn) as refusal:
        kept.accounts.charge(a_purchase((BLOOD, URINE, BIRTHS), 1, idempotency_key="key-00000002"))

    assert dict(refusal.value.params) == {"spent": left, "asked": 1, "left": 0}
    assert (spent(kept), kept.accounts.account(BLOOD).spent, kept.accounts.account(BIRTHS).spent) == before
    assert len(kept.accounts.charges("p-one")) == 1


def test_without_an_allocation_of_one_of_the_datasets_none_is_charged(kept):
    kept.give("p-two", {BLOOD: 1_000})

    for datasets in ((BLOOD, BIRTHS), (BLOOD, "ds-none")):
        with pytest.raises(NotFound):
            kept.accounts.charge(a_purchase(datasets, project="p-two"))

    assert spent(kept, "p-two") == {BLOOD: 0}


def test_charges_that_name_their_datasets_in_different_orders_do_not_wait_for_each_other(kept):
    together = threading.Barrier(12)
    orders = [(BLOOD, URINE, BIRTHS), (BIRTHS, URINE, BLOOD), (URINE, BLOOD, BIRTHS)]

    def pay(number):
        together.wait()
        if number % 4 == 3:
            with kept.database.transaction() as unit:
                kept.accounts.set_open(unit, "p-one", is_open=True)
                kept.accounts.allocate(unit, "p-one", BIRTHS, 30_000, "office")
            return None
        return kept.accounts.charge(a_purchase(orders[number % 3], 100, idempotency_key=f"key-{number:08d}"))

    with ThreadPoolExecutor(12) as pool:
        made = [charge for charge in pool.map(pay, range(12)) if charge]

    assert len(made) == 9
    assert spent(kept) == {BLOOD: 900, URINE: 900, BIRTHS: 900}


REFUSED = [0, -1, float("nan"), float("inf"), 5e-324, 1e308, 1.0, "1", "", None, True, MOST_MICRO + 1, 10**40]


@pytest.mark.attack("DP06")
@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_a_price_is_a_whole_number_of_micro_rho_and_a_pure_epsilon_of_millionths(value):
    with pytest.raises(Invalid):
        Line(BLOOD, value)
    if value is not None:
        with pytest.raises(Invalid):
            Line(BLOOD, 1, pure_micro=value)


@pytest.mark.attack("DP06")
@given(st.one_of(st.floats(), st.text(), st.integers(max_value=0), st.integers(min_value=MOST_MICRO + 1), st.binary()))
def test_nothing_but_such_a_number_is_a_price(value):
    with pytest.raises(Invalid):
        Line(BLOOD, value)


@pytest.mark.attack("DP06")
@pytest.mark.parametrize("value", [-1, MOST_DELTA + 1, 1e-7, 1.0, float("nan"), "0", None, False], ids=repr)
def test_a_delta_is_a_whole_number_of_femto_up_to_a_millionth(value):
    with pytest.raises(Invalid):
        Line(BLOOD, 1, value)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (Line(BLOOD, 1), Line(BLOOD, 1)),
        (Line(BLOOD, 1), Line(URINE, 2)),
        (Line(BLOOD, 1), Line(URINE, 1, 1)),
        (Line(BLOOD, 1, 0, 1), Line(URINE, 1)),
        tuple(Line(f"ds-{number}", 1) for number in range(65)),
    ],
)
def test_the_lines_of_a_purchase_are_of_different_datasets_and_one_price(lines):
    with pytest.raises(Invalid):
        Purchase("p-one", "kari", "key-00000001", "q", "e", "s", lines)


# delta -------------------------------------------------------------------------------------------------------------
def test_delta_is_given_out_with_rho_and_in_proportion(bare):
    bare.open(BLOOD, DONORS)
    for number in range(9):
        bare.give(f"p-{number}", {BLOOD: CAP // 10})
    bare.give("p-0", {BLOOD: CAP // 10})

    held = bare.accounts.allocations(population=DONORS)
    assert [one.delta_allocated for one in held] == [DELTA_EACH] * 10
    assert bare.accounts.account(BLOOD).delta_allotted == DELTA_CAP


def test_an_allocation_that_grows_gets_the_rest_of_its_delta(bare):
    bare.open(BLOOD, DONORS)
    for size, delta in ((10_000, 10**7), (50_000, 5 * 10**7), (500_000, DELTA_EACH)):
        bare.give("p-one", {BLOOD: size})
        assert bare.accounts.allocation("p-one", BLOOD).delta_allocated == delta


def test_delta_is_charged_on_every_line_and_never_overdrawn(kept):
    have = kept.accounts.allocation("p-one", URINE).delta_allocated
    kept.accounts.charge(a_purchase((BLOOD, URINE), delta_femto=have))

    with pytest.raises(Overdrawn) as refusal:
        kept.accounts.charge(a_purchase((BLOOD, URINE), delta_femto=1, idempotency_key="key-00000002"))
    kept.accounts.charge(a_purchase((BLOOD, URINE), idempotency_key="key-00000003"))

    assert refusal.value.code == "overdrawn-delta"
    assert kept.accounts.allocation("p-one", URINE).delta_left == 0
    assert kept.accounts.account(URINE).delta_spent == have


@pytest.mark.attack("DP06")
def test_a_large_population_has_a_smaller_delta_and_none_reaches_one_over_its_persons(bare):
    bare.open(BLOOD, DONORS, persons=4_000_000)
    assert bare.accounts.account(BLOOD).delta_cap == delta_cap_of(4_000_000) == 10**15 // 40_000_000
    bare.give("p-one", {BLOOD: CAP // 2})
    delta = bare.accounts.allocation("p-one", BLOOD).delta_allocated

    bare.open(BLOOD, DONORS, persons=10**15 // delta)  # the register has grown

    with pytest.raises(Invalid):
        bare.accounts.charge(a_purchase(delta_femto=delta))
    assert bare.accounts.account(BLOOD).spent == 0
    assert bare.accounts.allocation("p-one", BLOOD).spent == 0
    bare.accounts.charge(a_purchase(delta_femto=delta - 1))


# the same query again ----------------------------------------------------------------------------------------------
def answered(kept, **asked):
    found = kept.accounts.answered(**{"project": "p-one", "query_hash": "q1", "extract_hash": "e1"} | asked)
    return found and found.release


def an_answer(kept, number, **changes):
    """Pay for the same query once more, a second later, and store the answer."""
    kept.clock.at += timedelta(seconds=1)
    charge = kept.accounts.charge(a_purchase(idempotency_key=f"key-{number:08d}", **changes))
    return kept.accounts.finish(charge, f'"answer {number}"')


@pytest.mark.attack("DP03")
def test_the_same_query_is_answered_from_the_store_at_no_lower_price_than_asked(kept):
    assert answered(kept, least_rho_micro=1) is None
    an_answer(kept, 1, rho_micro=1_000)
    an_answer(kept, 2, rho_micro=3_000)
    an_answer(kept, 3, rho_micro=3_000)
    an_answer(kept, 4, rho_micro=2_000)

    assert answered(kept, least_rho_micro=1) == '"answer 2"'
    assert answered(kept, least_rho_micro=3_000) == '"answer 2"'
    assert answered(kept, least_rho_micro=3_001) is None


@pytest.mark.attack("DP21")
@pytest.mark.parametrize("other", [{"project": "p-two"}, {"query_hash": "q2"}, {"extract_hash": "e2"}])
def test_an_answer_is_the_projects_own_to_this_query_on_these_extracts(kept, other):
    an_answer(kept, 1)

    assert answered(kept, least_rho_micro=1, **other) is None


@pytest.mark.attack("DP24")
def test_a_charge_without_an_answer_answers_nothing_and_is_finished_from_the_extracts_of_the_day(kept):
    kept.accounts.charge(a_purchase())
    assert answered(kept, least_rho_micro=1) is None

    again = kept.accounts.charge(a_purchase(extract_hash="e2"))  # the extracts were made anew meanwhile
    kept.accounts.finish(again, '"late"')

    assert answered(kept, least_rho_micro=1) is None
    assert answered(kept, least_rho_micro=1, extract_hash="e2") == '"late"'
    assert spent(kept)[BLOOD] == 1_000


@pytest.mark.attack("DP03")
@pytest.mark.parametrize(
    "other",
    [{"query_hash": "q2"}, {"rho_micro": 999}, {"datasets": (BLOOD, URINE)}, {"delta_femto": 1}, {"pure_micro": 1}],
)
def test_a_key_is_for_one_question_at_one_price(kept, other):
    kept.accounts.charge(a_purchase())

    with pytest.raises(KeyTaken):
        kept.accounts.charge(a_purchase(**other))
    assert spent(kept)[BLOOD] == 1_000


# statements --------------------------------------------------------------------------------------------------------
@pytest.mark.attack("DP08")
def test_a_populations_statement_adds_up_all_projects(kept):
    kept.give("p-two", {BLOOD: 10_000})
    an_answer(kept, 1, datasets=(BLOOD, URINE), rho_micro=5_000)
    an_answer(kept, 2, project="p-two", person="ola", rho_micro=2_000)
    kept.clock.at += timedelta(seconds=1)
    kept.accounts.charge(a_purchase((BIRTHS, URINE), 700, idempotency_key="key-00000003"))

    found = kept.statements.of_population(DONORS, holder=HOLDER)

    assert (found["spent"], found["reserved"], found["answers"]) == (7_700, 700, 3)
    assert (
        found["spent"] == kept.accounts.account(BLOOD).spent == Total.of(kept.accounts.entries(population=DONORS)).spent
    )
    assert (found["own"], found["cap"], found["left"]) == (190_000, CAP, CAP - 190_000 - 160_000)
    assert [(one["project"], one["spent"], one["reserved"]) for one in found["projects"]] == [
        ("p-one", 5_700, 700), ("p-two", 2_000, 0), (PLATFORM, 0, 0)
    ]  # fmt: skip
    assert [(one["person"], one["spent"]) for one in found["people"]] == [("kari", 5_700), ("ola", 2_000)]
    assert [(one["project"], one["rho_micro"], one["state"]) for one in found["charges"]] == [
        ("p-one", 700, "charged"), ("p-two", 2_000, "released"), ("p-one", 5_000, "released")
    ]  # fmt: skip
    assert found["epsilon_spent"] == pytest.approx(OpenDPNoise().epsilon(7_700, DELTA))
    assert kept.statements.of_population(BIRTHS)["spent"] == 700
    assert '"answer' not in str(found)


def test_a_holder_sees_its_own_accounts_and_no_others(kept):
    assert [one["population"] for one in kept.statements.of_holder(HOLDER)] == [DONORS]
    with pytest.raises(NotFound):
        kept.statements.of_population(BIRTHS, holder=HOLDER)


def test_a_project_sees_what_is_reserved_and_what_the_rest_would_buy(kept):
    an_answer(kept, 1, rho_micro=30_000)
    kept.accounts.charge(a_purchase(rho_micro=20_000, idempotency_key="key-00000002"))

    blood = next(one for one in kept.statements.budget("p-one") if one["dataset"] == BLOOD)

    assert (blood["allocated"], blood["spent"], blood["reserved"], blood["left"]) == (100_000, 50_000, 20_000, 50_000)
    assert blood["left_error95"] == pytest.approx(1.96 / (2 * 0.05) ** 0.5, rel=1e-3)
    assert count_error95(0) is None


def test_twenty_pure_answers_are_told_by_their_sum_and_others_by_the_curve(kept):
    price = {"rho_micro": 1_250, "pure_micro": 50_000}
    for number in range(20):
        an_answer(kept, number, **price)

    assert kept.statements.of_population(DONORS)["epsilon_spent"] == pytest.approx(1.0)
    an_answer(kept, 20, rho_micro=10)
    curve = OpenDPNoise().epsilon
    assert kept.statements.of_population(DONORS)["epsilon_spent"] == pytest.approx(
        min(1.0 + curve(10, DELTA), curve(25_010, DELTA))
    )


def test_delta_that_answers_cost_is_told_beside_the_accounts_own(kept):
    kept.accounts.charge(a_purchase(delta_femto=1_000_000))

    found = kept.statements.of_population(DONORS)

    assert (found["delta"], found["delta_spent"]) == (DELTA, 1e-9)
