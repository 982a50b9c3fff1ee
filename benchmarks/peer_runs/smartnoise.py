"""SmartNoise SQL on a pandas frame. Bounds are rows of a person, wherever: max_rows x max_groups. Public keys: no censoring.

It charges for each column; what an epsilon costs is asked of it, and its epsilon made so small that the sum is ours.
"""

import json
import sys
from typing import Any

import pandas as pd
import snsql
from snsql import Privacy
from told import tell

SQL = "SELECT site, COUNT(*) AS n, SUM(cost) AS s, AVG(cost) AS m FROM main.episodes GROUP BY site"


def main(path: str, asked: dict[str, Any]) -> None:
    """Answer once."""
    columns: dict[str, Any] = {
        "max_ids": asked["max_rows"] * asked["max_groups"],
        "row_privacy": False,
        "rows": asked["rows"],
        "censor_dims": False,
        "pid": {"type": "int", "private_id": True},
        "site": {"type": "int", "lower": 0, "upper": asked["groups"] - 1},
        "cost": {"type": "int", "lower": 0, "upper": asked["high"]},
    }
    metadata = {"": {"main": {"episodes": columns}}}

    def reader(frame: pd.DataFrame, epsilon: float) -> Any:
        return snsql.from_df(frame, privacy=Privacy(epsilon=epsilon, delta=1e-9), metadata=metadata)

    few = pd.DataFrame({"pid": [1, 2], "site": [0, 1], "cost": [1, 2]})
    cost = reader(few, 1.0).get_privacy_cost(SQL)[0]
    epsilon = asked["epsilon"] / cost
    print("costs", cost, reader(few, epsilon).get_privacy_cost(SQL), file=sys.stderr)

    def work() -> dict[int, tuple[float, float, float]]:
        frame = pd.read_parquet(path).astype("int64")
        rows = reader(frame, epsilon).execute(SQL)[1:]
        return {int(site): (float(n), float(s), float(m)) for site, n, s, m in rows}

    tell(work)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
