"""Keeping count of the persons in a file while it streams by, in eight bytes a person."""

import numpy as np
import numpy.typing as npt
import polars as pl

from hvelv.catalog.domain.person_number import LENGTH, control_digits_hold, date_holds

Numbers = npt.NDArray[np.int64]
MERGE_AT = 2_000_000


class Persons:
    """The distinct person numbers seen so far, sorted; those of the latest batches wait to be merged."""

    def __init__(self, *, unique: bool) -> None:
        self._unique = unique
        self._seen: Numbers = np.empty(0, dtype=np.int64)
        self._waiting: list[Numbers] = []
        self.doubtful = 0
        self.first_doubtful: int | None = None

    def count(self) -> int:
        """Return how many distinct persons there were."""
        self._merge()
        return len(self._seen)

    def take(self, ids: pl.Series, lines: Numbers) -> Numbers:
        """Count the eleven-digit numbers in `ids`; return the lines of persons seen before when each should come once."""
        good = ids.str.contains(r"^[0-9]{11}$").fill_null(value=False)
        kept = ids.filter(good)
        if kept.is_empty():
            return np.empty(0, dtype=np.int64)
        numbers = kept.cast(pl.Int64).to_numpy()
        at = lines[good.to_numpy()]
        self._doubt(kept, at)
        repeated = np.empty(0, dtype=np.int64)
        if self._unique:
            self._merge()
            again = ~kept.is_first_distinct().to_numpy() | self._known(numbers)
            repeated = at[again]
        self._waiting.append(np.unique(numbers))
        if sum(len(w) for w in self._waiting) > MERGE_AT:
            self._merge()
        return repeated

    def _known(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        if not len(self._seen):
            return np.zeros(len(numbers), dtype=np.bool_)
        places = np.minimum(np.searchsorted(self._seen, numbers), len(self._seen) - 1)
        return np.asarray(self._seen[places] == numbers)

    def _merge(self) -> None:
        if self._waiting:
            together = np.sort(np.concatenate([self._seen, *self._waiting]), kind="stable")
            keep = np.ones(len(together), dtype=np.bool_)
            keep[1:] = together[1:] != together[:-1]
            self._seen, self._waiting = together[keep], []

    def _doubt(self, ids: pl.Series, at: Numbers) -> None:
        """Note numbers whose control digits or date do not hold: a warning, never a fault."""
        joined = "".join(ids.to_list()).encode()
        digits = np.frombuffer(joined, dtype=np.uint8).reshape(-1, LENGTH) - ord("0")
        bad = ~(control_digits_hold(digits) & date_holds(digits))
        if bad.any():
            self.doubtful += int(bad.sum())
            if self.first_doubtful is None:
                self.first_doubtful = int(at[bad][0])
