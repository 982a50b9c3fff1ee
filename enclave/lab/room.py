"""The project as its members see it from inside: tables, budget, releases, exports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.answers import Release
from hvelv.enclave.lab.door import Door, Refused
from hvelv.enclave.lab.kinds import Query
from hvelv.enclave.lab.outbox import Export, Item
from hvelv.enclave.lab.pricing import DELTA, Sql
from hvelv.enclave.lab.reading import Reader, Where
from hvelv.enclave.lab.wishes import Wish

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

VARIABLE_HEADS = ["Variabel", "Tittel", "Type", "Rolle", "Enhet", "Laveste", "Høyeste", "Kategorier", "Form"]
BUDGET_HEADS = ["Datasett", "Tildelt (rho)", "Brukt (rho)", "Tildelt (epsilon)", "Brukt (epsilon)"]


def _title(value: Any) -> str:
    """Return a title in Norwegian where it comes in several languages."""
    return str(value.get("nb") or next(iter(value.values()), "")) if isinstance(value, Mapping) else str(value or "")


@dataclass(frozen=True, repr=False)
class Dataset:
    """One table of the project: its size, its variables, their public bounds and categories."""

    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the table's name in queries."""
        return str(self.document["name"])

    @property
    def title(self) -> str:
        """Return the table's title."""
        return _title(self.document.get("title"))

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names of the variables."""
        return tuple(str(each["name"]) for each in self.document.get("variables") or ())

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                each["name"], _title(each.get("title")), each.get("type", ""), each.get("role", ""), each.get("unit") or "",
                each.get("low"), each.get("high"), ", ".join(str(c["code"]) for c in each.get("categories") or ()),
                " ".join(each.get("notes") or ()),
            )
            for each in self.document.get("variables") or ()
        ]  # fmt: skip

    def _heading(self) -> str:
        size = f"{shown.number(self.document.get('rows'))} rader, {shown.number(self.document.get('persons'))} personer"
        return f"{self.title} ({self.name}): {size}"

    def _repr_html_(self) -> str:
        return shown.table(VARIABLE_HEADS, self._rows(), caption=self._heading())

    def __repr__(self) -> str:
        return self._heading() + "\n" + shown.plain(VARIABLE_HEADS, self._rows())


class Datasets(Mapping[str, Dataset]):
    """The project's tables by name."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._by_name = {each.name: each for each in datasets}

    def __getitem__(self, name: str) -> Dataset:
        if name not in self._by_name:
            raise Refused(
                "Prosjektet har ingen tabell med det navnet.", remedy="Tabellene er: " + ", ".join(self._by_name) + "."
            )
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._by_name)

    def _repr_html_(self) -> str:
        rows = [
            (d.name, d.title, d.document.get("rows"), d.document.get("persons"), len(d.variables))
            for d in self.values()
        ]
        return shown.table(["Navn", "Tittel", "Rader", "Personer", "Variabler"], rows, caption="Tabeller")

    def __repr__(self) -> str:
        rows = [
            (d.name, d.title, d.document.get("rows"), d.document.get("persons"), len(d.variables))
            for d in self.values()
        ]
        return shown.plain(["Navn", "Tittel", "Rader", "Personer", "Variabler"], rows)


@dataclass(frozen=True, repr=False)
class Budget:
    """What the project may spend on answers, and what it has spent, for each dataset."""

    entries: tuple[Mapping[str, Any], ...]

    def left(self, dataset: str = "") -> float:
        """Return the rho that is left, of one dataset or, without a name, of the one with the least."""
        named = [
            each
            for each in self.entries
            if dataset in {"", each.get("dataset"), each.get("table"), _title(each.get("title"))}
        ]
        return min(((int(e["allocated"]) - int(e["spent"])) / shown.MICRO for e in named), default=0.0)

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                _title(each.get("title")) or each.get("dataset"), shown.rho(each.get("allocated")), shown.rho(each.get("spent")),
                each.get("epsilon_allocated"), each.get("epsilon_spent"),
            )
            for each in self.entries
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        meters = "".join(
            f'<meter min="0" max="{int(e["allocated"])}" value="{int(e["spent"])}" style="width:20em"></meter><br>'
            for e in self.entries
        )
        return shown.table(BUDGET_HEADS, self._rows(), caption="Personvernbudsjett") + meters

    def __repr__(self) -> str:
        return shown.plain(BUDGET_HEADS, self._rows())


def _delta(document: Mapping[str, Any]) -> float:
    """Return the smallest delta of the project's accounts."""
    deltas = [float(each["delta"]) for each in document.get("budget") or () if each.get("delta")]
    return min(deltas, default=DELTA)


