"""Tumult Analytics on local Spark: zCDP, as ours; a third of rho each for counts, sums and means."""

import json
import os
import sys
from typing import Any

os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable

from pyspark.sql import SparkSession
from tmlt.analytics import (
    AddRowsWithID,
    KeySet,
    MaxGroupsPerID,
    MaxRowsPerGroupPerID,
    QueryBuilder,
    RhoZCDPBudget,
    Session,
)
from told import tell


def main(path: str, asked: dict[str, Any]) -> None:
    """Answer once."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "6g")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    rho = asked["rho_micro"] / 1e6
    keys = KeySet.from_dict({"site": list(range(asked["groups"]))})

    def work() -> dict[int, tuple[float, float, float]]:
        frame = spark.read.parquet(path).selectExpr("cast(pid as bigint) pid", "site", "cost")
        session = Session.from_dataframe(RhoZCDPBudget(rho), "episodes", frame, protected_change=AddRowsWithID("pid"))
        bounded = (
            QueryBuilder("episodes")
            .enforce(MaxGroupsPerID("site", asked["max_groups"]))
            .enforce(MaxRowsPerGroupPerID("site", asked["max_rows"]))
            .groupby(keys)
        )
        counted = session.evaluate(bounded.count(name="n"), RhoZCDPBudget(rho / 3)).collect()
        summed = session.evaluate(bounded.sum("cost", 0, asked["high"], name="s"), RhoZCDPBudget(rho / 3)).collect()
        sums = {row["site"]: row["s"] for row in summed}
        averaged = session.evaluate(
            bounded.average("cost", 0, asked["high"], name="m"), RhoZCDPBudget(rho / 3)
        ).collect()
        means = {row["site"]: row["m"] for row in averaged}
        return {row["site"]: (row["n"], sums[row["site"]], means[row["site"]]) for row in counted}

    tell(work)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
