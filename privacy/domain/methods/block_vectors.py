"""Sample and aggregate: any function of some rows, run on blocks of persons; the mean of what the blocks say, with noise.

Nissim, Raskhodnikova & Smith 2007. **The argument.** Each person is put in one of `blocks` blocks by a keyed hash of the
pseudonym, with a key that is drawn anew for each measurement and forgotten. So which block a person is in depends on the
key and on that person alone, and all of a person's rows are there: taking a person out of all tables changes the rows of
one block, and of no other, neither their values nor their order (rows come sorted by pseudonym; a person's first
`max_rows` count). The number of blocks is public and fixed, an empty block is run like any other.

Every block is run by itself: its answer is a function of its own rows, of public things and of fresh randomness
(`BlockRunner` and the adapter say what stops it from being a function of anything else). What it says is then brought
into [0, GRID]^n by trusted code, whatever it was: not exactly n floats, one that is not finite, silence, a crash or too
late count as the middle of the public bounds. So one person moves one block's vector of integers from anywhere to
anywhere in that cube, and the sum over blocks by at most

    L2 <= GRID * sqrt(n)    (units of 1/GRID of each number's own public width)

The sum of squares about the middle moves by at most (GRID/2)^2 * sqrt(n), and the number of blocks that answered by 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hvelv.privacy.domain.schema import Column

GRID = 1 << 16  # steps between the public bounds of a number; with 1,000 blocks no sum of squares leaves 63 bits
MIDDLE = GRID // 2


@dataclass(frozen=True)
class BlockVectors:
    """Ask for the sum over blocks of what each says, of its square about the middle, and of how many said something.

    `task`: the work and the columns as the runner gets them. `bounds`: low and high of each number.
    """

    use: tuple[Column, ...]
    task: Mapping[str, Any] = field(compare=False)
    bounds: tuple[tuple[float, float], ...]
    blocks: int
    seconds: float
    max_rows: int
    spread: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are needed."""
        return tuple(column.name for column in self.use)

    def placed(self, said: bytes | None) -> list[int] | None:
        """Return where a block's answer stands on the grid, each number in [0, GRID]; None for one that failed.

        `said`: 8 bytes for each number, little-endian floats of any value.
        """
        if said is None or len(said) != 8 * len(self.bounds):
            return None
        values = np.frombuffer(said, "<f8")
        if not np.isfinite(values).all():  # NaN would pass every comparison below, and break the bound
            return None
        low, high = np.array(self.bounds).T
        share = (np.clip(values, low, high) - low) / (high - low)
        return [min(max(round(float(one) * GRID), 0), GRID) for one in share]

    def totals(self, answers: Sequence[bytes | None]) -> list[list[int]]:
        """Return the sums over blocks. Raises `ValueError` for another number of blocks than was said."""
        if len(answers) != self.blocks:
            raise ValueError("another number of blocks than was said")
        placed = [self.placed(said) for said in answers]
        filled = [[MIDDLE] * len(self.bounds) if one is None else one for one in placed]
        sums = [sum(column) for column in zip(*filled, strict=True)]
        squares = [sum((value - MIDDLE) ** 2 for value in column) for column in zip(*filled, strict=True)]
        return [sums, *([squares] if self.spread else []), [sum(one is not None for one in placed)]]
