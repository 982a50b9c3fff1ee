"""What a session asks, by whichever door it came: a JSON document as it is, SQL read into one.

Reading SQL looks at the statement and at the public description of the project's tables, and at nothing else.
"""

from collections.abc import Mapping
from typing import Any

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.questions import KINDS, query_from
from hvelv.privacy.domain.sql import Reading, question_in
from hvelv.privacy.service.desk import Desk


def document_in(desk: Desk, project: str, person: str, asked: Mapping[str, Any]) -> object:
    """Return the document in `asked`: its `query`, or what its `sql` says. Raises `Denied`, `Invalid`, `NotFound`."""
    return _read(desk, project, person, asked).document if "sql" in asked else asked.get("query")


def translated(desk: Desk, project: str, person: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the question in full, its hash, and what SQL calls the columns that it makes. Costs nothing.

    Raises `Denied`, `Invalid`, `NotFound`.
    """
    desk.permits.permission(project, person)
    reading = _read(desk, project, person, asked) if "sql" in asked else None
    question = query_from(reading.document if reading else asked.get("query"))
    return {"query": question.as_dict(), "query_hash": question.hash, "names": dict(reading.names) if reading else {}}


def _read(desk: Desk, project: str, person: str, asked: Mapping[str, Any]) -> Reading:
    if "query" in asked:
        raise Invalid((Problem(_("Send enten «query» eller «sql», ikke begge."), "sql"),))
    return question_in(asked["sql"], KINDS, _dates(desk, project, person))


def again_in(asked: Mapping[str, Any]) -> bool:
    """Return whether new noise is asked for. Raises `Invalid` for what is neither true nor false."""
    again = asked.get("again", False)
    if not isinstance(again, bool):
        raise Invalid((Problem(_("Feltet må være sant eller usant."), "again"),))
    return again


def _dates(desk: Desk, project: str, person: str) -> dict[str, frozenset[str]]:
    """Return the names of each table's dates: for these, MIN is the first one and MAX the last."""
    permission = desk.permits.permission(project, person)
    found = {}
    for table in permission.tables:
        extract = desk.extracts.found(permission, table.table)
        whole = desk.versions.version(table.dataset, table.version).schema
        schema = whole.extracted(table.columns, table.extra if extract is None else extract.steps)
        found[table.table] = frozenset(column.name for column in schema.columns if column.type == "date")
    return found
