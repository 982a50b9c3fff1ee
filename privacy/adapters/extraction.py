"""The pipeline from a source table to a project's extract: spread over parts, then each part put in order and written.

Permitted rows and columns only; the person's number becomes the first 8 bytes of its AES block (`pid`); numbers that
were changed stand for the person's present one; those who objected are left out; the steward's and the permit's steps
are done; rows are sorted by pid, and within a person by dates, then by the other columns, so that nothing of the
source's order is left and "the first row" means the earliest. Memory is that of one chunk and one part, however many rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from hvelv.kernel.errors import Refusal, Unavailable, _
from hvelv.privacy.adapters.gathering import Census, Gatherer, part_path
from hvelv.privacy.adapters.spreading import Spreader, chunk_path, layout_of
from hvelv.privacy.service.extraction import ExtractOrder, PartFile, Told

SLICE_BITS = 4  # persons are compared a sixteenth at a time


class Mapper(Protocol):
    """Does pieces of one order: here one after the other, or elsewhere at once."""

    def results(self, work: Callable[..., Any], order: Any, rest: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield `work(order, *arguments)` for each of `rest`, in their order."""
        ...


class InTurn:
    """The `Mapper` of one process."""

    def results(self, work: Callable[..., Any], order: Any, rest: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield the results as they are made."""
        return (work(order, *arguments) for arguments in rest)


def spread(order: ExtractOrder, numbers: Sequence[int]) -> None:
    """Spread some chunks."""
    with _reading():
        spreader = Spreader(order)
        for number in numbers:
            spreader.spread(number)


def counted(order: ExtractOrder, number: int) -> dict[str, dict[str | int, int]]:
    """Count the persons of each code in one part, for columns whose rare codes are left out."""
    with _reading():
        return Gatherer(order, layout_of(order.source)).census(number)


def gathered(order: ExtractOrder, number: int, census: Census) -> PartFile:
    """Gather one part."""
    with _reading():
        return Gatherer(order, layout_of(order.source)).gather(number, census)


class ParquetExtractor:
    """The `Extractor` for Parquet files."""

    def __init__(self, mapper: Mapper | None = None) -> None:
        self._mapper = mapper or InTurn()

    def extract(self, order: ExtractOrder, told: Told) -> tuple[PartFile, ...]:
        """Write the extract. Raises `Unavailable` without a value of the data where the source cannot be read."""
        with _reading():
            layout = layout_of(order.source)
            census: Census = {}
            if not all(part_path(order, number).exists() for number in range(layout.parts)):
                chunks = [((number,),) for number in range(len(layout.chunks))]
                self._counting(self._mapper.results(spread, order, chunks), told, 0, layout.pieces)
                if Gatherer(order, layout).rare:
                    census = _added(self._mapper.results(counted, order, [(n,) for n in range(layout.parts)]))
            made = self._mapper.results(gathered, order, [(number, census) for number in range(layout.parts)])
            return tuple(self._counting(made, told, len(layout.chunks), layout.pieces))

    def clash(self, folders: Sequence[Path]) -> bool:
        """Say whether two persons have the same first half of their pseudonym."""
        lists = [np.load(path, mmap_mode="r") for folder in folders for path in sorted(folder.glob("persons-*.npy"))]
        edges = [np.uint64(i) << np.uint64(64 - SLICE_BITS) for i in range(1 << SLICE_BITS)]
        for low, high in zip(edges, [*edges[1:], None], strict=True):
            pieces = []
            for pairs in lists:
                start = np.searchsorted(pairs[:, 0], low)
                end = len(pairs) if high is None else np.searchsorted(pairs[:, 0], high)
                pieces.append(np.asarray(pairs[start:end]))
            both = np.concatenate(pieces) if pieces else np.zeros((0, 2), np.uint64)
            both = both[np.argsort(both[:, 0], kind="stable")]
            same = both[1:, 0] == both[:-1, 0]
            if (both[1:, 1] != both[:-1, 1])[same].any():
                return True
        return False

    def pieces(self, source: Path) -> int:
        """Return how many chunks and parts there are."""
        with _reading():
            return layout_of(source).pieces

    def tidy(self, order: ExtractOrder) -> None:
        """Remove the chunks."""
        for number in range(len(layout_of(order.source).chunks)):
            chunk_path(order, number).unlink(missing_ok=True)

    @staticmethod
    def _counting(results: Iterable[Any], told: Told, done: int, of: int) -> list[Any]:
        found = []
        for result in results:
            found.append(result)
            done += 1
            told(done, of)
        return found


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except Refusal:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, KeyError):
        raise Unavailable(_("Kildetabellen kunne ikke leses til et uttrekk."), code="extract") from None


def _added(counts: Iterable[dict[str, dict[str | int, int]]]) -> Census:
    total: dict[str, dict[str | int, int]] = {}
    for one in counts:
        for name, codes in one.items():
            held = total.setdefault(name, {})
            for code, persons in codes.items():
                held[code] = held.get(code, 0) + persons
    return total


class Threads:
    """The `Pool` that does as many tables at once as it has threads."""

    def __init__(self, count: int) -> None:
        self._count = count

    def each(self, work: Callable[[int], object], count: int) -> list[object]:
        """Return `work(i)` for each i below `count`, in order. The first error is raised."""
        with ThreadPoolExecutor(max(self._count, 1), thread_name_prefix="extract") as pool:
            return list(pool.map(work, range(count)))
