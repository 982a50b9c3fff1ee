"""A statement to the JSON form of a question.

    SELECT keys, measures FROM rows WHERE conditions GROUP BY keys          a table
    SELECT KIND(name => value, …) FROM rows WHERE … GROUP BY keys           any other kind, in the fields of its JSON form

What it reads is in docs/privacy/asking.md. The document is checked afterwards, as one that came as JSON.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.schema import PSEUDONYM
from hvelv.privacy.domain.sql.parsing import parsed
from hvelv.privacy.domain.sql.refusing import WHOLE, only, unfit
from hvelv.privacy.domain.sql.scope import Part, Scope, numbered
from hvelv.privacy.domain.sql.sources import Dates, keywords, name, source
from hvelv.privacy.domain.sql.terms import (
    CLAMPED,
    arguments,
    call,
    clamp,
    column,
    constant,
    even,
    filters,
    number,
    plain,
    several,
)

MEASURED = {
    "SUM": "sum",
    "AVG": "mean",
    "VARIANCE": "variance",
    "VAR_SAMP": "variance",
    "STDDEV": "std",
    "STDDEV_SAMP": "std",
}
ON_COUNTS = frozenset({"COUNT"})
QUANTILES = frozenset({"QUANTILE", "MEDIAN"})
HINTS = frozenset({"max_rows", "max_groups", "noise", "expected"})
MIDDLE = 0.5
NOTHING = _("Linje {line}, tegn {column}: Det må stå minst ett mål, for eksempel COUNT(*).")
MIXED = _("Linje {line}, tegn {column}: Dette kan ikke stå sammen med andre mål. Still ett spørsmål av gangen.")


@dataclass(frozen=True)
class Reading:
    """What a statement asks, as JSON; and what it calls the columns that it makes, for the asker alone."""

    document: Part
    names: Mapping[str, str]


def question_in(text: object, kinds: Collection[str], dates: Dates | None = None) -> Reading:
    """Return what `text` asks. `kinds`: the names of all kinds. Raises `Invalid`, with line and character.

    `dates`: the date columns of each table, by which MIN and MAX of a date are the first and the last one.
    """
    select = parsed(text)
    only(select, "expressions", "from_", "joins", "where", "group", "hint")
    rows = source(select, dates or {})
    reader = _Reader(rows.scope, frozenset(kinds))
    items = [reader.item(each) for each in select.expressions]
    where = [*rows.where, *filters(select.args["where"].this if select.args.get("where") else None, rows.scope)]
    by = reader.keys(select.args.get("group"))
    document = {**rows.document, "where": where, **_hints(select.args.get("hint"))}
    keys = [key for kind, key in items if kind == "key"]
    for each, (kind, key) in zip(select.expressions, items, strict=True):
        if kind == "key" and key not in by:
            raise unfit(each, _("Linje {line}, tegn {column}: Kolonnen må også stå i GROUP BY."))
    if len(keys) not in {0, len(by)}:
        raise unfit(select.args["group"], _("Linje {line}, tegn {column}: Alt i GROUP BY må også stå etter SELECT."))
    document |= _asked(select, [item for item in items if item[0] != "key"], by)
    return Reading(*numbered(document | {"derive": rows.scope.derive}, rows.scope.names))


def _asked(select: exp.Select, items: list[tuple[str, Any]], by: list[Any]) -> Part:
    """Return what is asked of the rows: the kind and its fields. Raises `Invalid`."""
    if not items:
        raise unfit(select, NOTHING)
    sorts = {kind for kind, _found in items}
    if sorts == {"measure"}:
        measures = [found for _kind, found in items]
        return {"kind": "table", "measures": measures} | ({"by": by} if by else {})
    if sorts == {"quantile"}:
        (of, *_rest) = [found["of"] for _kind, found in items]
        if all(found["of"] == of for _kind, found in items):
            wanted = sorted({at for _kind, found in items for at in found["at"]})
            return {"kind": "distribution", **of, "quantiles": wanted} | ({"by": by} if by else {})
    if len(items) == 1:
        found = dict(items[0][1])
        if by and "by" in found:
            raise unfit(select.args["group"], _("Linje {line}, tegn {column}: Skriv enten GROUP BY eller by => …"))
        return found | ({"by": by} if by else {})
    raise unfit(select, MIXED)


def _hints(node: exp.Hint | None) -> Part:
    """Return the bounds in /*+ max_rows(3) max_groups(2) */. Raises `Invalid`."""
    found: Part = {}
    for each in node.expressions if node else ():
        called = call(each).lower()
        if called not in HINTS or called in found:
            message = _(
                "Etter /*+ kan det stå max_rows(n), max_groups(n), noise('laplace') og expected(n), hver én gang."
            )
            raise Invalid((Problem(message, "sql"),), WHOLE)  # the hint counts its characters from its own beginning
        found[called] = constant(arguments(each, 1, 1)[0])
    return found


class _Reader:
    """Reads what stands after SELECT and GROUP BY."""

    def __init__(self, scope: Scope, kinds: frozenset[str]) -> None:
        self.scope, self.kinds = scope, kinds
        self.aliases: dict[str, Any] = {}  # of keys

    def item(self, node: exp.Expr) -> tuple[str, Any]:
        """Return what one item is: a key, a measure, a quantile or a whole question of another kind."""
        inner = plain(node.this if isinstance(node, exp.Alias) else node)
        called = call(inner)
        if called in ON_COUNTS or called in MEASURED:
            return "measure", self.measure(inner, called)
        if called in QUANTILES:
            return "quantile", self.quantile(inner, called)
        if called.lower() in self.kinds - {"table"}:
            fields = {key.lower(): self.value(value) for key, value in keywords(inner)}
            return "kind", {"kind": called.lower()} | fields
        key = self.key(inner)
        if isinstance(node, exp.Alias):
            name(node, key, self.scope)
            self.aliases[node.alias.lower()] = key
        return "key", key

    def measure(self, node: exp.Expr, called: str) -> Part:
        """Return a measure: COUNT(*), COUNT(DISTINCT pid), SUM(CLAMP(…)) and so on."""
        (of,) = arguments(node, 1, 1)
        if called not in ON_COUNTS:
            return {"kind": MEASURED[called], **self.amount(of)}
        if isinstance(of, exp.Star):
            only(of)
            return {"kind": "count"}
        person = exp.Distinct(expressions=[exp.column(PSEUDONYM)])
        if of == person:
            return {"kind": "persons"}
        raise unfit(
            node, _("Linje {line}, tegn {column}: Skriv COUNT(*) for rader eller COUNT(DISTINCT pid) for personer.")
        )

    def quantile(self, node: exp.Expr, called: str) -> Part:
        """Return what quantiles of what: QUANTILE(CLAMP(…), 0.25) or MEDIAN(CLAMP(…))."""
        of, *at = arguments(node, 1, 2)
        if len(at) != (called != "MEDIAN"):
            raise unfit(node, _("Linje {line}, tegn {column}: Skriv QUANTILE(CLAMP(…), 0.25) eller MEDIAN(CLAMP(…))."))
        listed = [each for part in at for each in several(part) or [part]]
        return {"of": self.amount(of), "at": [number(each) for each in listed] or [MIDDLE]}

    def amount(self, node: exp.Expr) -> Part:
        """Return a number and its bounds: CLAMP(column, low, high)."""
        node = plain(node)
        if call(node) != "CLAMP":
            raise unfit(node, CLAMPED)
        inner, low, high = clamp(node)
        return {"column": column(inner, self.scope), "low": low, "high": high}

    # keys ----------------------------------------------------------------------------------------------------------
    def key(self, node: exp.Expr) -> Any:
        """Return a key: a column with public codes, BIN(column, edge, edge, …) or BINS(column, low, high, count)."""
        make = BINNED.get(call(node))
        return make(node, self.scope) if make else column(node, self.scope)

    def keys(self, group: exp.Group | None) -> list[Any]:
        """Return the keys in GROUP BY, by name, by expression or by number. Raises `Invalid`."""
        if group is None:
            return []
        only(group, "expressions")
        return [self.grouped(plain(each)) for each in group.expressions]

    def grouped(self, node: exp.Expr) -> Any:
        if isinstance(node, exp.Literal):
            raise unfit(node, _("Linje {line}, tegn {column}: Skriv navnet på kolonnen i GROUP BY, ikke et tall."))
        if isinstance(node, exp.Column) and not node.table and node.name.lower() in self.aliases:
            return self.aliases[node.name.lower()]
        return self.key(node)

    # fields of other kinds -----------------------------------------------------------------------------------------
    def value(self, node: exp.Expr) -> Any:
        """Return a field: a constant, a column, a number within bounds, bins, a list, or ROW(name => value, …)."""
        node = plain(node)
        some = several(node)
        if some is not None:
            return [self.value(each) for each in some]
        called = call(node)
        if called == "ROW":
            return {key: self.value(value) for key, value in keywords(node)}
        if called in BINNED:
            return BINNED[called](node, self.scope)
        if called == "CLAMP" and isinstance(clamp(node)[0], exp.Column | exp.Add | exp.Sub | exp.Mul):
            return self.amount(node)
        if isinstance(node, exp.Literal | exp.Neg | exp.Boolean | exp.Null):
            return None if isinstance(node, exp.Null) else constant(node)
        return column(node, self.scope)


def _bins(node: exp.Expr, scope: Scope) -> Part:
    of, *edges = arguments(node, 3, 102)
    return {"column": column(of, scope), "edges": [number(edge) for edge in edges]}


def _even_bins(node: exp.Expr, scope: Scope) -> Part:
    of, low, high, count = arguments(node, 4, 4)
    return {"column": column(of, scope), "edges": even(number(low), number(high), count)}


BINNED: Mapping[str, Callable[[exp.Expr, Scope], Part]] = {"BIN": _bins, "BINS": _even_bins}
