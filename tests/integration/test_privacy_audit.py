"""The audit of privacy losses works: it disproves no true claim, and sees faults of a factor. `make audit-dp` is the whole."""

import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]


def audit(*given):
    command = [sys.executable, "benchmarks/audit_dp.py", *given]
    return subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)


@pytest.mark.attack("DP17")
def test_planted_faults_are_seen():
    done = audit("--faults", "--scale", "0.2")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("caught") == 4


def test_no_true_claim_is_disproved():
    done = audit("--kind", "in cells", "--scale", "0.05")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds" in done.stdout
