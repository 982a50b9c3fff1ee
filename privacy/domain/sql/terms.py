"""Expressions: constants, columns, columns made of a row's columns, and the conditions that keep rows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlglot import exp

from hvelv.kernel.errors import _
from hvelv.privacy.domain.closed import LARGEST_NUMBER
from hvelv.privacy.domain.sql.refusing import only, unfit
from hvelv.privacy.domain.sql.scope import Mark, Part, Scope

Column = str | Mark
COMPARED: Mapping[type[exp.Expr], str] = {
    exp.EQ: "==", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
RECKONED: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
PARTS = {"YEAR": "year", "MONTH": "month", "ISODOW": "weekday"}
UNITS = {"day": "days", "month": "months", "year": "years"}
MOST_BANDS = 100
A_CONSTANT = _("Linje {line}, tegn {column}: Her må det stå en tekst, et tall, TRUE eller FALSE.")
A_NUMBER = _("Linje {line}, tegn {column}: Her må det stå et tall.")
A_COLUMN = _("Linje {line}, tegn {column}: Her må det stå en kolonne.")
A_CONDITION = _(
    "Linje {line}, tegn {column}: Her må det stå et vilkår: kolonne = verdi, <>, <, <=, >, >=, BETWEEN eller IN (…)."
)
CLAMPED = _("Linje {line}, tegn {column}: Skriv grensene: CLAMP(uttrykk, lavest, høyest).")
NO_FUNCTION = _(
    "Linje {line}, tegn {column}: Funksjonen finnes ikke her. Kolonner lages med CLAMP, DATE_DIFF, EXTRACT, CASE, BAND, "
    "WIDTH_BUCKET, LEFT, +, -, *, vilkår, AND, OR og NOT."
)


def call(node: exp.Expr | None) -> str:
    """Return the name of the function that is called, in capitals; "" for what is no call."""
    return str(node.this).upper() if isinstance(node, exp.Anonymous) and isinstance(node.this, str) else ""


def plain(node: Any) -> Any:
    """Return an expression without brackets around it."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def several(node: exp.Expr) -> list[exp.Expr] | None:
    """Return the parts of a list, `[a, b]` or `(a, b)`; None for what is none."""
    return list(node.expressions) if isinstance(node, exp.Array | exp.Tuple) else None


def constant(node: exp.Expr) -> bool | int | float | str:
    """Return a text, number or truth value. Raises `Invalid`."""
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.this)
    if isinstance(node, exp.Neg | exp.Literal | exp.Paren):
        return number(node)
    raise unfit(node, A_CONSTANT)


def number(node: exp.Expr) -> int | float:
    """Return a number. Raises `Invalid`."""
    node = plain(node)
    if isinstance(node, exp.Neg):
        return -number(node.this)
    if not isinstance(node, exp.Literal) or node.is_string:
        raise unfit(node, A_NUMBER)
    text = str(node.this)
    try:
        found = int(text) if text.isascii() and text.isdecimal() else float(text)
    except ValueError:
        raise unfit(node, A_NUMBER) from None
    if not abs(found) <= LARGEST_NUMBER:
        raise unfit(node, A_NUMBER)
    return found


def named(node: exp.Expr, scope: Scope) -> Column:
    """Return a column that is named, made or the table's own. Raises `Invalid`."""
    node = plain(node)
    if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
        raise unfit(node, A_COLUMN)
    only(node, "this", "table")
    found = scope.column(word(node.this), word(node.args.get("table")))
    if found is None:
        raise unfit(node, _("Linje {line}, tegn {column}: Ingen tabell eller underspørring her har det navnet."))
    return found


def word(identifier: Any) -> str:
    """Return a name as it is in documents: in small letters, unless it is quoted."""
    if not isinstance(identifier, exp.Identifier):
        return ""
    return str(identifier.this) if identifier.args.get("quoted") else str(identifier.this).lower()


