"""Rates against plain loops and published figures; intervals that hold what they say."""

import math
import random

import numpy as np
import pytest

from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.methods.ratios import Counted, pooled, rate_of, ratio_of, scaled_poisson, weighted
from hvelv.privacy.domain.methods.standards import ESP2013, strata_by_name
from hvelv.privacy.domain.schema import Column
from tests.builders_rates import RATE, WEIGHTS, a_method, answer, by_key, everyone, simulated

AGED = Column("age", "integer", "attribute", low=0, high=110)
SOURCE = random.Random(5)
PATIENTS = [
    {
        "sex": SOURCE.choice(["f", "m", None]),
        "age": SOURCE.choice([None, 105, *range(101)]),
        "sick": SOURCE.choice([True, False, False, None]),
        "visits": SOURCE.choice([None, 0, 1, 5, 30]),
        "followed": SOURCE.choice([None, 10, 500, 1999, 2500]),
    }
    for _person in range(1500)
]


def counted_by(rows, *names):
    """Return rows by group, of those who are on all axes."""
    found = {}
    for row in rows:
        places = [row["sex"], None if row["age"] is None or row["age"] > 100 else min(row["age"] // 20, 4)]
        if None not in places and all(row[name] is not None for name in names):
            found.setdefault(tuple(places), []).append(row)
    return found


def test_a_rate_is_events_over_those_who_are_known():
    result = answer(a_method(**RATE), everyone(PATIENTS))

    for (sex, place), rows in counted_by(PATIENTS, "sick").items():
        label = ["[0, 20)", "[20, 40)", "[40, 60)", "[60, 80)", "[80, 100]"][place]
        events = sum(row["sick"] for row in rows)
        values = by_key(result)[sex, label]
        assert (values["events"], values["persons"]) == (events, len(rows))
        assert values["rate"] == pytest.approx(1000 * events / len(rows))
        assert values["rate_low"] < values["rate"] < values["rate_high"]


def test_counts_over_years_are_held_to_public_bounds_and_need_both():
    question = RATE | {"events": "visits", "events_high": 10, "time": "followed", "over": "years", "per": 100}
    result = answer(a_method(**question), everyone(PATIENTS))

    for (sex, place), rows in counted_by(PATIENTS, "visits", "followed").items():
        label = ["[0, 20)", "[20, 40)", "[40, 60)", "[60, 80)", "[80, 100]"][place]
        events = sum(min(row["visits"], 10) for row in rows)
        years = sum(min(row["followed"], 2000) for row in rows) / 365.25
        values = by_key(result)[sex, label]
        assert values["events"] == pytest.approx(events, abs=2)
        assert values["time"] == pytest.approx(years, rel=1e-2)
        assert values["rate"] == pytest.approx(100 * events / years, rel=2e-2)


def test_rows_can_be_events_over_time():
    result = answer(a_method(kind="rates", time="followed"), everyone(PATIENTS))
    there = [min(row["followed"], 2000) for row in PATIENTS if row["followed"] is not None]

    assert result.rows[0]["values"]["rate"] == pytest.approx(1000 * len(there) / sum(there), rel=1e-2)


def test_a_standardised_rate_weighs_age_groups_as_the_population_does():
    question = RATE | {
        "standard": {"column": "age", "population": "esp2013"},
        "compare": {"column": "sex", "reference": "f"},
    }
    result = answer(a_method(**question), everyone(PATIENTS))
    groups, rates = counted_by(PATIENTS, "sick"), {}

    for sex in "fm":
        own = [groups[sex, place] for place in range(5)]
        each = [sum(row["sick"] for row in rows) / len(rows) for rows in own]
        weights = [sum(ESP2013[4 * i : 4 * i + 4]) for i in range(5)]
        rates[sex] = sum(w * r for w, r in zip(weights, each, strict=True)) / sum(weights)
        values = by_key(result, "standardised")[(sex,)]
        assert values["standardised"] == pytest.approx(1000 * rates[sex])
        assert values["crude"] == pytest.approx(1000 * sum(row["sick"] for r in own for row in r) / sum(map(len, own)))
        assert values["bands"] == 5
    assert by_key(result, "ratio")[("m",)]["ratio"] == pytest.approx(rates["m"] / rates["f"])


def test_the_european_standard_population_is_of_100_000():
    assert sum(ESP2013) == 100_000
    assert ESP2013[0] == 5_000
    assert ESP2013[-1] == 200


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ((0, 50, 100), ((61_000, (0,)), (39_000, (1,)))),
        ((0, 95, 110), ((99_800, (0,)), (200, (1,)))),
        ((20, 45, 70), ((32_500, (0,)), (32_000, (1,)))),
        ((80, 90, 100, 110), ((4_000, (0,)), (1_000, (1, 2)))),
        ((0, 18, 36), None),
        ((-5, 0, 5), None),
    ],
)
def test_a_population_is_cut_where_the_bins_are(edges, expected):
    assert strata_by_name(Key(AGED, edges=edges), ESP2013) == expected


