"""A method draws what it said beforehand, in order, within the price: anything else is refused before it is drawn."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from hvelv.privacy.domain.accounting import gaussian
from hvelv.privacy.domain.measuring import ROWS, Cells, Result, Step
from hvelv.privacy.service.releases import NotCovered, measured

ASK = Cells((), (ROWS,), 1, 1)
TOLD = (gaussian("first", 400, 1.0), gaussian("second", 600, 1.0))
PRICE = 1_000


@dataclass
class Drawing:
    """A method that draws what it is made with, whatever it said."""

    steps: tuple
    framed: object = None

    def work(self, _doses):
        for doses in self.steps:
            yield Step(ASK, doses)
        return Result((), [{"key": [], "values": {"steps": len(self.steps)}, "error95": {}}])


class Books:
    """Totals and noise that remember what was drawn: as many vectors as there are doses."""

    def __init__(self, steps):
        self.drawn, self.waiting = [], list(steps)

    def totals(self, _sources, _framed, _ask):
        return [[7] for _dose in self.waiting.pop(0)]

    def draw(self, dose, totals):
        self.drawn.append(dose)
        return totals


def run(books, steps, price=PRICE):
    return measured(Drawing(steps), TOLD, price, {}, SimpleNamespace(aggregator=books, noise=books))


@pytest.mark.parametrize("steps", [[TOLD], [TOLD[:1], TOLD[1:]]])
def test_what_was_foretold_is_drawn_at_once_or_in_steps(steps):
    books = Books(steps)

    result = run(books, steps)

    assert books.drawn == list(TOLD)
    assert result.rows[0]["values"] == {"steps": len(steps)}


OTHERWISE = {
    "once more": ([TOLD, TOLD[:1]], 2),
    "in another order": ([TOLD[::-1]], 0),
    "with less noise": ([(replace(TOLD[0], scale=TOLD[0].scale / 2), TOLD[1])], 0),
    "for another price": ([(replace(TOLD[0], rho_micro=1), TOLD[1])], 0),
    "what nobody spoke of": ([TOLD[:1], (gaussian("third", 600, 1.0),)], 1),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_was_not_foretold_is_not_drawn(name):
    steps, before = OTHERWISE[name]
    books = Books(steps)

    with pytest.raises(NotCovered):
        run(books, steps)

    assert len(books.drawn) == before


def test_no_more_is_drawn_than_was_paid_for():
    books = Books([TOLD])

    with pytest.raises(NotCovered):
        run(books, [TOLD], price=PRICE - 1)

    assert books.drawn == []
