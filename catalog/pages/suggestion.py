"""A first guess at a declaration, from the first lines of a CSV file: names, types and how the file is written.

Only names and guesses leave this module; no value from the file does. A first line that holds what look like values
(digits first) gives columns called `column_1` and so on.
"""

import csv
import io
import re
import unicodedata
from dataclasses import dataclass

from hvelv.catalog.domain.declaration import Encoding, FileKind, Format
from hvelv.catalog.domain.words import ValueType, VariableRole, is_name

DELIMITERS = (",", ";", "\t", "|")
LINES = 200
MOST_COLUMNS = 500
PARQUET = b"PAR1"
PERSON_NUMBER = re.compile(r"\d{11}")
TYPES: tuple[tuple[ValueType, re.Pattern[str]], ...] = (
    (ValueType.BOOLEAN, re.compile(r"(?i)true|false")),
    (ValueType.INTEGER, re.compile(r"-?\d{1,15}")),
    (ValueType.DECIMAL, re.compile(r"-?\d{1,15}[.,]\d{1,15}(?:[eE]-?\d{1,3})?|-?\d{1,15}")),
    (ValueType.DATE, re.compile(r"\d{4}-\d\d-\d\d")),
)


@dataclass(frozen=True)
class Column:
    """One column as guessed."""

    name: str
    type: ValueType
    role: VariableRole
    nullable: bool


@dataclass(frozen=True)
class Suggestion:
    """What a file's beginning suggests."""

    format: Format
    columns: tuple[Column, ...] = ()


def slug(name: str, number: int) -> str:
    """Return `name` as a column can be called, else `column_<number>`."""
    letters = name.strip().lower().replace("æ", "ae").replace("ø", "o").replace("å", "a")
    plain = unicodedata.normalize("NFKD", letters).encode("ascii", "ignore").decode()
    made = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:63]
    return made if is_name(made) else f"column_{number}"


def _guess(name: str, values: list[str]) -> Column:
    filled = [value.strip() for value in values if value.strip()]
    nullable = len(filled) < len(values)
    if filled and all(PERSON_NUMBER.fullmatch(value) for value in filled):
        return Column(name, ValueType.STRING, VariableRole.PERSON_ID, nullable=False)
    kind = next((t for t, p in TYPES if filled and all(p.fullmatch(v) for v in filled)), ValueType.STRING)
    role = VariableRole.DATE if kind is ValueType.DATE else VariableRole.ATTRIBUTE
    return Column(name, kind, role, nullable)


def suggest(head: bytes) -> Suggestion:
    """Return what the first bytes of a file suggest; nothing but the format for Parquet."""
    if head.startswith(PARQUET):
        return Suggestion(Format(kind=FileKind.PARQUET))
    encoding, text = Encoding.UTF_8, head.decode("utf-8-sig", "ignore")
    try:
        head.rpartition(b"\n")[0].decode("utf-8")
    except UnicodeDecodeError:
        encoding, text = Encoding.LATIN_1, head.decode("latin-1")
    lines = text.splitlines()[: LINES + 1]
    if len(lines) > 1:
        lines = lines[:-1] if not text.endswith("\n") and len(lines) <= LINES else lines
    first = lines[0] if lines else ""
    delimiter = max(DELIMITERS, key=first.count)
    try:
        table = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    except csv.Error:
        table = []
    if not table:
        return Suggestion(Format(delimiter=delimiter, encoding=encoding))
    names: list[str] = []
    for number, title in enumerate(table[0][:MOST_COLUMNS], start=1):
        name = slug(title, number)
        names.append(name if name not in names else f"column_{number}")
    rows = [row for row in table[1:] if len(row) == len(table[0])]
    columns = tuple(_guess(name, [row[index] for row in rows]) for index, name in enumerate(names))
    comma = delimiter != "," and any(re.fullmatch(r"-?\d+,\d+", cell) for row in rows for cell in row)
    return Suggestion(Format(delimiter=delimiter, encoding=encoding, decimal="," if comma else "."), columns)
