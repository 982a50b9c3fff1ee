"""Each sentence of the promise points at the tests that show it, and these are there."""

import re
from pathlib import Path

HOUSE = Path(__file__).parents[2]
PAGE = (HOUSE / "docs/privacy/promise.md").read_text()
POINTED = re.compile(r"`(tests/[a-z_/]+\.py)`")


def test_every_test_that_the_promise_points_at_is_there():
    missing = sorted({path for path in POINTED.findall(PAGE) if not (HOUSE / path).exists()})

    assert missing == []


def test_every_promise_points_at_a_test():
    what = PAGE.split("\n## What\n")[1].split("\n## Against whom\n")[0]
    promises = re.split(r"\n(?=\d+\. )", what.strip())

    assert len(promises) > 9
    assert [promise[:40] for promise in promises if not POINTED.search(promise)] == []
