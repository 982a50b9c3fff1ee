"""A release as a table of plain cells, and the plain cells as CSV that no spreadsheet runs."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula at the start of a text (ASVS 1.2.10)
SIGNIFICANT = 6  # digits kept of a number that is no integer: noise makes the rest meaningless, and it could carry data


def plain_number(value: float | None) -> int | float | None:
    """Return `value` with no more digits than mean something."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{SIGNIFICANT}g}")


def viewed(document: Mapping[str, Any], part: str) -> Mapping[str, Any] | None:
    """Return a release as one of its further tables; as it is for no part, None for one that it does not have."""
    if not part:
        return document
    table = (document.get("tables") or {}).get(part)
    if table is None:
        return None
    return {**document, "keys": table["keys"], "rows": table["rows"], "picture": {}, "part": part}


def columns(document: Mapping[str, Any]) -> list[str]:
    """Return the column names: the group keys, then each measure with its 95 % error."""
    rows = document["rows"]
    measures = list(rows[0]["values"]) if rows else []
    return list(document["keys"]) + [name for measure in measures for name in (measure, f"{measure}_error95")]


def cells(document: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of a release in the order of `columns`."""
    table: list[list[Any]] = []
    for row in document["rows"]:
        line: list[Any] = list(row["key"])
        for measure, value in row["values"].items():
            line += [plain_number(value), plain_number(row["error95"].get(measure))]
        table.append(line)
    return table


def safe_text(value: Any) -> Any:
    """Return a cell that a spreadsheet takes as the text it is."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return "" if value is None else value


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return RFC 4180 CSV, UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe_text(name) for name in header])
    writer.writerows([[safe_text(cell) for cell in row] for row in rows])
    return out.getvalue().encode()
