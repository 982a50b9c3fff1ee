"""Names here for made columns, which are called x1, x2 … everywhere else."""

import re
from collections.abc import Mapping

MADE = re.compile(r"(?<![A-Za-z0-9])x[1-9][0-9]?(?![A-Za-z0-9])")


def named(column: str, called: Mapping[str, str]) -> str:
    """Return what a column is called here."""
    return called.get(column, column)


def renamed(text: str, called: Mapping[str, str]) -> str:
    """Return a text of ours in which made columns stand, such as `mean_x1`, with what they are called here."""
    return MADE.sub(lambda found: called.get(found.group(), found.group()), text) if called else text