def column(node: exp.Expr, scope: Scope) -> Column:
    """Return a column: one that is named, or one that is made of the expression. Raises `Invalid`."""
    node = plain(node)
    if isinstance(node, exp.Column):
        return named(node, scope)
    if isinstance(node, exp.Anonymous):
        make = MADE_BY.get(call(node))
        if make is None:
            raise unfit(node, NO_FUNCTION)
        return make(node, scope)
    reckoned = RECKONED.get(type(node))
    if reckoned:
        only(node, "this", "expression")
        return scope.made(
            kind="arithmetic", op=reckoned, left=column(node.this, scope), right=column(node.expression, scope)
        )
    if isinstance(node, exp.Extract):
        return _date_part(node, scope)
    if isinstance(node, exp.Case):
        return _groups(node, scope)
    return truth(node, scope)


# conditions --------------------------------------------------------------------------------------------------------
def filters(node: exp.Expr | None, scope: Scope) -> Iterator[Part]:
    """Yield the filters that a condition is: what AND joins, each by itself. Raises `Invalid`."""
    node = plain(node)
    if node is None:
        return
    if isinstance(node, exp.And):
        yield from filters(node.this, scope)
        yield from filters(node.expression, scope)
    elif isinstance(node, exp.Between):
        only(node, "this", "low", "high")
        of = column(node.this, scope)
        yield {"column": of, "op": ">=", "value": constant(node.args["low"])}
        yield {"column": of, "op": "<=", "value": constant(node.args["high"])}
    elif isinstance(node, exp.Not) and isinstance(plain(node.this), exp.Column):
        yield {"column": named(node.this, scope), "op": "==", "value": False}
    elif compared := _compared(node, scope):
        yield compared
    else:
        yield {"column": truth(node, scope), "op": "==", "value": True}


def _compared(node: exp.Expr, scope: Scope) -> Part | None:
    """Return a comparison of a column with constants; None for anything else."""
    if isinstance(node, exp.In):
        only(node, "this", "expressions")
        return {"column": column(node.this, scope), "op": "in", "value": [constant(each) for each in node.expressions]}
    op = COMPARED.get(type(node))
    if op is None:
        return None
    only(node, "this", "expression")
    return {"column": column(node.this, scope), "op": op, "value": constant(node.expression)}


def truth(node: exp.Expr, scope: Scope) -> Column:
    """Return a column of truth values. Raises `Invalid`."""
    node = plain(node)
    if isinstance(node, exp.Column):
        return named(node, scope)
    for kind, op in ((exp.And, "all"), (exp.Or, "any")):
        if isinstance(node, kind):
            return scope.made(kind="logic", op=op, columns=[truth(each, scope) for each in node.flatten()])
    if isinstance(node, exp.Not):
        inner = plain(node.this)
        some = list(inner.flatten()) if isinstance(inner, exp.Or) else [inner]
        return scope.made(kind="logic", op="none", columns=[truth(each, scope) for each in some])
    if isinstance(node, exp.Between):
        return scope.made(kind="logic", op="all", columns=[scope.made(kind="flag", **f) for f in filters(node, scope)])
    compared = _compared(node, scope)
    if compared is None:
        raise unfit(node, A_CONDITION)
    return scope.made(kind="flag", **compared)


# columns that are made ---------------------------------------------------------------------------------------------
def arguments(node: exp.Expr, least: int, most: int) -> list[exp.Expr]:
    """Return what a call is given: `least` to `most` of them. Raises `Invalid`."""
    only(node, "this", "expressions")
    if not least <= len(node.expressions) <= most:
        raise unfit(
            node,
            _("Linje {line}, tegn {column}: Her skal det stå {least} til {most} argumenter."),
            least=least,
            most=most,
        )
    return list(node.expressions)


def clamp(node: exp.Expr) -> tuple[exp.Expr, int | float, int | float]:
    """Return what `CLAMP(…, low, high)` holds, and its bounds. Raises `Invalid`."""
    node = plain(node)
    if call(node) != "CLAMP":
        raise unfit(node, CLAMPED)
    inner, low, high = arguments(node, 3, 3)
    return plain(inner), number(low), number(high)


