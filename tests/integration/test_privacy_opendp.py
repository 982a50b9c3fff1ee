"""OpenDP's Polars plans: an oracle for fixed templates, and canaries for why they are not what we answer with.

Each canary is an openly reported fault of opendp 0.16 (findings/privacy.md, section 1). While they sing, nobody moves to that
door unaware; when one stops, read the release notes, and then this file again.
"""

import ast
from pathlib import Path

import opendp.prelude as dp
import polars as pl
import pytest

from hvelv.privacy.adapters.aggregate import bounded_totals
from hvelv.privacy.domain.accounting import doses
from tests.builders_privacy import a_plan, an_extract_file

HOUSE = Path(__file__).parents[2]
dp.enable_features("contrib")
MANY = 1e8  # rho, at which noise is nothing


def frame_of(*columns):
    return dp.lazyframe_domain([dp.series_domain(name, dp.atom_domain(T=kind)) for name, kind in columns])


# oracle --------------------------------------------------------------------------------------------------------------
ROWS = [
    {"pid": pid, "sex": "fm"[pid % 2], "age": pid % 90, "value": float(pid % 50), "test": 10}
    for pid in range(1, 200)
    for _row in range(pid % 5)
]


def released(query, max_rows, rho=MANY):
    frame = pl.LazyFrame(ROWS).with_columns(pl.col("pid").cast(pl.Int64))
    context = dp.Context.compositor(
        data=frame,
        privacy_unit=dp.unit_of(contributions=1, identifier="pid"),
        privacy_loss=dp.loss_of(rho=rho, delta=0.0),
        margins=[
            dp.polars.Margin(by=(), max_length=10_000),
            dp.polars.Margin(by=["sex"], max_length=10_000, max_groups=2),
        ],
    )
    keys = pl.LazyFrame({"sex": ["f", "m"]})
    asked = (
        context.query(rho=rho, delta=0.0)
        .truncate_per_group(max_rows, by=["sex"])
        .truncate_num_groups(3, by=["sex"], keep="first")
    )
    return query(asked.group_by("sex")).with_keys(keys)


@pytest.mark.parametrize("max_rows", [1, 2, 4])
def test_counts_and_sums_are_those_of_opendp_polars(tmp_path, max_rows):
    measures = [{"kind": "count"}, {"kind": "sum", "column": "value", "low": 0, "high": 25}]
    plan = a_plan(by=["sex"], measures=measures, max_rows=max_rows)
    path = an_extract_file(tmp_path / "x.parquet", ROWS)

    ours = bounded_totals([path], plan)
    theirs = released(
        lambda q: q.agg(
            dp.len(signed=True).alias("n"), pl.col("value").cast(pl.Int64).fill_null(0).dp.sum((0, 25)).alias("s")
        ),
        max_rows,
    )
    found = theirs.release().collect().sort("sex")

    assert ours[0] == pytest.approx(found["n"].to_list(), abs=2)
    assert [units / 10 for units in ours[1]] == pytest.approx(found["s"].to_list(), abs=25)


@pytest.mark.parametrize("max_rows", [1, 3])
def test_noise_is_never_less_than_opendp_polars_would_add_for_as_many_groups(max_rows):
    """Its truncation to k groups keeps k - 1 and charges for k: three, where ours is asked for three."""
    rho = 0.1
    plan = a_plan(by=["sex", "smoker"], max_rows=max_rows, max_groups=3)
    theirs = released(lambda q: q.agg(dp.len(signed=True).alias("n")), max_rows, rho)

    scale = theirs.summarize()["scale"][0]

    assert doses(plan, 100_000)[0].scale >= scale * 0.999


# canaries ------------------------------------------------------------------------------------------------------------
def private(domain, metric, query, measure=None, **given):
    return dp.m.make_private_lazyframe(domain, metric, measure or dp.max_divergence(), query, **given)


