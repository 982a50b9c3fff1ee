"""What comes back: a release, which is charged and may leave, with its tables, its reading and its picture."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.door import Refused
from hvelv.enclave.lab.naming import named, renamed
from hvelv.enclave.lab.outbox import Item

if TYPE_CHECKING:
    import pandas as pd

    from hvelv.enclave.lab.drawing import Picture

MOST_ROWS = 40  # shown in a cell; all are in `to_pandas()`
ENDS = ("_low", "_high")


class Tables(Mapping[str, "pd.DataFrame"]):
    """Further tables of an answer, by name: `release.tables["rmst"]`."""

    def __init__(self, tables: Mapping[str, Any], called: Mapping[str, str]) -> None:
        self._tables = {renamed(name, called): table for name, table in tables.items()}
        self._called = called

    def __getitem__(self, name: str) -> "pd.DataFrame":
        table = self._tables[name]
        return _frame(table["keys"], table["rows"], self._called)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._tables)

    def __repr__(self) -> str:
        return "tabeller: " + (", ".join(self._tables) or "ingen flere")


@dataclass(frozen=True, repr=False)
class Release:
    """A certified answer: what was asked, what it cost, the numbers and how far off they may be."""

    document: Mapping[str, Any]
    called: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the release's name, by which an export asks for it."""
        return str(self.document["id"])

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the names of the measures."""
        rows = self.document["rows"]
        return tuple(renamed(name, self.called) for name in rows[0]["values"]) if rows else ()

    @property
    def tables(self) -> Tables:
        """Return the further tables of the answer."""
        return Tables(self.document.get("tables") or {}, self.called)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the answer in plain words: how it is read, and what its intervals cover."""
        return tuple(shown.sentence(each, self.called) for each in self.document.get("notes") or ())

    def to_pandas(self) -> "pd.DataFrame":
        """Return one row for each group: the keys, each measure, and `…_error95` beside it."""
        return _frame(self.document["keys"], self.document["rows"], self.called)

    def plot(self, measure: str = "", *, mark: str = "") -> "Picture":
        """Return a picture of the answer, with its errors; of another measure, or drawn otherwise, where that is said."""
        from hvelv.enclave.lab.drawing import drawn

        asked = dict(self.document.get("picture") or {})
        asked |= {key: each for key, each in (("y", measure), ("mark", mark)) if each}
        return drawn(
            self.to_pandas(),
            asked,
            [named(key, self.called) for key in self.document["keys"]],
            self.measures,
            self.called,
        )

    def table(self, title: str = "", *, part: str = "") -> Item:
        """Return this release, or one of its further tables (`part="rmst"`), as a table to ask out with `project.export`.

        The title is a note for yourself: outside, the gate names things after what was measured.
        """
        return Item("table", self.id, title, part=self._sent_part(part))

    def figure(self, title: str = "", measure: str = "", *, mark: str = "", part: str = "") -> Item:
        """Return one measure as a figure to ask out; it is drawn outside, from the released numbers.

        The measure and mark are those of the picture here, unless others are said: bar, line, step, point or heat.
        The title is a note for yourself: outside, the gate names things after what was measured.
        """
        sent = self._sent_part(part)
        asked = {} if sent else self.document.get("picture") or {}
        rows = self.document["tables"][sent]["rows"] if sent else self.document["rows"]
        names = list(rows[0]["values"]) if rows else []
        told = [name for name in names if measure in {name, renamed(name, self.called)}]
        usual = str(asked.get("y") if asked.get("y") in names else next(iter(names), "count"))
        return Item(
            "figure",
            self.id,
            title,
            (told or [measure])[0] if measure else usual,
            mark or str(asked.get("mark") or "bar"),
            sent,
        )

    def _sent_part(self, part: str) -> str:
        """Return what a further table is called outside. Raises `Refused` for one that there is not."""
        names = list(self.document.get("tables") or {})
        found = [name for name in names if part in {name, renamed(name, self.called)}]
        if part and not found:
            raise Refused(
                "Resultatet har ingen slik tabell.", remedy=f"Tabellene er: {', '.join(self.tables) or 'ingen'}."
            )
        return found[0] if part else ""

    def _heads(self) -> list[str]:
        keys = [named(str(key), self.called) for key in self.document["keys"]]
        return [*keys, *(name for name in self.measures if not _is_end(name, self.measures))]

    def _rows(self) -> list[list[object]]:
        keys = self.document["keys"]
        return [
            [
                *(_key(key, each, self.called) for key, each in zip(keys, row["key"], strict=True)),
                *(_with_error(row, name) for name in row["values"] if not _is_end(name, row["values"])),
            ]
            for row in self.document["rows"]
        ]

    def _cost(self) -> str:
        return f"Kostet rho {shown.rho(self.document['rho_micro'])} (epsilon {shown.number(self.document['epsilon'])})."

    def _repr_html_(self) -> str:
        rows = self._rows()
        more = f"… og {len(rows) - MOST_ROWS} rader til, i to_pandas()." if len(rows) > MOST_ROWS else ""
        found = shown.table(self._heads(), rows[:MOST_ROWS], caption=f"Resultat {self.id}")
        others = f"Flere tabeller: {', '.join(self.tables)}." if self.tables else ""
        picture = shown.image(self.plot()._repr_png_()) if self.document.get("picture") and rows else ""
        return found + shown.lines(more) + picture + shown.lines(*self.notes, others, self._cost())

    def __repr__(self) -> str:
        return "\n".join([shown.plain(self._heads(), self._rows()), *self.notes, self._cost()])


def _frame(keys: list[Any], rows: list[Mapping[str, Any]], called: Mapping[str, str]) -> "pd.DataFrame":
    """Return rows as a frame: keys, values and, where there is one, the error of each."""
    import pandas as pd

    heads = [named(str(key), called) for key in keys]
    records = [
        {head: _key(key, each, called) for head, key, each in zip(heads, keys, row["key"], strict=True)}
        | {
            column: cell
            for name, value in row["values"].items()
            for column, cell in (
                (renamed(name, called), value),
                (f"{renamed(name, called)}_error95", row["error95"].get(name)),
            )
            if not (column.endswith("_error95") and name not in row["error95"])
        }
        for row in rows
    ]
    return pd.DataFrame(records, columns=None if records else heads)


def _is_end(name: str, names: Container[str]) -> bool:
    """Say whether a value is one end of another's interval."""
    return any(name.endswith(end) and name.removesuffix(end) in names for end in ENDS)


def _with_error(row: Mapping[str, Any], name: str) -> str:
    """Return a value with its interval where it has one of its own, or with its error to both sides."""
    value, error = shown.number(row["values"][name]), row["error95"].get(name)
    ends = [row["values"].get(f"{name}{end}") for end in ENDS]
    if None not in ends:
        return f"{value} ({shown.number(ends[0])}–{shown.number(ends[1])})"
    return value + (f" ± {shown.number(error)}" if error is not None else "")


KEYS_OF_NAMES = frozenset({"term", "column", "with", "left", "right"})  # keys whose values are names of columns


def _key(key: str, value: Any, called: Mapping[str, str]) -> Any:
    """Return a group's key; a bin, which comes as its two edges, as text; a made column by its name here."""
    if isinstance(value, list | tuple):
        return "–".join(shown.number(edge) for edge in value)
    return named(value, called) if key in KEYS_OF_NAMES and isinstance(value, str) else value
