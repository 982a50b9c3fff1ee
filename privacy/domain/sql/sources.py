"""FROM and LEFT JOIN: a table, its persons, steps between their events, and other tables by the person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from hvelv.kernel.errors import _
from hvelv.privacy.domain.schema import PSEUDONYM
from hvelv.privacy.domain.sql.refusing import only, unfit
from hvelv.privacy.domain.sql.scope import Mark, Part, Scope
from hvelv.privacy.domain.sql.terms import arguments, call, clamp, column, constant, filters, named, number, plain, word

Dates = Mapping[str, frozenset[str]]  # the date columns of each table
WALKS = {"STEPS": "steps", "PATHS": "paths"}
WHERE_FROM = _(
    "Linje {line}, tegn {column}: Her kan det stå en tabell, (SELECT pid, … FROM tabell GROUP BY pid), (SELECT *, … FROM "
    "tabell), STEPS(…) eller PATHS(…)."
)
PER_PERSON = _(
    "Linje {line}, tegn {column}: En underspørring per person har formen (SELECT pid, … AS navn FROM tabell WHERE … "
    "GROUP BY pid)."
)
JOINED = _(
    "Linje {line}, tegn {column}: Tabeller kobles slik: LEFT JOIN (SELECT pid, … FROM tabell GROUP BY pid) USING (pid)."
)
SUMMARIES = _(
    "Linje {line}, tegn {column}: Per person kan det stå LEAST(COUNT(*), n), COUNT(*) > 0, BOOL_OR(vilkår), FIRST(dato), "
    "LAST(dato), MIN(tall), MAX(tall), CLAMP(SUM(tall), lavest, høyest) eller ANY_VALUE(kolonne)."
)


@dataclass
class Source:
    """Rows that a statement is about: the document so far, and what columns can be called."""

    document: Part
    scope: Scope = field(default_factory=Scope)
    where: list[Part] = field(default_factory=list)


def source(select: exp.Select, dates: Dates) -> Source:
    """Return what FROM and the joins of `select` say. Raises `Invalid`."""
    if select.args.get("from_") is None:
        raise unfit(select, WHERE_FROM)
    found = _base(plain(select.args["from_"].this), dates)
    for join in select.args.get("joins") or ():
        _link(join, found, dates)
    return found


def _base(node: exp.Expr, dates: Dates) -> Source:
    if isinstance(node, exp.Subquery) and isinstance(plain(node.this), exp.Select):
        only(node, "this", "alias")
        inner: exp.Select = plain(node.this)
        found = _starred(inner, dates) if _has_star(inner) else _people(inner, dates)
        found.scope.by_alias = {word(_of(node.args.get("alias"))): found.scope.names}
        return found
    if not isinstance(node, exp.Table):
        raise unfit(node, WHERE_FROM)
    only(node, "this", "alias")
    alias = word(_of(node.args.get("alias")))
    if call(node.this) in WALKS:
        return _walk(node.this, alias, dates)
    if not isinstance(node.this, exp.Identifier):
        raise unfit(node, WHERE_FROM)
    table = word(node.this)
    return Source({"dataset": table}, Scope(by_alias={alias or table: {}}, dates=dates.get(table, frozenset())))


def _has_star(select: exp.Select) -> bool:
    return any(isinstance(each, exp.Star) for each in select.expressions)


def _starred(select: exp.Select, dates: Dates) -> Source:
    """Return the rows of (SELECT *, … AS name FROM …): as they are, with more columns."""
    only(select, "expressions", "from_", "joins", "where")
    found = source(select, dates)
    for each in select.expressions:
        if isinstance(each, exp.Star):
            only(each)
        else:
            name(each, column(_aliased(each), found.scope), found.scope)
    found.where += filters(_of(select.args.get("where")), found.scope)
    return found


def _of(node: Any) -> exp.Expr | None:
    return node.this if node is not None else None


def _aliased(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Alias):
        raise unfit(node, _("Linje {line}, tegn {column}: Gi uttrykket et navn: … AS navn."))
    inner: exp.Expr = plain(node.this)
    return inner


def name(node: exp.Expr, made: str | Mark, scope: Scope) -> None:
    """Let what is made be called by its alias. Raises `Invalid` where two have the same."""
    alias = word(node.args.get("alias"))
    if not alias or not isinstance(made, Mark):
        return
    if scope.names.get(alias, made) is not made:
        raise unfit(node, _("Linje {line}, tegn {column}: To kolonner har samme navn."))
    scope.names[alias] = made


# one row for each person ---------------------------------------------------------------------------------------------
def _people(select: exp.Select, dates: Dates) -> Source:
    table, inner, where, columns = _per_person(select, dates)
    if any(extra for extra, _how in columns.values()):
        message = _("Linje {line}, tegn {column}: Vilkår for én kolonne alene kan bare stå i en LEFT JOIN.")
        raise unfit(select, message)
    scope = Scope()
    made = [{**how, "name": scope.names.setdefault(alias, Mark())} for alias, (_extra, how) in columns.items()]
    return Source({"dataset": table, "of": _reduced("people", inner, where, made)}, scope)


def _link(join: exp.Join, found: Source, dates: Dates) -> None:
    """Attach the columns of a joined sub-select: one link for each set of conditions. Raises `Invalid`."""
    inner = join.this
    on_person = [word(each) for each in join.args.get("using") or ()] == [PSEUDONYM]
    if str(join.args.get("side")) != "LEFT" or not on_person or not isinstance(inner, exp.Subquery):
        raise unfit(join, JOINED)
    only(join, "this", "side", "kind", "using")
    only(inner, "this", "alias")
    table, scope, where, columns = _per_person(plain(inner.this), dates)
    alias, names = word(_of(inner.args.get("alias"))), {}
    links: dict[str, Part] = {}
    for called, (extra, how) in columns.items():
        kept = [*where, *extra]
        link = links.setdefault(repr(kept), {"table": table, **_reduced("", scope, kept, [])})
        names[called] = Mark()
        link["columns"].append({**how, "name": names[called]})
    if set(names) & set(found.scope.names):
        raise unfit(inner, _("Linje {line}, tegn {column}: To kolonner har samme navn."))
    found.scope.names |= names
    if alias:
        found.scope.by_alias[alias] = names
    found.document.setdefault("links", []).extend(links.values())


def _reduced(kind: str, scope: Scope, where: list[Part], columns: list[Part]) -> Part:
    """Return a per-person part: with the derived columns that its conditions and summaries use, as copies of their own."""
    part: Part = {"kind": kind} if kind else {}
    return part | {"derive": scope.derive, "where": where, "columns": columns}


Summaries = dict[str, tuple[list[Part], Part]]


def _per_person(select: Any, dates: Dates) -> tuple[str, Scope, list[Part], Summaries]:
    """Return table, scope, conditions, and for each name its own conditions and how it is made. Raises `Invalid`."""
    if not isinstance(select, exp.Select):
        raise unfit(select, PER_PERSON)
    only(select, "expressions", "from_", "where", "group")
    grouped = select.args.get("group")
    base = source(select, dates)
    if not isinstance(grouped, exp.Group) or not _is_person(grouped.expressions) or set(base.document) != {"dataset"}:
        raise unfit(select, PER_PERSON)
    only(grouped, "expressions")
    scope, where = base.scope, [*base.where]
    columns: Summaries = {}
    for each in select.expressions:
        if isinstance(each, exp.Column) and word(each.this) == PSEUDONYM:
            continue
        made, alias = summary(_aliased(each), scope), word(each.args.get("alias"))
        if alias in columns:
            raise unfit(each, _("Linje {line}, tegn {column}: To kolonner har samme navn."))
        columns[alias] = made
    if not columns:
        raise unfit(select, PER_PERSON)
    return base.document["dataset"], scope, [*where, *filters(_of(select.args.get("where")), scope)], columns


def _is_person(keys: Sequence[exp.Expr]) -> bool:
    return [word(each.this) for each in keys if isinstance(each, exp.Column)] == [PSEUDONYM] and len(keys) == 1


def summary(node: exp.Expr, scope: Scope) -> tuple[list[Part], Part]:
    """Return how a column of the person is made, and the conditions on the rows it is made of. Raises `Invalid`."""
    node = plain(node)
    if isinstance(node, exp.GT) and plain(node.expression) == exp.Literal.number(0):
        return _rows(node.this, scope), {"kind": "any"}
    called = call(node)
    if called == "BOOL_OR":
        return list(filters(arguments(node, 1, 1)[0], scope)), {"kind": "any"}
    if called == "LEAST":
        count, high = arguments(node, 2, 2)
        return _rows(count, scope), {"kind": "count", "high": number(high)}
    if called == "CLAMP":
        return _held(node, scope)
    extra, node = _filtered(node, scope)
    kind = {"FIRST": "first", "LAST": "last", "MIN": "min", "MAX": "max", "ANY_VALUE": "value"}.get(call(node))
    if kind is None:
        raise unfit(node, SUMMARIES)
    of = column(arguments(node, 1, 1)[0], scope)
    if of in scope.dates:
        kind = {"min": "first", "max": "last"}.get(kind, kind)
    return extra, {"kind": kind, "column": of}


def _held(node: exp.Expr, scope: Scope) -> tuple[list[Part], Part]:
    inner, low, high = clamp(node)
    extra, summed = _filtered(inner, scope)
    if call(summed) == "COUNT" and low == 0:
        return _rows(inner, scope), {"kind": "count", "high": high}
    if call(summed) != "SUM":
        raise unfit(node, SUMMARIES)
    of = column(arguments(summed, 1, 1)[0], scope)
    return extra, {"kind": "sum", "column": of, "low": low, "high": high}


def _filtered(node: exp.Expr, scope: Scope) -> tuple[list[Part], exp.Expr]:
    if not isinstance(node, exp.Filter):
        return [], node
    return list(filters(node.expression.this, scope)), node.this


def _rows(node: exp.Expr, scope: Scope) -> list[Part]:
    """Return the conditions of COUNT(*) FILTER (WHERE …). Raises `Invalid` for another thing that is counted."""
    extra, counted = _filtered(plain(node), scope)
    if call(counted) != "COUNT" or [type(each) for each in counted.expressions] != [exp.Star]:
        raise unfit(node, SUMMARIES)
    return extra


# steps and paths -----------------------------------------------------------------------------------------------------
def keywords(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """Yield the arguments that have names, `name => value`, as they are written.

    Raises `Invalid` for one without a name, and for two of one name.
    """
    seen: set[str] = set()
    for each in node.expressions:
        if not isinstance(each, exp.Kwarg):
            raise unfit(each, _("Linje {line}, tegn {column}: Argumentet må ha et navn: navn => verdi."))
        called = str(each.this.name)
        if called.lower() in seen:
            raise unfit(each, _("Linje {line}, tegn {column}: Argumentet står to ganger."))
        seen.add(called.lower())
        yield called, plain(each.expression)


def _walk(node: exp.Anonymous, alias: str, dates: Dates) -> Source:
    """Return the rows of STEPS(table, event => …, at => …, …) and PATHS(…). Raises `Invalid`."""
    first, *rest = node.expressions or [None]
    if isinstance(first, exp.Column):
        first = exp.Table(this=first.this)
    if not isinstance(first, exp.Table | exp.Subquery):
        raise unfit(node, WHERE_FROM)
    base = _base(first, dates)
    if set(base.document) != {"dataset"}:
        raise unfit(node, WHERE_FROM)
    found: Part = {"kind": WALKS[call(node)], "derive": base.scope.derive, "where": base.where}
    for called, value in keywords(exp.Anonymous(this="", expressions=rest)):
        found[called.lower()] = named(value, base.scope) if isinstance(value, exp.Column) else constant(value)
    return Source({"dataset": base.document["dataset"], "of": found}, Scope(by_alias={alias: {}}))
