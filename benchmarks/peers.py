"""One question asked of ours and of other libraries: count, sum and mean in 50 groups, of each person 8 rows in 2 groups.

    make bench B=peers           (never part of `make bench` without a name)
    .venv/bin/python benchmarks/peers.py --only tumult

Each peer has an environment of its own below build/peers (`benchmarks/peer_environments.sh`, pinned in requirements/peers);
OpenDP's Polars plans are in ours. All read the same Parquet file; imports and compilation are not counted, reading is.
Compared at equal privacy loss, in the currency that the peer keeps its books in: zCDP with the rho that is epsilon 1 at
delta 1e-6 (against our Gaussian noise), or a pure epsilon of 1 (against our Laplace noise). Seconds are CPU seconds of all
threads and child processes. Errors are mean absolute ones over groups, in per cent of what a group truly has.
A peer that cannot be run has a line that says why.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.privacy.adapters.gathering import STORED

REPO = Path(__file__).parents[1]
RUNNERS = REPO / "benchmarks" / "peer_runs"
GROUPS, HIGH, MAX_ROWS, MAX_GROUPS = 50, 1000, 8, 2
EPSILON, DELTA = 1.0, 1e-6
AT_HOME = 0.9
NOT_WORSE = 1.3  # a mean of 50 errors is itself off by some 14 per cent
OURS = {"zcdp": "hvelv_gaussian", "pure": "hvelv_laplace"}


@dataclass(frozen=True)
class Peer:
    """A library: the environment it is in (none: ours), its currency, whether it is quick, and how much faster we want to be."""

    name: str
    environment: str | None
    currency: str
    quick: bool
    goal: float | None


PEERS = (
    Peer("opendp_polars", None, "zcdp", True, 50.0),
    Peer("smartnoise", "smartnoise", "pure", False, 200.0),
    Peer("pipelinedp", "pipelinedp", "pure", False, None),
    Peer("tumult", "tumult", "zcdp", False, None),
)


class NotRunError(Exception):
    """Why there is no result."""


def write_rows(path: Path, rows: int) -> None:
    """Write rows of persons with one to seven rows in one or two groups: all within the bounds, so that errors are noise.

    Sorted by person, as extracts are.
    """
    source = np.random.default_rng(1)
    persons = rows // 4
    many = source.integers(1, 8, persons)
    at = np.repeat(np.arange(persons), many)
    pids = np.sort(source.integers(1, 2**62, persons, dtype=np.uint64))
    home, other = source.integers(0, GROUPS, (2, persons))
    site = np.where(source.random(len(at)) < AT_HOME, home[at], other[at])
    cost = np.minimum(source.gamma(1.5, 200, len(at)), HIGH).astype(np.int64)
    table = pa.table({"pid": pids[at], "site": site, "cost": cost})
    pq.write_table(table, path, row_group_size=1 << 20, use_dictionary=["site", "cost"], **STORED)


def truth(path: Path) -> dict[str, tuple[int, int, float]]:
    """Return count, sum and mean of each group, with nothing held back."""
    found = pl.scan_parquet(path).group_by("site").agg(pl.len().alias("n"), pl.col("cost").sum().alias("s")).collect()
    return {str(site): (n, s, s / n) for site, n, s in found.iter_rows()}


def largest_rho() -> int:
    """Return the highest price in micro-rho, of two digits, that is no more than epsilon 1 at delta 1e-6."""
    from hvelv.privacy.adapters.noise import OpenDPNoise

    noise = OpenDPNoise()
    return max(rho for rho in range(10_000, 100_000, 1_000) if noise.epsilon(rho, DELTA) <= EPSILON)


def run(name: str, python: Path, path: Path, asked: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return what a runner tells. Raises `NotRunError`."""
    if not python.exists():
        raise NotRunError(f"not installed: benchmarks/peer_environments.sh makes {python.parents[1].name}")
    command = [str(python), str(RUNNERS / f"{name}.py"), str(path), json.dumps(asked)]
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as trouble:
        process = subprocess.Popen(command, stdout=told, stderr=trouble, start_new_session=True, cwd=path.parent)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotRunError(f"not finished after {seconds:.0f} s of wall clock") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        told.seek(0)
        trouble.seek(0)
        lines = [line[5:] for line in told if line.startswith("PEER ")]
        if code or not lines:
            last = [line.strip() for line in trouble if line.strip()][-1:]
            raise NotRunError(f"failed with {code}: {''.join(last)[:200]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def errors(found: dict[str, Any], true: dict[str, tuple[int, int, float]]) -> list[float]:
    """Return the mean absolute error of counts, of sums and of means in per cent of the truth."""
    each = np.array([[answer[site] for site in true] for answer in found["answers"]], float)
    exact = np.array(list(true.values()), float)
    per_cent = np.abs(each - exact) / exact * 100
    return [float(per_cent[..., measure].mean()) for measure in range(3)]


def lines_of(
    peer: Peer, rows: int, ours: dict[str, Any], theirs: dict[str, Any], true: dict[str, tuple[int, int, float]]
) -> list[dict[str, Any]]:
    """Return a line for the speed and one for each error."""
    cpu, own = statistics.median(theirs["cpu"]), statistics.median(ours["cpu"])
    named = f"ours {own:.3f} cpu-s, {rows:,} rows, {peer.currency}"
    found: list[dict[str, Any]] = [
        {
            "bench": f"peers: {peer.name}",
            "value": round(cpu, 2),
            "unit": "cpu-s",
            "ratio": round(cpu / own, 1),
            "goal": peer.goal,
            "better": "more",
            "against": named,
            "wall": round(statistics.median(theirs["wall"]), 2),
            "peak_gb": theirs["peak_gb"],
            "our_wall": round(statistics.median(ours["wall"]), 3),
            "our_peak_gb": ours["peak_gb"],
            "n": len(theirs["cpu"]),
        }
    ]
    for measure, own_error, error in zip(
        ("count", "sum", "mean"), errors(ours, true), errors(theirs, true), strict=True
    ):
        found.append(
            {
                "bench": f"peers: {peer.name} {measure}",
                "value": round(error, 4),
                "unit": "% error",
                "ratio": round(own_error / error, 3),
                "goal": NOT_WORSE,
                "against": f"ours {own_error:.4f} %, {rows:,} rows",
                "n": len(theirs["cpu"]),
            }
        )
    return found


def main() -> None:
    """Ask everyone, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="for ours and the quick peers")
    parser.add_argument("--slow-rows", type=int, default=1_000_000, help="for the slow ones, and ours beside them")
    parser.add_argument("--only", choices=[peer.name for peer in PEERS])
    parser.add_argument("--seconds", type=float, default=400, help="wall clock that a peer has")
    given = parser.parse_args()
    bounds = {"groups": GROUPS, "high": HIGH, "max_rows": MAX_ROWS, "max_groups": MAX_GROUPS}
    price = {"epsilon": EPSILON, "delta": DELTA, "rho_micro": largest_rho()}
    print(f"rho {price['rho_micro'] / 1e6} is epsilon {EPSILON} at delta {DELTA}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        for quick, rows in ((True, given.rows), (False, given.slow_rows)):
            chosen = [one for one in PEERS if one.quick == quick and given.only in (None, one.name)]
            if not chosen:
                continue
            write_rows(path, rows)
            true, asked = truth(path), bounds | price | {"rows": rows}
            ours = {
                currency: run(OURS[currency], Path(sys.executable), path, asked, given.seconds)
                for currency in sorted({one.currency for one in chosen})
            }
            for one in chosen:
                place = REPO / "build" / "peers" / (one.environment or "")
                python = place / "bin" / "python" if one.environment else Path(sys.executable)
                try:
                    theirs = run(one.name, python, path, asked, given.seconds)
                    told = lines_of(one, rows, ours[one.currency], theirs, true)
                except NotRunError as reason:
                    told = [{"bench": f"peers: {one.name}", "ratio": None, "goal": one.goal, "against": str(reason)}]
                for line in told:
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
