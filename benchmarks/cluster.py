"""Extraction on Dask: the wall-clock time of two single-threaded workers beside that of one, on a source of 20 chunks."""

import argparse
import json
import tempfile
import time
from pathlib import Path

from extraction import make, order

CHUNK = 1 << 20


def seconds(source: Path, folder: Path, workers: int) -> float:
    """Return how long the extract takes on so many workers, once they have compiled what they run."""
    from distributed import LocalCluster

    from hvelv.privacy.adapters.cluster import Cluster, DaskMapper
    from hvelv.privacy.adapters.extraction import ParquetExtractor

    tiny = folder / f"tiny-{workers}"
    tiny.mkdir()
    make(tiny / "s.parquet", 200_000)
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster:
        mapper = DaskMapper(Cluster(cluster.scheduler_address))
        for number in range(2 * workers):
            warm = tiny / f"w{number}"
            warm.mkdir()
            ParquetExtractor(mapper).extract(order(tiny / "s.parquet", warm), lambda _done, _of: None)
        work = folder / f"work-{workers}"
        work.mkdir()
        begun = time.perf_counter()
        ParquetExtractor(mapper).extract(order(source, work), lambda _done, _of: None)
        return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source.parquet"
        make(source, given.chunks * CHUNK)
        one, two = (seconds(source, Path(name), workers) for workers in (1, 2))
    print(
        json.dumps(
            {
                "bench": "extraction: two Dask workers",
                "value": round(two, 1),
                "unit": "s",
                "ratio": round(one / two, 3),
                "against": f"one worker, {one:.1f} s",
                "goal": ">= 1.6",
                "n": 1,
                "chunks": given.chunks,
            }
        )
    )


if __name__ == "__main__":
    main()
