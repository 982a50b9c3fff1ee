"""Provisioning runs, each in a process of its own, that are killed at one place."""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from hvelv.privacy.adapters import extraction, gathering, spreading
from hvelv.privacy.adapters.risk_loops import claim
from hvelv.privacy.adapters.rows import SqlExtracts, SqlJobs
from hvelv.privacy.service.extraction import Extraction
from hvelv.privacy.service.extracts import ExtractRegistry
from hvelv.privacy.service.optouts import OptOuts
from hvelv.privacy.service.reviews import Reviews
from hvelv.workflows import provision
from tests.builders_provision import FolderStore, a_desk

# Where the run dies: whose method, before or after its doing, and at which call.
PLACES: dict[str, tuple[Any, str, str, int]] = {
    "before the job is started": (SqlJobs, "update", "before", 1),
    "after the job is started": (SqlJobs, "update", "after", 1),
    "while a source is fetched": (FolderStore, "get_file", "half", 1),
    "after the first source": (provision, "fetched", "after", 1),
    "before the look at the objections": (OptOuts, "look", "before", 1),
    "after the look at the objections": (OptOuts, "look", "after", 1),
    "before the first chunk": (spreading.Spreader, "spread", "before", 1),
    "in the middle of a chunk": (spreading.Spreader, "columns", "after", 2),
    "after a chunk": (spreading.Spreader, "spread", "after", 3),
    "before persons are counted": (gathering.Gatherer, "census", "before", 1),
    "in the middle of a part": (gathering, "_save", "after", 1),
    "between two parts": (gathering.Gatherer, "gather", "after", 2),
    "before chunks are removed": (extraction.ParquetExtractor, "tidy", "before", 1),
    "after the first table": (extraction.ParquetExtractor, "tidy", "after", 1),
    "before persons are compared": (extraction.ParquetExtractor, "clash", "before", 1),
    "after all is prepared": (Extraction, "prepare", "after", 1),
    "after the first risk report": (Reviews, "offer", "after", 1),
    "before the first part is stored": (FolderStore, "put_file", "before", 1),
    "after some parts are stored": (FolderStore, "put_file", "after", 3),
    "before the manifest": (FolderStore, "put", "before", 1),
    "after the manifest": (FolderStore, "put", "after", 1),
    "within the publishing transaction": (SqlExtracts, "add", "after", 2),
    "after publishing": (ExtractRegistry, "publish", "after", 1),
    "while it is tidied": (FolderStore, "names", "after", 1),
    "before the job is said to be done": (provision, "tidy", "after", 1),
}


def die_at(place: str) -> None:
    """Let this process be killed when it comes to `place`."""
    owner, name, when, number = PLACES[place]
    real = getattr(owner, name)
    calls = 0

    def watched(*args: Any, **given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and when == "half":
            Path(args[3]).write_bytes(b"PAR1 and no more")
        if calls == number and when != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*args, **given)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(owner, name, watched)


def serve() -> None:
    """Do each job that a line of input names, in a process of its own; answer with what became of it.

    What is imported is imported once, before the jobs' processes are split off. The threads that run by then are those of
    OpenBLAS and jemalloc, which provide for it; Polars and Arrow start theirs when there is work.
    """
    nothing = np.zeros(0, np.uint16), np.zeros(0, np.int32)
    claim(np.zeros(1, np.int32), *nothing[:1] * 3, None, 1, 1, 1, nothing[1])  # the compiler wakes up
    for line in sys.stdin:
        url, folder, place = json.loads(line)
        child = os.fork()
        if child == 0:
            _do(url, Path(folder), place)
        _pid, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _do(url: str, folder: Path, place: str) -> None:
    """Do the job and die at `place`, empty for none; says on standard error, in a file, what went wrong. Ends the process."""
    log = os.open(folder / "run.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(log, standard)
    try:
        spreading.CHUNK_ROWS, spreading.PART_ROWS = 40, 40
        if place:
            die_at(place)
        provision.provision_project(a_desk(url, folder, create=False), "job-1", folder / "work")
    except BaseException:  # noqa: BLE001 - whatever it was, the process ends here and not in the loop above
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