class Project:
    """Your project. Asks the platform when you look, and keeps the data it has read in memory."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._reader = Reader(door)

    def _document(self) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._door.get("/lab/project")
        return document

    @property
    def id(self) -> str:
        """Return the project's id."""
        return str(self._document()["id"])

    @property
    def title(self) -> str:
        """Return the project's title."""
        return _title(self._document()["title"])

    @property
    def purpose(self) -> str:
        """Return what the permit was given for."""
        return _title(self._document().get("purpose"))

    @property
    def datasets(self) -> Datasets:
        """Return the project's tables."""
        return Datasets([Dataset(each) for each in self._document().get("datasets") or ()])

    @property
    def budget(self) -> Budget:
        """Return the privacy budget as it stands now."""
        return Budget(tuple(self._document().get("budget") or ()))

    @property
    def releases(self) -> "pd.DataFrame":
        """Return the project's releases in brief, newest first."""
        import pandas as pd

        return pd.DataFrame(self._door.get("/lab/releases"))

    def arrow(self, table: str, columns: Iterable[str] | None = None, where: Where = ()) -> "pa.Table":
        """Return a table as Arrow, or only some of its columns, or only rows that meet all conditions. Raises `Refused`.

        `where`: conditions as `("age", ">=", 50)`. What is read is kept in memory by column, without conditions only.
        """
        found = self.datasets[table]
        return self._reader.table(found.name, found.variables, columns, where)

    def read(self, table: str, columns: Iterable[str] | None = None, where: Where = ()) -> "pd.DataFrame":
        """Return a table as a DataFrame of your own to change; otherwise as `arrow`. Raises `Refused`."""
        frame: pd.DataFrame = self.arrow(table, columns, where).to_pandas()
        return frame

    def polars(self, table: str, columns: Iterable[str] | None = None, where: Where = ()) -> Any:
        """Return a table as a Polars DataFrame; otherwise as `arrow`. Raises `Refused`."""
        import polars as pl

        return pl.from_arrow(self.arrow(table, columns, where))

    def duckdb(self, *tables: str) -> Any:
        """Return a DuckDB connection with a view for each of the tables, or for all: `.sql("SELECT …").df()`. Raises `Refused`."""
        import duckdb

        connection = duckdb.connect()
        for table in tables or self.datasets:
            connection.register(table, self.arrow(table))
        return connection

    def query(self, table: str) -> Query:
        """Begin a question to a table: `.where(…).by(…).count()`, then `.quote(…)` or `.release(…)`. Raises `Refused`."""
        document = self._document()
        found = Datasets([Dataset(each) for each in document.get("datasets") or ()])[table]
        return Query(self._door, found.name, known=frozenset(found.variables), delta=_delta(document))

    def sql(self, text: str) -> Sql:
        """Ask in SQL: `project.sql("SELECT sex, COUNT(*) FROM patients GROUP BY sex")`, then `.quote(…)` or `.release(…)`.

        `.as_dict()` shows what the platform reads it as, which costs nothing; what it does not read is refused with line
        and character.
        """
        return Sql(self._door, text, delta=_delta(self._document()))

    @property
    def wishes(self) -> "list[Wish]":
        """Return the project's releases on their way, newest first: `project.wishes[0].wait()`."""
        return [Wish(self._door, document) for document in self._door.get("/lab/wishes")]

    def release(self, release_id: str) -> Release:
        """Return a release that was made before; free."""
        return Release(self._door.get(f"/lab/releases/{release_id}"))

    def export(self, items: Sequence[Item], *, title: str) -> Export:
        """Ask for released tables and figures to be brought out; the answer says whether they were, or why not."""
        body = {"title": title, "items": [item.as_dict() for item in items]}
        return Export(self._door, self._door.post("/lab/exports", body))

    @property
    def exports(self) -> list[Export]:
        """Return what was asked out before."""
        return [Export(self._door, each) for each in self._door.get("/lab/exports")]

    def _repr_html_(self) -> str:
        document = self._document()
        datasets = Datasets([Dataset(each) for each in document.get("datasets") or ()])
        heading = shown.lines(f"{_title(document['title'])} ({document['id']})", _title(document.get("purpose")))
        return heading + datasets._repr_html_() + Budget(tuple(document.get("budget") or ()))._repr_html_()

    def __repr__(self) -> str:
        try:
            document = self._document()
        except Refused as refused:
            return f"prosjekt (uten forbindelse: {refused.reason})"
        names = ", ".join(str(each["name"]) for each in document.get("datasets") or ())
        return f"{_title(document['title'])} ({document['id']}): {names}"
