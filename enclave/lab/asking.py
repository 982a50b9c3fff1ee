"""Building a question step by step. Each step returns a new one; nothing is asked before `quote` or `release`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hvelv.enclave.lab.columns import (
    Column,
    Formula,
    Scalar,
    Summary,
    Where,
    column_of,
    condition,
    conditions,
)
from hvelv.enclave.lab.door import Door, Refused
from hvelv.enclave.lab.pricing import DELTA, Priced
from hvelv.enclave.lab.scope import Mark, Scope, marks, numbered

STEP_COLUMNS = frozenset({"from", "to", "days"})
PATH_COLUMNS = frozenset({"path"})


@dataclass(frozen=True, repr=False)
class Rows(Priced):
    """The rows that a question is about: a table, or its persons, or steps between their events; more columns; a filter.

    The order is the platform's: what stands before `per_person`, `steps` or `paths` is about the table's own rows; after
    it come linked columns, then made ones, and then the filter, in whatever order you write them.
    """

    door: Door = field(repr=False, compare=False)
    dataset: str
    of: Mapping[str, Any] | None = None
    links: tuple[Mapping[str, Any], ...] = ()
    derived: tuple[Mapping[str, Any], ...] = ()
    filters: tuple[Mapping[str, Any], ...] = ()
    groups: tuple[Any, ...] = ()
    names: Mapping[str, Mark] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    delta: float = field(default=DELTA, compare=False)

    # the rows ------------------------------------------------------------------------------------------------------
    def where(self, column: Column, op: str, value: Scalar | Sequence[Scalar]) -> Self:
        """Keep the rows whose `column` stands so to `value`: ==, !=, <, <=, >, >= or in (a list)."""
        scope = self._scope()
        kept = scope.resolved(condition((column, op, value)))
        return self._with(scope, filters=(*self.filters, kept))

    def derive(self, **columns: Formula) -> Self:
        """Make columns of each row's columns: `.derive(years=days("start", "end", unit="years", high=40))`."""
        scope = self._scope()
        for name, formula in columns.items():
            self._free(name, scope)
            scope.names[name] = scope.made(scope.resolved(dict(formula.fields)))
        return self._with(scope)

    def link(
        self, table: str, /, *, where: Where = (), derive: Mapping[str, Formula] | None = None, **columns: Summary
    ) -> Self:
        """Attach columns of the person from another table: `.link("diagnoses", ill=any_row(("code", "==", "E11")))`.

        `where` and `derive` are about the other table's rows.
        """
        scope, inner = self._scope(), _scope_of(derive or {})
        links: dict[str, dict[str, Any]] = {}
        for name, summary in columns.items():
            self._free(name, scope)
            made = {"name": Mark(), **inner.resolved(dict(summary.fields))}
            kept = inner.filters([*conditions(where), *summary.where])
            link = links.setdefault(repr(kept), {"table": table, "derive": inner.derive, "where": kept, "columns": []})
            link["columns"].append(made)
            scope.names[name] = made["name"]
        return self._with(scope, links=(*self.links, *links.values()))

    def per_person(self, **columns: Summary) -> Self:
        """Make one row for each person who has rows here: `.per_person(tests=count_rows(50), last=last("day"))`."""
        scope, own = self._scope(), Scope()
        made = []
        for name, summary in columns.items():
            if summary.where:
                raise Refused("Vilkår for én kolonne alene kan bare stå i .link(…).", remedy="Skriv .where(…) først.")
            own.names[name] = Mark()
            made.append({"name": own.names[name], **scope.resolved(dict(summary.fields))})
        return self._of({"kind": "people", **self._before(scope), "columns": made}, own.names, frozenset())

    def steps(self, *, event: Column, at: Column, high: int, end: bool = False) -> Self:
        """Make one row for each step from a person's event to the next: columns `from`, `to` and `days`."""
        scope = self._scope()
        asked = scope.resolved({"event": column_of(event), "at": column_of(at)}) | {"high": high, "end": end}
        return self._of({"kind": "steps", **self._before(scope), **asked}, {}, STEP_COLUMNS)

    def paths(self, *, event: Column, at: Column, length: int, distinct: bool = True) -> Self:
        """Make one row for each person: `path`, the first `length` events in time."""
        scope = self._scope()
        asked = scope.resolved({"event": column_of(event), "at": column_of(at)}) | {
            "length": length,
            "distinct": distinct,
        }
        return self._of({"kind": "paths", **self._before(scope), **asked}, {}, PATH_COLUMNS)

    def by(self, *columns: Column, edges: Sequence[float] | None = None) -> Self:
        """Group by columns with public categories; with `edges`, by bins of one numeric column."""
        scope = self._scope()
        keys = [scope.resolved(column_of(each)) for each in columns]
        if edges is None:
            return self._with(scope, groups=(*self.groups, *keys))
        if len(columns) != 1:
            raise Refused(
                "Grenser gjelder én kolonne om gangen.", remedy='For eksempel .by("age", edges=[0, 25, 50, 75, 100]).'
            )
        return self._with(scope, groups=(*self.groups, {"column": keys[0], "edges": list(edges)}))

    def bounded(self, *, max_rows: int = 1, max_groups: int | None = None) -> Self:
        """Say how many rows of one person count in each group, and in how many groups one person counts."""
        groups = {} if max_groups is None else {"max_groups": max_groups}
        return replace(self, options={**self.options, "max_rows": max_rows, **groups})

    # how it is put together ------------------------------------------------------------------------------------------
    def _scope(self) -> Scope:
        return Scope(dict(self.names), list(map(dict, self.derived)))

    def _with(self, scope: Scope, **changes: Any) -> Self:
        return replace(self, names=scope.names, derived=tuple(scope.derive), **changes)

    def _free(self, name: str, scope: Scope) -> None:
        if name in scope.names or name in self.known:
            raise Refused("To kolonner har samme navn.", remedy="Gi den nye kolonnen et annet navn.")

    def _before(self, scope: Scope) -> dict[str, Any]:
        """Return what was said of the table's own rows, for what is made of them. Raises `Refused` where it is too late."""
        if self.of is not None or self.links or self.groups:
            raise Refused(
                "Rader per person, steg og løp lages av tabellens egne rader.",
                remedy="Skriv .per_person(…), .steps(…) eller .paths(…) før .link(…) og .by(…), og bare én av dem.",
            )
        return {"derive": scope.derive, "where": list(self.filters)}

    def _of(self, of: Mapping[str, Any], names: Mapping[str, Mark], known: frozenset[str]) -> Self:
        return replace(self, of=of, names=names, known=known, derived=(), filters=())

    def _rows(self) -> dict[str, Any]:
        """Return the part of the document that says which rows, with marks."""
        made = {"of": self.of, "links": list(self.links), "derive": list(self.derived)}
        return {
            "dataset": self.dataset,
            **{key: each for key, each in made.items() if each},
            "where": list(self.filters),
        }

    def _asked(self) -> dict[str, Any]:
        """Return the whole document, with marks."""
        raise NotImplementedError

    def _numbers(self, document: Mapping[str, Any]) -> dict[Mark, str]:
        return {mark: f"x{i}" for i, mark in enumerate(dict.fromkeys(marks(document)), start=1)}

    def as_dict(self) -> dict[str, Any]:
        """Return the question as it is sent."""
        document = self._asked()
        found: dict[str, Any] = numbered(document, self._numbers(document))
        return found

    def body(self) -> dict[str, Any]:
        """Return what is sent of the question."""
        return {"query": self.as_dict()}

    @property
    def called(self) -> Mapping[str, str]:
        """Return what x1, x2 … are called in this notebook."""
        numbers = self._numbers(self._asked())
        return {numbers[mark]: name for name, mark in self.names.items() if mark in numbers}

    def _shown(self, part: Any) -> str:
        """Return a column, or bins of one, as it is called here."""
        if isinstance(part, Mapping):
            return f"{self._shown(part['column'])} i {len(part['edges']) - 1} intervaller"
        if isinstance(part, Mark):
            return next((name for name, mark in self.names.items() if mark is part), "en laget kolonne")
        return str(part)

    def __repr__(self) -> str:
        kept = " og ".join(f"{self._shown(f['column'])} {f['op']} {f['value']}" for f in self.filters)
        groups = ", ".join(map(self._shown, self.groups))
        linked = ", ".join(dict.fromkeys(str(each["table"]) for each in self.links))
        parts = [
            f"spørring til {self.dataset}",
            f"koblet med {linked}" if linked else "",
            f"der {kept}" if kept else "",
            f"delt på {groups}" if groups else "",
        ]
        return ": ".join([" ".join(filter(None, parts)), self._wanted()])

    def _wanted(self) -> str:
        return ""


def _scope_of(derive: Mapping[str, Formula]) -> Scope:
    scope = Scope()
    for name, formula in derive.items():
        scope.names[name] = scope.made(scope.resolved(dict(formula.fields)))
    return scope


@dataclass(frozen=True, repr=False)
class Question(Rows):
    """A question of another kind than a table: `survival`, `linear`, `blocks` …, with its fields."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    def _asked(self) -> dict[str, Any]:
        by = {"by": list(self.groups)} if self.groups else {}
        return self._rows() | by | dict(self.options) | dict(self.fields)

    def _wanted(self) -> str:
        return str(self.fields["kind"])
