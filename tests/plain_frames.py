"""The oracle of a question's rows: the words of `privacy.domain.source` as plain loops over one person at a time.

Dates are `date`s, missing is None, and nothing here knows Arrow, Polars or numpy.
"""

import itertools
import math
import operator
from datetime import date
from fractions import Fraction

EPOCH = date(1970, 1, 1)
COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def present(value):
    """Return the value, or None for what is no number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def meets(value, op, wanted):
    if value is None:
        return False
    if isinstance(value, date):
        wanted = [date.fromisoformat(w) for w in wanted] if op == "in" else date.fromisoformat(wanted)
    return value in wanted if op == "in" else COMPARE[op](value, wanted)


def held(value, low, high):
    return None if value is None else min(max(value, low), high)


def months(start, end):
    return (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)


def days(row, how, _columns):
    start, end = row[how["start"]], row[how["end"]]
    if start is None or end is None:
        return None
    unit = how.get("unit", "days")
    found = {"days": (end - start).days, "months": months(start, end), "years": months(start, end) // 12}[unit]
    return held(found, how.get("low", 0), how["high"])


def date_part(row, how, _columns):
    day = row[how["column"]]
    if day is None:
        return None
    if how["part"] == "year":
        return held(day.year, how.get("low", 1900), how.get("high", 2100))
    return day.month if how["part"] == "month" else day.isoweekday()


def logic(row, how, _columns):
    values = [bool(row[name]) for name in how["columns"]]
    return {"all": all(values), "any": any(values), "none": not any(values)}[how["op"]]


def band(row, how, _columns):
    value, edges = row[how["column"]], how["edges"]
    if value is None or not edges[0] <= value <= edges[-1]:
        return None
    return 1 + sum(value >= edge for edge in edges[1:-1])


def arithmetic(row, how, columns):
    left, right = (held(row[n], columns[n].low, columns[n].high) for n in (how["left"], how["right"]))
    if left is None or right is None:
        return None
    return {"+": operator.add, "-": operator.sub, "*": operator.mul}[how["op"]](float(left), float(right))


MADE = {
    "days": days,
    "date": date_part,
    "flag": lambda row, how, _columns: meets(row[how["column"]], how["op"], how["value"]),
    "logic": logic,
    "band": band,
    "group": lambda row, how, _columns: next(
        (i for i, codes in enumerate(how["groups"], 1) if row[how["column"]] in codes), 0
    ),
    "prefix": lambda row, how, _columns: (row[how["column"]] or "")[: how["length"]] or None,
    "arithmetic": arithmetic,
}


def with_made(rows, derive, columns):
    for row in rows:
        for how in derive:
            row[how["name"]] = MADE[how["kind"]](row, how, columns)
    return rows


def kept(rows, where):
    return [row for row in rows if all(meets(row[f["column"]], f["op"], f["value"]) for f in where)]


def summary(rows, how, columns):
    """Return one column made of all of a person's rows."""
    kind = how["kind"]
    if kind == "count":
        return min(len(rows), how["high"])
    if kind == "any":
        return bool(rows)
    values = [row[how["column"]] for row in rows]
    if kind == "value":
        return values[0] if values else None
    there = [value for value in values if value is not None]
    if kind == "sum":
        column = columns[how["column"]]
        step = column.resolution
        units = sum(round(held(v, column.low, column.high) / float(step)) for v in there)
        low, high = Fraction(str(how["low"])) / step, Fraction(str(how["high"])) / step
        return float(held(units, low, high) * step)
    return (min if kind in {"min", "first"} else max)(there) if there else None


def events(rows, of, columns):
    """Return (code, date) of the events, in time."""
    codes = list(columns[of["event"]].keys)
    found = [(row[of["at"]], codes.index(row[of["event"]])) for row in rows
             if row[of["at"]] is not None and row[of["event"]] in codes]  # fmt: skip
    return [(str(codes[place]), day) for day, place in sorted(found)]


def steps(rows, of, columns):
    found = events(rows, of, columns)
    made_of = [
        {"from": a, "to": b, "days": min((then - day).days, of["high"])}
        for (a, day), (b, then) in itertools.pairwise(found)
    ]
    return [*made_of, {"from": found[-1][0], "to": "end", "days": None}] if found and of.get("end") else made_of


def path(rows, of, columns):
    codes = [code for code, _day in events(rows, of, columns)]
    codes = list(dict.fromkeys(codes)) if of.get("distinct", True) else codes
    return [{"path": " > ".join(codes[: of["length"]])}] if codes else []


def rows_of(tables, asked, framed):
    """Return one person's rows of a question. `tables`: that person's own rows, by table."""
    of, own = asked.get("of"), tables[asked["dataset"]]
    if not own:
        return []
    rows = [{name: present(value) for name, value in row.items()} for row in own]
    if of is not None:
        rows = based(rows, of, framed)
    for link in asked.get("links", []):
        there = [{name: present(value) for name, value in row.items()} for row in tables[link["table"]]]
        attached = summed(there, link, framed.sources[link["table"]], next(
            each for each in framed.links if [s.how.name for s in each.columns] == [c["name"] for c in link["columns"]]
        ))  # fmt: skip
        rows = [row | attached for row in rows]
    columns = {column.name: column for column in framed.schema.columns}
    return kept(with_made(rows, asked.get("derive", []), columns), asked.get("where", []))


def based(rows, of, framed):
    columns = {c.name: c for c in framed.sources[framed.table].columns} | {
        m.column.name: m.column for m in framed.of.made
    }
    if of["kind"] == "people":
        return [summed(rows, of, framed.sources[framed.table], framed.of)]
    rows = kept(with_made(rows, of.get("derive", []), columns), of.get("where", []))
    return (steps if of["kind"] == "steps" else path)(rows, of, columns)


def summed(rows, part, source, reduction):
    columns = {c.name: c for c in source.columns} | {m.column.name: m.column for m in reduction.made}
    rows = kept(with_made(rows, part.get("derive", []), columns), part.get("where", []))
    found = {how["name"]: summary(rows, how, columns) for how in part["columns"]}
    if not rows:  # a person without rows
        for how in part["columns"]:
            if how["kind"] == "sum":
                found[how["name"]] = min(max(0, how["low"]), how["high"])
    return found
