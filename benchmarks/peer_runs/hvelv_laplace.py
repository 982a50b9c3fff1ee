"""Ours with Laplace noise at a pure epsilon of 1: a third each for counts, sums and means."""

import json
import sys

from hvelv_gaussian import main

if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    each = given["epsilon"] / 3
    main("laplace", round(3 * each**2 / 2 * 1e6), sys.argv[1], given)
