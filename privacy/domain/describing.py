"""What the columns that a question made are, in words of the model and names of the catalogue: for readers outside.

No word and no value of the one who asked is in it: which codes a filter kept is not said, only on which columns it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SUMMARIES = {
    "count": "number of rows",
    "any": "whether there is any row",
    "first": "first {column}",
    "last": "last {column}",
    "sum": "sum of {column}",
    "min": "lowest {column}",
    "max": "highest {column}",
    "value": "{column}",
}


def legend_of(question: Mapping[str, Any]) -> dict[str, str]:
    """Return what each made column of a question (its JSON form) is, by name."""
    return dict(_made(question))


def _made(question: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    table = str(question.get("dataset", ""))
    of = question.get("of") or {}
    yield from _part(of, table)
    for link in question.get("links") or ():
        yield from _part(link, str(link.get("table", "")))
    for how in question.get("derive") or ():
        yield str(how["name"]), _derived(how)


def _part(part: Mapping[str, Any], table: str) -> Iterator[tuple[str, str]]:
    made = {str(how["name"]): _derived(how) for how in part.get("derive") or ()}
    where = _where(part.get("where") or (), made)
    for how in part.get("columns") or ():
        said = SUMMARIES[how["kind"]].format(column=_named(how.get("column", ""), made))
        yield str(how["name"]), f"{said} in {table}{where}"


def _named(column: str, made: Mapping[str, str]) -> str:
    return made.get(column, column)


def _where(filters: Sequence[Mapping[str, Any]], made: Mapping[str, str]) -> str:
    names = dict.fromkeys(_named(item["column"], made) for item in filters)
    return f", of those chosen by {', '.join(names)}" if names else ""


def _derived(how: Mapping[str, Any]) -> str:
    kind = how["kind"]
    if kind == "days":
        return f"{how['unit']} from {how['start']} to {how['end']}"
    if kind == "date":
        return f"{how['part']} of {how['column']}"
    if kind == "logic":
        return f"{how['op']} of {', '.join(how['columns'])}"
    if kind == "arithmetic":
        return f"{how['left']} {how['op']} {how['right']}"
    said = {"flag": "condition on {}", "band": "band of {}", "group": "group of {}", "prefix": "first characters of {}"}
    return said[kind].format(how["column"])
