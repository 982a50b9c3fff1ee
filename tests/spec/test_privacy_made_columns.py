"""What cannot be made of a table's columns, decided from what is publicly known of them."""

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.framing import framed
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.source import Asked

WIDE = Schema(
    "wide",
    (
        Column("much", "integer", "attribute", low=0, high=10**12),
        Column("fine", "decimal", "attribute", low=0, high=1000, step=1e-9),
        Column("ward", "integer", "attribute", low=0, high=9, categories=(0, 1, 2)),
        Column("sick", "boolean", "attribute"),
        Column("code", "string", "attribute", categories=("a", "end")),
        Column("pair", "string", "attribute", categories=("a", "b", "a > b")),
        Column("day", "date", "date"),
    ),
)
REFUSED = {
    "a product that no whole number holds": {
        "derive": [{"kind": "arithmetic", "name": "x1", "op": "*", "left": "much", "right": "much"}]
    },
    "a sum of units that no whole number holds": {
        "of": {"kind": "people", "columns": [{"kind": "sum", "name": "x1", "column": "fine", "low": 0, "high": 1}]}
    },
    "true as a code of numbers": {"derive": [{"kind": "group", "name": "x1", "column": "ward", "groups": [[True]]}]},
    "1 as a code of true and false": {"derive": [{"kind": "group", "name": "x1", "column": "sick", "groups": [[1]]}]},
    "an event that is called as the end is": {
        "of": {"kind": "steps", "event": "code", "at": "day", "high": 10, "end": True}
    },
    "an event that looks like a path of others": {"of": {"kind": "paths", "event": "pair", "at": "day", "length": 2}},
}


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("question", REFUSED.values(), ids=REFUSED.keys())
def test_what_could_stop_on_some_rows_and_not_on_others_is_refused_beforehand(question):
    with pytest.raises(Invalid):
        framed(Asked.model_validate({"dataset": "wide"} | deep_tuples(question)), {"wide": WIDE})[1].done()


def deep_tuples(value):
    """Return a document with tuples for lists, as they are once read."""
    if isinstance(value, dict):
        return {name: deep_tuples(inner) for name, inner in value.items()}
    return tuple(deep_tuples(inner) for inner in value) if isinstance(value, list) else value