def test_canary_2938_2939_casts_and_cuts_give_an_exact_count_for_nothing():
    frame = pl.LazyFrame({"x": [float("nan"), *[1.0] * 15]})
    option = dp.lazyframe_domain([dp.series_domain("x", dp.option_domain(dp.atom_domain(T=float)))])
    domain = dp.with_margin(option, dp.polars.Margin(max_length=16, invariant="lengths"))
    for count in (
        pl.col("x").fill_null(0.0).cast(pl.Int64, strict=False).count(),
        pl.col("x").fill_null(0.0).cut([1.5]).count(),
    ):
        query = frame.select(count.dp.noise())
        made = private(domain, dp.frame_distance(dp.symmetric_distance()), query, global_scale=1.0)
        assert made.map([dp.polars.Bound(per_group=2)]) == 0
        assert {made(frame).collect().item() for _draw in range(8)} == {15}


def test_canary_2944_cut_to_physical_lets_one_row_change_all_others():
    one = pl.LazyFrame({"x": [0.5] * 100})
    other = pl.LazyFrame({"x": [2.0] + [0.5] * 100})
    query = pl.LazyFrame(schema={"x": pl.Float64}).select(
        pl.col("x").cut([1.0]).to_physical().dp.sum((0, 1), scale=1.0)
    )
    plain = dp.lazyframe_domain([dp.series_domain("x", dp.atom_domain(T=float, nan=False))])
    domain = dp.with_margin(plain, dp.polars.Margin(max_length=101))
    made = private(domain, dp.frame_distance(dp.symmetric_distance()), query)

    assert made.map([dp.polars.Bound(per_group=1)]) <= 1.001
    assert abs(made(one).collect()["x"].item() - made(other).collect()["x"].item()) > 50


def test_canary_2945_a_declared_length_halves_the_loss():
    kinds = {"A": pl.String, "B": pl.Int32}
    query = pl.LazyFrame(schema=kinds).group_by("A").agg(pl.col("B").dp.sum((-10, 10), scale=30.0))
    margin = dp.polars.Margin(by=["A"], max_length=3, max_groups=1, invariant="keys")
    domain = dp.with_margin(frame_of(("A", str), ("B", "i32")), margin)
    made = private(domain, dp.symmetric_distance(), query)

    assert made.map(6) < 2.0  # three rows from 10 to -10 move the sum by 60, which at scale 30 costs 2


def test_canary_2949_a_column_made_anew_after_truncation_is_not_bounded():
    both = pl.LazyFrame({"id": [0] * 100 + [1] * 100, "g": list(range(100)) * 2})
    one = pl.LazyFrame({"id": [1] * 100, "g": list(range(100))})
    counted = (
        pl.LazyFrame(schema={"id": pl.Int64, "g": pl.Int64})
        .filter(pl.int_range(pl.len()).over("id", "g") < 1)
        .filter(pl.struct("g").rank("dense").over("id") < 101)
        .with_columns(g=pl.lit(0, dtype=pl.Int64))
        .group_by("g")
        .agg(dp.len(scale=1.0, signed=True))
    )
    query = pl.LazyFrame({"g": [0]}).join(counted, on="g", how="left")
    made = private(
        frame_of(("id", "i64"), ("g", "i64")),
        dp.symmetric_id_distance(identifier=pl.col("id")),
        query,
        dp.zero_concentrated_divergence(),
    )

    assert made.map(1) < 100  # 100 rows of one person, all in one group, cost 5000
    assert made(both).collect()["len"].item() - made(one).collect()["len"].item() > 80


# and none of it in the product ---------------------------------------------------------------------------------------
FORBIDDEN = {"make_private_lazyframe", "deserialize_polars_plan", "Context", "polars", "Margin"}


@pytest.mark.attack("DP18")
def test_the_product_uses_opendp_for_noise_and_nothing_of_its_polars_plans():
    users = {
        path
        for top in ("privacy", "catalog", "requests", "enclave", "workflows", "src/hvelv/kernel", "src/hvelv/operation")
        for path in (HOUSE / top).rglob("*.py")
        if "opendp" in path.read_text()
    }
    found = {
        (path.name, node.attr)
        for path in users
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dp"
        if node.attr in FORBIDDEN
    }

    assert found == set()
    assert HOUSE / "privacy/adapters/noise.py" in users
    features = [path.read_text().count("enable_features") for path in users]
    assert max(features) == 1
    assert all(
        'enable_features("contrib")' in path.read_text() for path in users if "enable_features" in path.read_text()
    )
