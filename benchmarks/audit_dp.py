"""Audit every kind of answer: how much of a claimed privacy loss can be seen, and whether planted faults are.

    make audit-dp                # all kinds, then the faults
    make audit-dp K=survival     # kinds with that in their name

Prints a table: kind, claimed epsilon (at delta), the bound from below that was found, the same for rho, and runs. The
exit code is not 0 when a claim is disproved, or a planted fault is not seen. A line is added to build/bench.jsonl for each.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from audit_cases import Case, cases, neighbours
from audit_faults import FAULTS, Fault
from auditing import Bound, audited

DELTA = 1e-5
LINE = "{name:<42} {claimed:>8} {found:>8} {rho_claimed:>9} {rho_found:>9} {runs:>9}  {verdict}"


def audit(case: Case, runs: int) -> Bound:
    """Return what a case shows."""
    with tempfile.TemporaryDirectory() as folder:
        return audited(case.method(), case.rho_micro, neighbours(Path(folder)), runs, DELTA)


def audit_fault(fault: Fault, runs: int) -> Bound:
    """Return what a case shows when the fault is planted."""
    with tempfile.TemporaryDirectory() as folder, fault.planted():
        return audited(fault.case.method(), fault.case.rho_micro, neighbours(Path(folder)), runs, DELTA)


def _line(name: str, found: Bound, verdict: str) -> None:
    print(
        LINE.format(
            name=name, claimed=f"{found.claimed:.3f}", found=f"{found.found:.3f}", rho_claimed=f"{found.rho_claimed:.4f}",
            rho_found=f"{found.rho_found:.4f}", runs=found.runs, verdict=verdict,
        ),
        flush=True,
    )  # fmt: skip


def _noted(name: str, found: Bound) -> None:
    Path("build").mkdir(exist_ok=True)
    line = {"bench": f"audit-dp: {name}", "value": round(found.found, 4), "unit": "epsilon", "ratio": None}
    line |= {"against": f"claimed {found.claimed:.4f} at delta {DELTA}", "goal": "<= claimed", "n": found.runs}
    with Path("build/audit-dp.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def whole(chosen: Sequence[Case], scale: float) -> int:
    """Audit the cases and return how many claims were disproved."""
    failed = 0
    print(
        LINE.format(
            name="kind", claimed="claimed", found="found", rho_claimed="rho", rho_found="found", runs="runs", verdict=""
        )
    )
    with ProcessPoolExecutor(2) as pool:
        waiting = [(case, pool.submit(audit, case, max(2_000, int(case.runs * 1000 * scale)))) for case in chosen]
        for case, future in waiting:
            found = future.result()
            failed += not found.holds
            _line(case.name, found, "holds" if found.holds else "DISPROVED")
            _noted(case.name, found)
    return failed


def planted(scale: float) -> int:
    """Plant the faults and return how many were not seen."""
    missed = 0
    for fault in FAULTS:
        found = audit_fault(fault, max(4_000, int(20_000 * scale)))
        missed += found.holds
        _line(f"fault: {fault.name}", found, "NOT SEEN" if found.holds else "caught")
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default="", help="only kinds with this in their name")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the runs")
    parser.add_argument("--faults", action="store_true", help="only the planted faults")
    given = parser.parse_args()
    begun = time.monotonic()
    chosen = [] if given.faults else list(cases(given.kind))
    failed = whole(chosen, given.scale)
    missed = planted(given.scale) if given.faults or not given.kind else 0
    taken = f"{time.monotonic() - begun:.0f} s"
    print(f"audit-dp: {len(chosen)} kinds, {failed} disproved, {missed} faults not seen, {taken}")
    sys.exit(1 if failed or missed else 0)


if __name__ == "__main__":
    main()
