"""Ours with Laplace noise at a pure epsilon of 1: half of it for counts, half for what lies around the middle,
of which sums and means are made."""

import json
import sys

from hvelv_gaussian import main

if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    each = given["epsilon"] / 2
    main("laplace", round(2 * each**2 / 2 * 1e6), sys.argv[1], given)
