"""What a run of a peer tells: seconds and the answer of each group, as one line of JSON on standard output."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def tell(work: Callable[[], Mapping[int, tuple[float, float, float]]], *, runs: int = 1, warm: bool = False) -> None:
    """Run `work` and print what it took and what it answered: (count, sum, mean) by group. Imports are done by now."""
    if warm:
        work()
    cpu, wall, answers = [], [], []
    for _run in range(runs):
        begun, started = _cpu(), time.perf_counter()
        answers.append({str(group): list(found) for group, found in work().items()})
        cpu.append(_cpu() - begun)
        wall.append(time.perf_counter() - started)
    peak = _peak_kib() / 2**20
    document: dict[str, Any] = {"cpu": cpu, "wall": wall, "answers": answers, "peak_gb": round(peak, 2)}
    print("PEER " + json.dumps(document), flush=True)


def _peak_kib() -> int:
    """Return the most memory that this process ever had; `ru_maxrss` would count that of the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _cpu() -> float:
    """Return the CPU seconds of this process with all its threads, and of its children that are still there."""
    return time.process_time() + sum(_of_child(pid) for pid in _children())


def _children() -> list[int]:
    try:
        found = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []
    return [int(pid) for pid in found.split()]


def _of_child(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100
