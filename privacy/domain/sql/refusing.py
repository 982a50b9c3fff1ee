"""A "no" to some SQL: which part, at which line and character, and what to write instead. What was written is not repeated."""

from dataclasses import dataclass

from sqlglot import exp

from hvelv.kernel.errors import Invalid, Problem, _

WHOLE = _("SQL-en kan ikke brukes slik den er.")
CANNOT = _("Linje {line}, tegn {column}: {construct} kan ikke brukes her.")


@dataclass(frozen=True)
class Place:
    """Where in the text: line and character, both from one."""

    line: int = 1
    column: int = 1


def place_of(node: exp.Expr | None) -> Place:
    """Return where a part begins: the first of the words it is made of; of the part around it where it has none."""
    while node is not None:
        found = [_begins(part) for part in node.walk() if "line" in part.meta]
        if found:
            return min(found, key=lambda place: (place.line, place.column))
        node = node.parent
    return Place()


def _begins(part: exp.Expr) -> Place:
    meta = part.meta
    return Place(int(meta["line"]), max(1, int(meta["col"]) - int(meta["end"]) + int(meta["start"])))


def refusal(place: Place, message: str, **params: object) -> Invalid:
    """Return the refusal of what stands at `place`. `message` has `{line}` and `{column}`."""
    problem = Problem(message, "sql", params={"line": place.line, "column": place.column, **params})
    return Invalid((problem,), WHOLE)


def unfit(node: exp.Expr, message: str = CANNOT, **params: object) -> Invalid:
    """Return the refusal of a part of the statement; without a message, by the grammar's own name for it."""
    return refusal(place_of(node), message, **({"construct": node.key.upper()} if message == CANNOT else params))


def only(node: exp.Expr, *known: str) -> None:
    """Raise `Invalid` for a part of `node` that is not among `known`: what we do not read, we do not pass over."""
    for name, value in node.args.items():
        if value and name not in known:
            inner = value[0] if isinstance(value, list) else value
            raise unfit(inner if isinstance(inner, exp.Expr) else node)
