"""PipelineDP on its local backend: rows of Python, Laplace noise, public partitions, one budget for all measures."""

import json
import sys
from typing import Any

import pipeline_dp
import pyarrow.parquet as pq
from told import tell


def main(path: str, asked: dict[str, Any]) -> None:
    """Answer once."""
    parameters = pipeline_dp.AggregateParams(
        metrics=[pipeline_dp.Metrics.COUNT, pipeline_dp.Metrics.SUM, pipeline_dp.Metrics.MEAN],
        noise_kind=pipeline_dp.NoiseKind.LAPLACE,
        max_partitions_contributed=asked["max_groups"],
        max_contributions_per_partition=asked["max_rows"],
        min_value=0,
        max_value=asked["high"],
    )
    taken = pipeline_dp.DataExtractors(
        privacy_id_extractor=lambda row: row[0],
        partition_extractor=lambda row: row[1],
        value_extractor=lambda row: row[2],
    )

    def work() -> dict[int, tuple[float, float, float]]:
        table = pq.read_table(path)
        rows = list(zip(*(table.column(name).to_pylist() for name in ("pid", "site", "cost")), strict=True))
        budget = pipeline_dp.NaiveBudgetAccountant(total_epsilon=asked["epsilon"], total_delta=asked["delta"])
        engine = pipeline_dp.DPEngine(budget, pipeline_dp.LocalBackend())
        found = engine.aggregate(rows, parameters, taken, public_partitions=list(range(asked["groups"])))
        budget.compute_budgets()
        return {site: (measures.count, measures.sum, measures.mean) for site, measures in found}

    tell(work, runs=3)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
