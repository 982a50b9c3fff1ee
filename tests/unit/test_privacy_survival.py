"""Survival curves against statsmodels; consistent counts; intervals and tests that keep what they promise."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from hvelv.privacy.domain.methods.curves import Followed, LogRank, falling, log_rank
from tests.builders_rates import CURVE, a_method, answer, by_key, everyone, simulated

SOURCE = random.Random(3)
WIDTH, MANY = 100, 10
PATIENTS = [
    {
        "sex": SOURCE.choice(["f", "m"]),
        "followed": SOURCE.choice([None, -3, *range(0, 2000, 7)]),
        "sick": SOURCE.choice([True, False, None]),
    }
    for _person in range(2500)
]


def known(rows, sex=None, most=MANY):
    """Return (interval, event) of those who count, as the rule says."""
    there = [
        r for r in rows if None not in (r["followed"], r["sick"]) and r["followed"] >= 0 and sex in {None, r["sex"]}
    ]
    intervals = np.array([min(row["followed"] // WIDTH, most) for row in there])
    return intervals + 1, np.array([row["sick"] and row["followed"] < WIDTH * most for row in there]).astype(int)


@pytest.fixture(scope="module")
def answered():
    return answer(a_method(**CURVE, by=["sex"]), everyone(PATIENTS))


@pytest.mark.parametrize("sex", ["f", "m"])
def test_the_curve_is_that_of_kaplan_and_meier(answered, sex):
    oracle = SurvfuncRight(*known(PATIENTS, sex))
    truth = dict(
        zip((oracle.surv_times * WIDTH).tolist(), zip(oracle.surv_prob, oracle.surv_prob_se, strict=True), strict=True)
    )

    for (group, end), values in by_key(answered).items():
        if group == sex:
            survival, error = truth[end]
            assert values["survival"] == pytest.approx(survival, abs=1e-3)
            assert values["survival_high"] - values["survival_low"] == pytest.approx(2 * 1.96 * error, rel=0.05)


@pytest.mark.parametrize("sex", ["f", "m"])
def test_the_cumulative_hazard_is_that_of_nelson_and_aalen(answered, sex):
    times, events = known(PATIENTS, sex)
    total = 0.0
    for j in range(1, MANY + 1):
        at_risk, happened = (times >= j).sum(), ((times == j) & (events == 1)).sum()
        total += happened / at_risk
        values = by_key(answered)[sex, j * WIDTH]
        assert values["cumulative_hazard"] == pytest.approx(total, rel=1e-2)
        assert values["hazard"] == pytest.approx(happened / at_risk, rel=2e-2)
        assert (values["at_risk"], values["events"]) == (pytest.approx(at_risk, abs=1), pytest.approx(happened, abs=1))


def test_the_restricted_mean_is_the_area_under_the_curve(answered):
    for sex in "fm":
        curve = [1.0, *(v["survival"] for (group, _end), v in by_key(answered).items() if group == sex)]
        area = WIDTH * sum((a + b) / 2 for a, b in itertools.pairwise(curve))
        values = by_key(answered, "rmst")[(sex,)]
        assert values["rmst"] == pytest.approx(area)
        assert values["rmst_low"] < area < values["rmst_high"]


def test_the_median_is_where_the_curve_crosses_a_half(answered):
    longer = answer(a_method(**CURVE | {"intervals": 20}, by=["sex"]), everyone(PATIENTS))
    for sex in "fm":
        oracle = SurvfuncRight(*known(PATIENTS, sex, most=20))
        values = by_key(longer, "median")[(sex,)]
        expected = float(oracle.quantile(0.5)) * WIDTH
        assert expected - WIDTH <= values["median"] <= expected
        assert values["median_low"] <= values["median"] <= values["median_high"]
        assert by_key(answered, "median")[(sex,)]["median"] is None


def test_the_log_rank_test_is_mantels():
    rows = [row | {"sick": row["sick"] if row["sex"] == "f" or SOURCE.random() < 0.7 else False} for row in PATIENTS]
    result = answer(a_method(**CURVE, by=["sex"]), everyone(rows))
    parts = [known(rows, sex) for sex in "fm"]
    times, events = (np.concatenate(some) for some in zip(*parts, strict=True))
    chi2, p = survdiff(times, events, np.repeat(["f", "m"], [len(parts[0][0]), len(parts[1][0])]))

    values = by_key(result, "logrank")[()]
    assert values["chi2"] == pytest.approx(chi2, rel=0.02)
    assert values["p"] == pytest.approx(p, rel=0.2)
    assert values["df"] == 1
    seen = by_key(result, "observed")
    assert sum(v["observed"] for v in seen.values()) == pytest.approx(sum(v["expected"] for v in seen.values()))


@pytest.mark.parametrize(("freedom", "statistic", "p"), [(1, 3.841459, 0.05), (2, 5.991465, 0.05), (5, 11.0705, 0.05)])
def test_the_tail_is_that_of_chi_squared(freedom, statistic, p):
    nothing = np.zeros(1)

    assert LogRank(nothing, nothing, nothing, nothing, statistic, freedom).p == pytest.approx(p, rel=1e-5)
    assert LogRank(nothing, nothing, nothing, nothing, 0.0, freedom).p == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 200), st.integers(-50, 200)), min_size=1, max_size=20), st.integers(-50, 500)
)
@pytest.mark.attack("DP14")
def test_whatever_the_noise_makes_the_counts_fit_each_other(pairs, horizon):
    events, lost = np.array(pairs, np.float64).T
    group = Followed(events, lost, float(horizon), 25.0, 30.0)

    assert (np.diff(group.at_risk) <= 1e-9).all()
    assert (group.at_risk >= 0).all()
    assert (group.happened >= 0).all()
    for curve, most in ((group.survival(), 1), (group.hazards(), 1), (group.cumulative_hazard(), np.inf)):
        assert len(curve) == group.known
        assert all(0 <= e.low <= e.value + 1e-12 and e.value <= e.high + 1e-12 and e.high <= most for e in curve)
    assert (np.diff([e.value for e in group.survival()]) <= 1e-12).all()
    group.restricted_mean()
    group.median()
    log_rank([group, group])


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12))
def test_the_nearest_falling_sequence_is_near_and_falls(values):
    given_values = np.array(values, np.float64)
    found = falling(given_values, np.ones(len(values)))

    assert (np.diff(found) <= 1e-9).all()
    assert found.sum() == pytest.approx(given_values.sum())
    if (np.diff(given_values) <= 0).all():
        assert found == pytest.approx(given_values)


def test_a_curve_stops_where_noise_could_be_all_there_is():
    group = Followed(np.array([50.0, 40, 5, 1]), np.array([900.0, 800, 20, 1]), 3.0, 100.0, 1.0)

    assert group.known == 2
    assert group.restricted_mean() is None


# do intervals cover? ------------------------------------------------------------------------------------------------
RUNS = 200


def populations(source, people, factors, censoring=0.04, hazard=0.06):
    """Return the counts of groups whose hazards are `factors` times a constant one, in the order of the vector."""
    found = []
    for count, factor in zip(people, factors, strict=True):
        table, left = [], count
        for _interval in range(MANY):
            happened = source.binomial(left, hazard * factor)
            gone = source.binomial(left - happened, censoring)
            table += [gone, happened]
            left -= happened + gone
        found += [*table, left, 0]
    return np.array(found)


@pytest.mark.parametrize(("people", "rho_micro"), [((3000, 2000), 1_000), ((600, 400), 100_000), ((300, 150), 10**9)])
def test_intervals_hold_the_true_curve(people, rho_micro):
    source, method = np.random.default_rng(11), a_method(**CURVE, by=["sex"])
    curve = np.cumprod(np.full(MANY, 0.94))
    area = WIDTH * (0.5 + curve[:-1].sum() + curve[-1] / 2)
    hits, runs = dict.fromkeys(["early", "middle", "late", "hazard", "rmst"], 0), dict.fromkeys(["rmst"], 0)
    for _run in range(RUNS):
        result = simulated(method, [populations(source, people, (1, 1))], rho_micro, source)
        rows, mean = by_key(result), by_key(result, "rmst")[("f",)]
        for name, j in (("early", 1), ("middle", 5), ("late", 10)):
            v = rows["f", j * WIDTH]
            hits[name] += v["survival_low"] is not None and v["survival_low"] <= curve[j - 1] <= v["survival_high"]
        v = rows["f", 5 * WIDTH]
        hits["hazard"] += v["cumulative_hazard_low"] <= 5 * 0.06 <= v["cumulative_hazard_high"]
        runs["rmst"] += mean["rmst"] is not None
        hits["rmst"] += mean["rmst"] is not None and mean["rmst_low"] <= area <= mean["rmst_high"]

    assert runs["rmst"] == RUNS
    for name, hit in hits.items():
        assert 0.9 <= hit / RUNS <= 1, name


@pytest.mark.parametrize(("people", "rho_micro"), [((3000, 2000), 1_000), ((600, 400), 100_000)])
def test_the_log_rank_test_says_different_of_few_groups_that_are_alike_and_of_most_that_are_not(people, rho_micro):
    source, method = np.random.default_rng(12), a_method(**CURVE, by=["sex"])

    def said(factors):
        found = 0
        for _run in range(RUNS):
            result = simulated(method, [populations(source, people, factors)], rho_micro, source)
            p = by_key(result, "logrank")[()]["p"]
            found += p is not None and p < 0.05
        return found / RUNS

    assert said((1, 1)) <= 0.1
    assert said((1, 2)) >= 0.5
