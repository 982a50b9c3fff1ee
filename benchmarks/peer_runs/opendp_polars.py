"""OpenDP's Polars plans (the platform's own opendp): zCDP, as ours.

Its truncation to k groups keeps k - 1 and charges for k (tests/integration/test_privacy_opendp.py), so that it is told
one more, to keep as many as the others.
"""

import json
import sys
from typing import Any

import opendp.prelude as dp
import polars as pl
from told import tell

dp.enable_features("contrib")


def main(path: str, asked: dict[str, Any]) -> None:
    """Answer once."""
    rho, groups, most = asked["rho_micro"] / 1e6, asked["groups"], asked["rows"] * 2
    cost, bounds = pl.col("cost").fill_null(0), (0, asked["high"])

    def work() -> dict[int, tuple[float, float, float]]:
        frame = pl.scan_parquet(path).with_columns(pl.col("pid").cast(pl.Int64))
        context = dp.Context.compositor(
            data=frame,
            privacy_unit=dp.unit_of(contributions=1, identifier="pid"),
            privacy_loss=dp.loss_of(rho=rho, delta=0.0),
            margins=[
                dp.polars.Margin(by=(), max_length=most),
                dp.polars.Margin(by=["site"], max_length=most, max_groups=groups),
            ],
        )
        found = (
            context.query(rho=rho, delta=0.0)
            .truncate_per_group(asked["max_rows"], by=["site"])
            .truncate_num_groups(asked["max_groups"] + 1, by=["site"], keep="first")
            .group_by("site")
            .agg(dp.len(signed=True).alias("n"), cost.dp.sum(bounds).alias("s"), cost.dp.mean(bounds).alias("m"))
            .with_keys(pl.LazyFrame({"site": list(range(groups))}, schema={"site": pl.Int64}))
            .release()
            .collect()
        )
        return {row["site"]: (row["n"], row["s"], row["m"]) for row in found.iter_rows(named=True)}

    tell(work)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
