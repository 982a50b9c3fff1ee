"""Totals of an extract's parts apart from each other, on a cluster, and added up before any noise.

Persons are never cut between parts, and what a part adds is exact: the sum is the same whole numbers, to the unit, as of one
pass over all parts, so that the noise, drawn once on the sum, has the same distribution. Questions that link tables are
answered here: their parts are not cut at the same persons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hvelv.privacy.adapters.aggregate import totals
from hvelv.privacy.adapters.extraction import Mapper
from hvelv.privacy.adapters.frames import wrong_order
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Ask
from hvelv.privacy.domain.schema import PSEUDONYM

Ends = tuple[Any, Any]


@dataclass(frozen=True)
class Looked:
    """What is looked at in each part."""

    framed: Framed
    ask: Ask


def part_totals(looked: Looked, path: Path) -> tuple[list[Any], Ends | None]:
    """Return the totals of one part, and its first and last pseudonym; None for a part without rows."""
    found = totals({looked.framed.table: [path]}, looked.framed, looked.ask)
    with pq.ParquetFile(path, pre_buffer=False) as file:
        groups = [group for group in range(file.num_row_groups) if file.metadata.row_group(group).num_rows]
        if not groups:
            return found, None
        first, last = (file.read_row_group(group, columns=[PSEUDONYM])[PSEUDONYM] for group in (groups[0], groups[-1]))
        return found, (first[0].as_py(), last[-1].as_py())


def _added(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping):
        return {key: one.get(key, 0) + other.get(key, 0) for key in one | other}
    return [a + b for a, b in zip(one, other, strict=True)]


@dataclass(frozen=True)
class PartedAggregator:
    """An `Aggregator` that has a cluster look at the parts of one table."""

    mapper: Mapper

    def totals(self, sources: Mapping[str, Sequence[Path]], framed: Framed, ask: Ask) -> list[Any]:
        """Return the exact, bounded totals. Raises `Unavailable` where a person could be in two parts, or without a cluster."""
        paths = sources[framed.table]
        if framed.links or len(paths) == 1:
            return totals(sources, framed, ask)
        found: list[Any] | None = None
        before: Any = None
        for part, ends in self.mapper.results(part_totals, Looked(framed, ask), [(path,) for path in paths]):
            if ends is not None:
                if before is not None and ends[0] <= before:
                    raise wrong_order()
                before = ends[1]
            found = part if found is None else [_added(a, b) for a, b in zip(found, part, strict=True)]
        return found or []