def test_one_poisson_count_has_the_score_interval():
    """0 events: 0 to z^2; 10 events: 5.43 to 18.41 (Wilson's interval for a Poisson count)."""
    assert scaled_poisson(0, 1.0, 0.0) == pytest.approx((0, 1.959964**2), abs=1e-4)
    assert scaled_poisson(10, 1.0, 0.0) == pytest.approx((5.432, 18.409), abs=1e-2)


def test_a_share_without_noise_has_wilsons_interval():
    found = rate_of(Counted(10, 50, 0, 0, binomial=True))

    assert (found.low, found.high) == pytest.approx((0.11244, 0.33037), abs=1e-4)


@pytest.mark.attack("DP14")
@pytest.mark.parametrize(("events", "size"), [(0, 0), (5, -3), (-4, 0), (3, 1)])
def test_a_size_that_noise_alone_could_make_gives_no_rate(events, size):
    assert rate_of(Counted(events, size, 4.0, 8.0, 4.0, binomial=True)) is None
    assert weighted(pooled([(1.0, Counted(events, size, 4.0, 8.0))])) is None


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("events", [-500, -1, 0, 1, 500, 5000])
@pytest.mark.parametrize("binomial", [True, False])
def test_noise_that_makes_events_negative_or_too_many_still_gives_an_interval(events, binomial):
    found = rate_of(Counted(events, 1000, 100.0, 200.0, 100.0, binomial=binomial))

    assert 0 <= found.low <= found.value <= found.high < math.inf
    assert not binomial or found.high <= 1


def test_age_groups_too_small_for_the_noise_are_taken_with_their_neighbours():
    big, small = Counted(50, 1000, 4, 4), Counted(1, 3, 4, 4)

    assert [weight for weight, _counted in pooled([(1, small), (2, big), (3, big), (4, small)])] == [3, 7]


def test_a_rate_that_noise_could_have_made_is_compared_with_nothing():
    clear, hidden = rate_of(Counted(100, 1000, 4, 4)), rate_of(Counted(3, 1000, 4, 4))

    assert ratio_of(clear, hidden) is None
    assert ratio_of(hidden, clear) is None
    assert ratio_of(clear, clear).value == 1


# do intervals cover? ------------------------------------------------------------------------------------------------
RUNS = 250


def coverage(question, truth, vectors, rho_micro, picks):
    """Return how often each picked interval holds the truth, over populations and noise drawn anew."""
    source, method = np.random.default_rng(7), a_method(**question)
    hits = dict.fromkeys(picks, 0)
    for _run in range(RUNS):
        result = simulated(method, vectors(source), rho_micro, source)
        for name, pick in picks.items():
            low, high = pick(result)
            hits[name] += low is not None and low <= truth[name] <= high
    return {name: hit / RUNS for name, hit in hits.items()}


def ends(table, key, name):
    def pick(result):
        values = by_key(result, table)[key]
        return values[f"{name}_low"], values[f"{name}_high"]

    return pick


@pytest.mark.parametrize("rho_micro", [2_000, 100_000])
def test_intervals_of_shares_hold_the_truth(rho_micro):
    chances = [0.01, 0.05, 0.1, 0.3, 0.5]
    women, men = np.array([800, 900, 700, 400, 150]), np.array([700, 800, 600, 300, 90])

    def vectors(source):
        found = []
        for people, factor in ((women, 1.0), (men, 0.8)):
            sick = source.binomial(people, np.array(chances) * factor)
            found += [count for n, s in zip(people, sick, strict=True) for count in (n - s, s)]
        return [np.array(found)]

    standard = float(np.dot(WEIGHTS, chances) / sum(WEIGHTS))
    question = RATE | {
        "standard": {"column": "age", "weights": WEIGHTS},
        "compare": {"column": "sex", "reference": "f"},
    }
    truth = {"low": 10, "middle": 100, "crude": 1000 * float(np.dot(women, chances)) / women.sum()}
    truth |= {"standardised": 1000 * standard, "ratio": 0.8}
    picks = {
        "low": ends("", ("f", "[0, 20)"), "rate"),
        "middle": ends("", ("f", "[40, 60)"), "rate"),
        "crude": ends("standardised", ("f",), "crude"),
    }
    if rho_micro > 10_000:  # with much noise, age groups are taken together, and that is another population
        picks |= {"standardised": ends("standardised", ("f",), "standardised"), "ratio": ends("ratio", ("m",), "ratio")}

    for name, found in coverage(question, truth, vectors, rho_micro, picks).items():
        assert 0.91 <= found <= 1, name


def test_intervals_of_rates_over_time_hold_the_truth():
    def vectors(source):
        days = np.array([300_000, 900_000])
        return [source.poisson(days * 0.0002), days]

    question = {"kind": "rates", "by": ["sex"], "events": "visits", "events_high": 1, "time": "followed"}
    picks = {"f": ends("", ("f",), "rate"), "m": ends("", ("m",), "rate")}
    for name, found in coverage(question, {"f": 0.2, "m": 0.2}, vectors, 20_000, picks).items():
        assert 0.91 <= found <= 1, name
