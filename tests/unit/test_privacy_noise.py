"""The noise is as large as it says, costs no more than was paid, and has no seed."""

import dataclasses
import inspect
import math
import subprocess
import sys

import numpy as np
import pytest

from hvelv.privacy.adapters.noise import NotCovered, OpenDPNoise
from hvelv.privacy.domain.accounting import doses
from tests.builders_privacy import a_plan

NOISE = OpenDPNoise()


def a_dose(rho_micro=10_000, **query):
    return doses(a_plan(**query), rho_micro)[0]


def test_draws_are_as_far_from_the_truth_as_the_scale_says():
    dose = a_dose(max_rows=3)

    drawn = np.array(NOISE.draw(dose, [1_000] * 20_000)) - 1_000

    assert abs(drawn.mean()) < 5 * dose.scale / math.sqrt(20_000)
    assert drawn.std() == pytest.approx(dose.scale, rel=0.03)
    assert np.mean(np.abs(drawn) <= 1.96 * dose.scale) == pytest.approx(0.95, abs=0.01)


def test_the_mean_shift_of_one_person_costs_no_more_than_was_paid():
    """(shift / deviation)^2 / 2 is the zCDP loss of a shift; measured, it stays at the price."""
    dose = a_dose(rho_micro=50_000, max_rows=5, by=[])
    deviation = np.std(NOISE.draw(dose, [0] * 20_000))

    assert (5 / deviation) ** 2 / 2 <= 0.05 * 1.06


@pytest.mark.parametrize("change", [{"scale": 1.0}, {"rho_micro": 9_999}, {"sensitivity": 1e9}, {"scale": 1e-300}])
def test_noise_that_costs_more_than_was_paid_is_not_drawn(change):
    with pytest.raises(NotCovered):
        NOISE.draw(dataclasses.replace(a_dose(), **change), [1, 2])


@pytest.mark.parametrize("rho", [2, 10, 999, 10_000, 1_000_000, 10**9])
def test_every_price_is_covered_by_its_own_noise(rho):
    measures = [{"kind": "sum", "column": "value", "low": 0, "high": 50}, {"kind": "count"}]
    for dose in doses(a_plan(measures=measures, max_rows=100, max_groups=20), rho):
        assert len(NOISE.draw(dose, [0, 2**62, -(2**62)])) == 3


# findings/privacy.md, section 3
@pytest.mark.parametrize(
    ("rho_micro", "delta", "epsilon"),
    [(13_200, 1e-5, 0.634), (20_900, 1e-5, 0.814), (100_000, 1e-5, 1.914), (20_900, 1e-8, 1.108), (0, 1e-6, 0)],
)
def test_epsilon_is_read_off_the_tight_curve(rho_micro, delta, epsilon):
    assert NOISE.epsilon(rho_micro, delta) == pytest.approx(epsilon, abs=0.002)


FORKED = """
import os
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.measuring import Dose
noise, dose = OpenDPNoise(), Dose("rows", 100, 1.0, 100.0)
noise.draw(dose, [0])
if os.fork() == 0:
    print(noise.draw(dose, [0] * 8), flush=True)
    os._exit(0)
os.wait()
print(noise.draw(dose, [0] * 8), flush=True)
"""


@pytest.mark.attack("DP05")
def test_nobody_sets_a_seed_and_a_forked_worker_draws_its_own_noise():
    assert list(inspect.signature(OpenDPNoise).parameters) == []
    assert list(inspect.signature(OpenDPNoise.draw).parameters) == ["self", "dose", "totals"]
    lines = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, check=True).stdout.splitlines()
    assert len(set(lines)) == 2
