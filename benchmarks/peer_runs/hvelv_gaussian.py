"""Ours, in the platform's own environment: the road that a release takes, beginning with the extract's file."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from told import tell

from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.service.releases import measured

RUNS = 5


def main(noise: str, rho_micro: int, path: str, asked: dict[str, Any]) -> None:
    """Answer `RUNS` times, after once to compile the loops."""
    high, groups = asked["high"], asked["groups"]
    schema = Schema(
        "episodes",
        (
            Column("site", "integer", "attribute", categories=tuple(range(groups)), nullable=False),
            Column("cost", "integer", "sensitive", low=0, high=high, nullable=False),
        ),
    )
    question = {
        "dataset": "episodes",
        "by": ["site"],
        "measures": [
            {"kind": "count"},
            *({"kind": kind, "column": "cost", "low": 0, "high": high} for kind in ("sum", "mean")),
        ],
        "max_rows": asked["max_rows"],
        "max_groups": asked["max_groups"],
        "noise": noise,
    }
    engine: Any = SimpleNamespace(aggregator=StreamingAggregator(), noise=OpenDPNoise())

    def work() -> dict[int, tuple[float, float, float]]:
        method = method_for(query_from(question), {"episodes": schema})
        found = measured(method, method.doses(rho_micro), rho_micro, {"episodes": [Path(path)]}, engine)
        return {
            row["key"][0]: tuple(row["values"][name] for name in ("count", "sum_cost", "mean_cost"))
            for row in found.rows
        }

    tell(work, runs=RUNS, warm=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    main("gaussian", given["rho_micro"], sys.argv[1], given)