def _clamped(node: exp.Expr, scope: Scope) -> Column:
    inner, low, high = clamp(node)
    if call(inner) == "DATE_DIFF":
        unit, start, end = arguments(inner, 3, 3)
        named_unit = UNITS.get(str(constant(unit)).lower())
        if named_unit is None:
            raise unfit(unit, _("Linje {line}, tegn {column}: Enheten er 'day', 'month' eller 'year'."))
        found = {"start": column(start, scope), "end": column(end, scope), "unit": named_unit, "low": low, "high": high}
        return scope.made(kind="days", **found)
    if isinstance(inner, exp.Extract):
        return _date_part(inner, scope, low=low, high=high)
    raise unfit(inner, _("Linje {line}, tegn {column}: En kolonne laget med CLAMP er av DATE_DIFF eller EXTRACT."))


def _unclamped(node: exp.Expr, scope: Scope) -> Column:  # noqa: ARG001 - all in the table are called alike
    raise unfit(node, CLAMPED)


def _date_part(node: exp.Extract, scope: Scope, **bounds: float) -> Column:
    only(node, "this", "expression")
    part = PARTS.get(str(node.this.this).upper())
    if part is None:
        raise unfit(node, _("Linje {line}, tegn {column}: EXTRACT tar YEAR, MONTH eller ISODOW."))
    return scope.made(kind="date", column=column(node.expression, scope), part=part, **bounds)


def _band(node: exp.Expr, scope: Scope) -> Column:
    of, *edges = arguments(node, 3, 1 + MOST_BANDS)
    return scope.made(kind="band", column=column(of, scope), edges=[number(edge) for edge in edges])


def _bucket(node: exp.Expr, scope: Scope) -> Column:
    of, low, high, count = arguments(node, 4, 4)
    return scope.made(kind="band", column=column(of, scope), edges=even(number(low), number(high), count))


def even(low: float, high: float, count: exp.Expr) -> list[int | float]:
    """Return the edges of so many bins of one width. Raises `Invalid`."""
    how_many = number(count)
    if not isinstance(how_many, int) or not 1 <= how_many <= MOST_BANDS:
        raise unfit(count, _("Linje {line}, tegn {column}: Det kan være 1 til {most} intervaller."), most=MOST_BANDS)
    edges = [low + (high - low) * i / how_many for i in range(how_many + 1)]
    return [int(edge) if edge.is_integer() else round(edge, 9) for edge in map(float, edges)]


def _prefix(node: exp.Expr, scope: Scope) -> Column:
    of, length = arguments(node, 2, 2)
    return scope.made(kind="prefix", column=column(of, scope), length=number(length))


def _groups(node: exp.Case, scope: Scope) -> Column:
    """Return the group of a code: CASE WHEN c IN (…) THEN 1 WHEN c IN (…) THEN 2 ELSE 0 END."""
    only(node, "ifs", "default")
    message = _(
        "Linje {line}, tegn {column}: CASE har formen CASE WHEN kode IN (…) THEN 1 WHEN kode IN (…) THEN 2 … ELSE 0 END, "
        "med samme kolonne hele veien."
    )
    tested = [_compared(plain(each.this), scope) for each in node.args["ifs"]]
    if not all(test and test["op"] in {"in", "=="} and test["column"] == tested[0]["column"] for test in tested):  # type: ignore[index]
        raise unfit(node, message)
    thens = [number(each.args["true"]) for each in node.args["ifs"]]
    default = node.args.get("default")
    if thens != list(range(1, len(thens) + 1)) or default is None or number(default) != 0:
        raise unfit(node, message)
    codes = [test["value"] if test["op"] == "in" else [test["value"]] for test in tested if test]
    return scope.made(kind="group", column=tested[0]["column"], groups=codes)  # type: ignore[index]


MADE_BY: Mapping[str, Callable[[exp.Expr, Scope], Column]] = {
    "CLAMP": _clamped,
    "DATE_DIFF": _unclamped,
    "BAND": _band,
    "WIDTH_BUCKET": _bucket,
    "LEFT": _prefix,
}
