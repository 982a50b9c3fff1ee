"""Extraction on Dask: the wall-clock time of two single-threaded workers beside that of one, on a source of 20 chunks.

Two cores that share memory, or that others use too, do less than twice the work of one. How much less is measured in
the same run: plain processes that know of each other only when to begin do the same pieces, without Dask.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from extraction import make, order

if TYPE_CHECKING:
    from hvelv.privacy.service.extraction import ExtractOrder

CHUNK = 1 << 20
TINY = 200_000
ALONE = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # one thread a process


def whole(wanted: "ExtractOrder") -> None:
    """Make an extract in this process."""
    from hvelv.privacy.adapters.extraction import ParquetExtractor

    ParquetExtractor().extract(wanted, lambda _done, _of: None)


def on_dask(source: Path, folder: Path, workers: int) -> float:
    """Return how long the extract takes on so many workers, once they have compiled what they run."""
    from distributed import Client, LocalCluster

    from hvelv.privacy.adapters.cluster import Cluster, DaskMapper
    from hvelv.privacy.adapters.extraction import ParquetExtractor

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster:
        mapper = DaskMapper(Cluster(cluster.scheduler_address))
        with Client(cluster.scheduler_address, set_as_default=False) as client:  # left to Dask, one would warm up alone
            for number, worker in enumerate(client.scheduler_info()["workers"]):
                warm = folder / f"warm-{number}"
                warm.mkdir()
                client.submit(whole, order(folder.parent / "tiny.parquet", warm), workers=[worker]).result()
        begun = time.perf_counter()
        ParquetExtractor(mapper).extract(order(source, folder), lambda _done, _of: None)
        return time.perf_counter() - begun


def in_processes(source: Path, folder: Path, count: int) -> float:
    """Return how long so many processes take for the same pieces, dealt out beforehand."""
    running = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--share",
                f"{number}/{count}",
                "--source",
                str(source),
                "--folder",
                str(folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]

    def all_have_said_so() -> None:
        if not all(process.stdout.readline() for process in running):
            raise RuntimeError("a process ended before its time")

    def let_go() -> None:
        for process in running:
            print(file=process.stdin, flush=True)

    all_have_said_so()
    begun = time.perf_counter()
    for _stage in ("spread", "gathered"):
        let_go()
        all_have_said_so()
    took = time.perf_counter() - begun
    for process in running:
        process.communicate()
    return took


def share(source: Path, folder: Path, number: int, count: int) -> None:
    """Do every so manieth piece, each stage when told to."""
    from hvelv.privacy.adapters.extraction import gathered, spread
    from hvelv.privacy.adapters.spreading import layout_of

    warm = folder / f"warm-{number}"
    warm.mkdir()
    whole(order(folder.parent / "tiny.parquet", warm))
    mine, layout = order(source, folder), layout_of(source)
    print("ready", flush=True)
    input()
    spread(mine, range(number, len(layout.chunks), count))
    print("spread", flush=True)
    input()
    for part in range(number, layout.parts, count):
        gathered(mine, part, {})
    print("gathered", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--share", default="", help="of a process of this benchmark: which one, of how many")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.share:
        number, count = map(int, given.share.split("/"))
        share(given.source, given.folder, number, count)
        return
    os.environ |= ALONE
    took = {}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source.parquet"
        make(source, given.chunks * CHUNK)
        make(Path(name) / "tiny.parquet", TINY)
        for way in (in_processes, on_dask):
            for count in (1, 2):
                folder = Path(name) / f"{way.__name__}-{count}"
                folder.mkdir()
                took[way, count] = way(source, folder, count)
    one, two = took[on_dask, 1], took[on_dask, 2]
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
                "two plain processes": round(took[in_processes, 1] / took[in_processes, 2], 3),
                "one plain process, s": round(took[in_processes, 1], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
