"""Every history of the books: whatever comes, in whatever order, at once or cut short, and on both databases,

    what was answered <= what was charged <= what was allotted <= what the population's account holds.

The machine keeps its own simple books beside the real ones and holds each against the other after every step.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Refusal
from hvelv.privacy.domain.charging import PLATFORM, Charge, Line, Purchase
from hvelv.privacy.service.accounts import KeyTaken
from hvelv.privacy.service.reviews import Steward
from tests.builders_accounts import HOLDER, Books, books
from tests.postgres import new_postgres_url

DATASETS, POPULATIONS, PROJECTS = ("ds-1", "ds-2", "ds-3"), ("en", "to", None), ("p-1", "p-2", PLATFORM)
STEWARDS = ("stine", "sigrid")
CAP, PRICES, SIZES = 10_000, (1, 400, 2_500), (0, 1_000, 4_000, 9_000)
some_datasets = st.lists(st.sampled_from(DATASETS), min_size=1, max_size=3, unique=True)
deltas = st.sampled_from((0, 0, 10**6, 4 * 10**7))
pures = st.sampled_from((None, 5_000))
PLACES = ("spend", "spend_of", "add_charge", "finish", "allot", "add_allocation", "set_cap")


class CutError(BaseException):
    """The power goes: nothing more is done, and nothing is caught."""


class Histories(RuleBasedStateMachine):
    """Everybody who writes in the books, and a restart now and then."""

    new_url: Callable[[], str]

    @initialize(homes=st.fixed_dictionaries({dataset: st.sampled_from(POPULATIONS) for dataset in DATASETS[:2]}))
    def begin(self, homes: dict[str, str | None]) -> None:
        self.url = type(self).new_url()
        self.books: Books = books(self.url)
        self.shown: dict[str, str] = {}  # what people have seen, by charge
        self.unanswered: dict[str, Charge] = {}
        self.paid: dict[str, Purchase] = {}
        self.homes: dict[str, str] = {}  # dataset to population
        self.caps: dict[str, int] = {}
        self.most_spent: Counter[tuple[str, str]] = Counter()
        self.numbers = itertools.count()
        for dataset, population in homes.items():
            self.publish(dataset, population, 0)
        self.give("p-1", ["ds-1", "ds-2"], 4_000)

    def teardown(self) -> None:
        if hasattr(self, "books"):
            self.books.database.close()

    # publishing, permits ---------------------------------------------------------------------------------------------
    @rule(
        dataset=st.sampled_from(DATASETS),
        population=st.sampled_from(POPULATIONS),
        persons=st.sampled_from((0, 40, 10**7)),
    )
    def publish(self, dataset: str, population: str | None, persons: int) -> None:
        home = self.homes.get(dataset)
        moves = home is not None and population not in {None, home}
        try:
            self.books.open(dataset, population, cap=CAP, persons=persons)
        except NotPossible:
            assert moves
            return
        assert not moves
        self.homes[dataset] = home or population or dataset
        self.caps.setdefault(self.homes[dataset], CAP)

    @rule(project=st.sampled_from(PROJECTS), datasets=some_datasets, size=st.sampled_from(SIZES))
    def give(self, project: str, datasets: list[str], size: int) -> None:
        try:
            self.books.give(project, dict.fromkeys(datasets, size))
        except Denied:
            assert project == PLATFORM
        except (NotFound, NotPossible):
            pass

    @rule(project=st.sampled_from(PROJECTS), is_open=st.booleans())
    def open_or_close(self, project: str, *, is_open: bool) -> None:
        with self.books.database.transaction() as unit:
            self.books.accounts.set_open(unit, project, is_open=is_open)

    # charging --------------------------------------------------------------------------------------------------------
    def _purchase(self, project: str, datasets: list[str], price: tuple[int, int, int | None], key: str) -> Purchase:
        rho, delta, pure = price
        lines = tuple(Line(dataset, rho, delta, pure) for dataset in datasets)
        return Purchase(project, "kari", key, f"q{rho}", "e1", "labs: count", lines)

    def _charged(self, purchase: Purchase) -> Charge | None:
        try:
            return self.books.accounts.charge(purchase)
        except Refusal:
            return None

    def _noted(self, charge: Charge | None, purchase: Purchase) -> None:
        if charge is None:
            return
        assert charge.purchase.lines == purchase.lines
        assert self.paid.setdefault(charge.id, charge.purchase).lines == purchase.lines
        if charge.id not in self.shown:
            self.unanswered[charge.id] = charge

    @rule(
        project=st.sampled_from(PROJECTS),
        datasets=some_datasets,
        price=st.tuples(st.sampled_from(PRICES), deltas, pures),
    )
    def charge(self, project: str, datasets: list[str], price: tuple[int, int, int | None]) -> None:
        purchase = self._purchase(project, datasets, price, f"key-{next(self.numbers):08d}")
        self._noted(self._charged(purchase), purchase)

    @rule(
        asked=st.lists(
            st.tuples(
                st.sampled_from(PROJECTS),
                some_datasets,
                st.tuples(st.sampled_from(PRICES), deltas, pures),
                st.integers(0, 2),
            ),
            min_size=2,
            max_size=4,
        )
    )
    def charge_at_once(self, asked: list[Any]) -> None:
        start = next(self.numbers) * 10  # a few of them have the same key
        wanted = [self._purchase(p, d, price, f"at-once-{start + key:06d}") for p, d, price, key in asked]
        with ThreadPoolExecutor(len(wanted)) as pool:
            for charge, purchase in zip(pool.map(self._charged, wanted), wanted, strict=True):
                self._noted(charge, purchase)

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), dearer=st.booleans())
    def replay(self, data: Any, *, dearer: bool) -> None:
        known = data.draw(st.sampled_from(sorted(self.paid)))
        purchase = self.paid[known]
        if dearer:
            lines = tuple(Line(line.dataset, line.rho_micro + 1) for line in purchase.lines)
            again = Purchase(purchase.project, "ola", purchase.idempotency_key, "q", "e1", "s", lines)
            with pytest.raises(KeyTaken):
                self.books.accounts.charge(again)
            return
        charge = self.books.accounts.charge(purchase)
        assert charge.id == known
        assert charge.release == self.shown.get(known)

    # answering -------------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.unanswered)
    @rule(data=st.data(), twice=st.booleans())
    def finish(self, data: Any, *, twice: bool) -> None:
        charge = self.unanswered.pop(data.draw(st.sampled_from(sorted(self.unanswered))))
        drawn = [f'"{charge.id} {number}"' for number in range(1 + twice)]
        with ThreadPoolExecutor(len(drawn)) as pool:
            seen = set(pool.map(lambda one: self.books.accounts.finish(charge, one), drawn))
        assert len(seen) == 1
        (self.shown[charge.id],) = seen

    @rule(project=st.sampled_from(PROJECTS), price=st.sampled_from(PRICES), least=st.sampled_from(PRICES))
    def ask_again(self, project: str, price: int, least: int) -> None:
        found = self.books.accounts.answered(project, f"q{price}", "e1", least)
        known = [self.paid[name] for name in self.shown if self.paid[name].project == project]
        assert (found is not None) == any(p.query_hash == f"q{price}" and p.rho_micro >= least for p in known)
        if found is not None:
            assert (found.purchase.project, found.purchase.query_hash) == (project, f"q{price}")
            assert found.purchase.rho_micro >= least
            assert found.release == self.shown[found.id]

    # top-ups ---------------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.caps)
    @rule(
        data=st.data(),
        more=st.sampled_from((-1, 0, 1, 5_000)),
        by=st.sampled_from(STEWARDS),
        then=st.sampled_from(("confirm", "refuse", "withdraw")),
        whom=st.sampled_from(STEWARDS),
    )
    def top_up(self, data: Any, more: int, by: str, then: str, whom: str) -> None:
        population = data.draw(st.sampled_from(sorted(self.caps)))
        cap = self.caps[population] + more
        try:
            made = self.books.topups.propose(Steward(by, HOLDER), population, cap=cap, reason="Nytt år.")
        except Invalid:
            assert more <= 0
            return
        except NotPossible:
            made = self.books.topups.waiting(Steward(by, HOLDER))[0]
            population, by, cap = made["population"], made["proposed_by"], made["cap"]
        try:
            getattr(self.books.topups, then)(Steward(whom, HOLDER), made["id"])
        except Denied:
            assert (whom == by) != (then == "withdraw")
            return
        assert (whom == by) == (then == "withdraw")
        if then == "confirm":
            self.caps[population] = cap

    # trouble ---------------------------------------------------------------------------------------------------------
    @contextmanager
    def _cut(self, place: str, after: int) -> Iterator[None]:
        """Have the power go at the ledger's `place`, before or after it is written, the `after`th time."""
        ledger = self.books.accounts._ledger
        inner, left = getattr(ledger, place), [after]

        def method(*args: Any) -> Any:
            if left[0] % 2 == 0 and left[0] <= 1:
                raise CutError
            found = inner(*args)
            if left[0] <= 1:
                raise CutError
            left[0] -= 2
            return found

        setattr(ledger, place, method)
        try:
            yield
        except CutError:
            pass
        finally:
            delattr(ledger, place)

    @rule(
        place=st.sampled_from(PLACES),
        after=st.integers(0, 3),
        project=st.sampled_from(PROJECTS),
        datasets=some_datasets,
        price=st.sampled_from(PRICES),
    )
    def power_goes(self, place: str, after: int, project: str, datasets: list[str], price: int) -> None:
        purchase = self._purchase(project, datasets, (price, 0, None), f"key-{next(self.numbers):08d}")
        with self._cut(place, after):
            charge = self._charged(purchase)
            self._noted(charge, purchase)
            if charge:
                self.books.accounts.finish(charge, '"seen"')
                self.unanswered.pop(charge.id)
                self.shown[charge.id] = '"seen"'
            self.give(project, datasets, 3_000)
        with self._cut(place, after):
            for waiting in self.books.topups.waiting(Steward("tredje", HOLDER)):
                self.books.topups.confirm(Steward("tredje", HOLDER), waiting["id"])
                self.caps[waiting["population"]] = waiting["cap"]
        self.restart()

    @rule()
    def restart(self) -> None:
        self.books.database.close()
        self.books = books(self.url, create=False)
        found = [charge for project in PROJECTS for charge in self.books.accounts.charges(project)]
        assert {charge.id for charge in found if charge.release is not None} == set(self.shown)

    # what holds ------------------------------------------------------------------------------------------------------
    @invariant()
    def answers_are_within_charges_within_allotments_within_accounts(self) -> None:
        if not hasattr(self, "books"):
            return
        accounts = self.books.accounts
        charges = {charge.id: charge for project in PROJECTS for charge in accounts.charges(project)}
        assert set(charges) == set(self.paid)  # nobody paid for what is not in the books, nor the other way
        answers = {name: charge.release for name, charge in charges.items() if charge.release is not None}
        assert answers == self.shown
        lines, once = Counter[tuple[str, str]](), Counter[str]()
        delta_lines, delta_once = Counter[tuple[str, str]](), Counter[str]()
        for charge in charges.values():
            purchase = charge.purchase
            for line in purchase.lines:
                lines[purchase.project, line.dataset] += line.rho_micro
                delta_lines[purchase.project, line.dataset] += line.delta_femto
            for population in {self.homes[dataset] for dataset in purchase.datasets}:
                once[population] += purchase.rho_micro
                delta_once[population] += purchase.delta_femto
        for population, cap in self.caps.items():
            account, held = accounts.of_population(population), accounts.allocations(population=population)
            for one in held:
                assert lines[one.project, one.dataset] == one.spent <= one.allocated
                assert delta_lines[one.project, one.dataset] == one.delta_spent <= one.delta_allocated
                assert one.spent >= self.most_spent[one.project, one.dataset]  # nothing is paid back
                self.most_spent[one.project, one.dataset] = one.spent
            assert once[population] == account.spent <= account.allotted == sum(one.allocated for one in held)
            assert delta_once[population] == account.delta_spent
            assert account.delta_allotted == sum(one.delta_allocated for one in held) <= account.delta_cap
            assert account.allotted <= account.cap == cap
            assert self.books.statements.of_population(population)["spent"] == once[population]

    @invariant()
    def the_audit_trail_tells_of_each_charge_and_answer_once(self) -> None:
        if not hasattr(self, "books"):
            return
        told = Counter(action for _who, action, _what in self.books.events())
        assert told["release.charged"] == len(self.paid)
        assert told["release.made"] == len(self.shown)
        with self.books.database.reading() as session:
            assert self.books.database.trail.faults(session) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request, tmp_path):
    """What makes the URL of a new, empty database, again and again."""
    numbers = itertools.count()
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/books-{next(numbers)}.sqlite"
    folder = request.getfixturevalue("postgres")
    return lambda: new_postgres_url(folder)


EXAMPLES, STEPS = 15, 25
CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@pytest.mark.attack("DP02")
@pytest.mark.attack("DP03")
@pytest.mark.attack("DP09")
@pytest.mark.attack("DP23")
@pytest.mark.attack("DP24")
def test_in_every_history_answers_are_within_charges_within_allotments_within_accounts(new_url):
    machine = type("Machine", (Histories,), {"new_url": staticmethod(new_url)})
    limits = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=CHECKS)
    run_state_machine_as_test(machine, settings=limits)
