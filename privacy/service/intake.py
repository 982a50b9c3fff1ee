"""Taking in rows about people: checked as they come, kept as blocks alone, stored all at once or not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.lines import Lines
from hvelv.privacy.domain.objecting import Fault

MOST_ROWS = 1_000_000
MOST_PROBLEMS = 100
CHUNK = 20_000  # rows with numbers in them that are in memory at a time

Rows = Sequence[Mapping[str, Any]]


class Sheet(Protocol):
    """One kind of row."""

    columns: tuple[str, ...]
    optional: tuple[str, ...]
    refusal: str

    def fault(self, row: Mapping[str, Any]) -> Fault | None:
        """Return what is wrong with a row."""
        ...

    def keep(self, rows: Rows, places: Sequence[int]) -> None:
        """Remember good rows, without anybody's number; `places`: where they stood."""
        ...

    def store(self) -> dict[str, int]:
        """Store what was remembered in one transaction and return counts. Raises `Invalid`."""
        ...


class Intake:
    """One import under way. `feed` takes pieces of CSV, `take` takes rows; `finish` stores."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._lines = Lines(sheet.columns, sheet.optional)
        self._count = 0
        self._problems: list[Problem] = []
        self._rows: list[Mapping[str, Any]] = []
        self._places: list[int] = []

    def feed(self, piece: bytes) -> None:
        """Take the rows of a piece of CSV. Raises `Invalid` where it is not CSV with the right head."""
        self.take(self._lines.feed(piece))

    def take(self, rows: Iterable[tuple[int, Any]]) -> None:
        """Take rows, each with its place. What is wrong is remembered until `finish`."""
        for place, row in rows:
            self._count += 1
            fault = self._sheet.fault(row) if isinstance(row, Mapping) else ("", _("Raden har ikke de rette feltene."))
            if fault and len(self._problems) < MOST_PROBLEMS:
                self._problems.append(Problem(fault[1], fault[0], place))
            if self._problems or self._count > MOST_ROWS:
                self._rows.clear()  # nothing of this will be stored
                self._places.clear()
                continue
            self._rows.append(row)
            self._places.append(place)
            if len(self._rows) == CHUNK:
                self._keep()

    def _keep(self) -> None:
        self._sheet.keep(self._rows, self._places)
        self._rows, self._places = [], []

    def finish(self, *, csv: bool = False) -> dict[str, int]:
        """Store everything and return counts. Raises `Invalid` with places; then nothing is stored."""
        if csv:
            self.take(self._lines.end())
        if not 1 <= self._count <= MOST_ROWS:
            problem = Problem(_("Filen må ha fra 1 til {most} rader."), "rows", params={"most": MOST_ROWS})
            raise Invalid((problem,))
        if self._problems:
            raise Invalid(tuple(self._problems), self._sheet.refusal)
        self._keep()
        return self._sheet.store()


def taken_in(sheet: Callable[[], Sheet], rows: Rows) -> dict[str, int]:
    """Take in rows that are all there, numbered from 1, and return counts. Raises `Invalid` with row numbers."""
    intake = Intake(sheet())
    intake.take(enumerate(rows, start=1))
    return intake.finish()
