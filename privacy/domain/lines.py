"""A table of text that comes in pieces: comma-separated lines in UTF-8, the first of which names the columns.

No more than a piece and a line is kept. A line stands for itself: a quoted value may hold commas, but no line break.
"""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence

from hvelv.kernel.errors import Invalid, Problem, _

LONGEST_LINE = 2_000  # bytes
MARK = b"\xef\xbb\xbf"  # which some programs write before UTF-8

Row = tuple[int, Mapping[str, str] | None]
"""A line's number and what stands in it; None where it does not have one value for each column."""


class Lines:
    """Reads rows from pieces of bytes."""

    def __init__(self, columns: Sequence[str], optional: Collection[str] = ()) -> None:
        self._required, self._allowed = columns, {*columns, *optional}
        self._columns: tuple[str, ...] = ()
        self._rest = b""
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[Row]:
        """Yield the rows that `piece` completes. Raises `Invalid` for another head, or a line without end."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            yield from self._read(line)
        if len(self._rest) > LONGEST_LINE:
            raise _refused(self._number + 1)

    def end(self) -> Iterator[Row]:
        """Yield the last row where no line break follows it. Raises `Invalid` where there was no head."""
        last, self._rest = self._rest, b""
        yield from self._read(last)
        if not self._columns:
            raise self._other_head()

    def _read(self, line: bytes) -> Iterator[Row]:
        self._number += 1
        if not line.strip():
            return
        if len(line) > LONGEST_LINE:
            raise _refused(self._number)
        if self._columns:
            values = _values(line)
            fits = values is not None and len(values) == len(self._columns)
            yield self._number, dict(zip(self._columns, values or (), strict=False)) if fits else None
            return
        columns = tuple(_values(line.removeprefix(MARK)) or ())
        if len(set(columns)) != len(columns) or not set(self._required) <= set(columns) <= self._allowed:
            raise self._other_head()
        self._columns = columns

    def _other_head(self) -> Invalid:
        message = _("Den første linjen må navngi kolonnene: {columns}.")
        return Invalid((Problem(message, "columns", 1, {"columns": ", ".join(self._required)}),))


def _values(line: bytes) -> list[str] | None:
    try:
        text = line.decode().rstrip("\r")
        found = next(csv.reader([text], strict=True, skipinitialspace=True)) if '"' in text else text.split(",")
    except (UnicodeDecodeError, csv.Error):
        return None
    return [value.strip() for value in found]


def _refused(line: int) -> Invalid:
    return Invalid((Problem(_("Linjen er for lang."), "", line),))
