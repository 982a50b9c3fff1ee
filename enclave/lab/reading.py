"""Reading a project's tables: part by part, of which only the columns and rows that are asked for stay in memory.

A table comes in parts with whole persons each, sorted by person. What has been read is kept by column for as long as the
platform says that the extract is the same one; a new extract is read from its beginning, never mixed with the old.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hvelv.enclave.lab.door import Door, Refused

if TYPE_CHECKING:
    import pyarrow as pa

COMPARE = ("==", "!=", "<", "<=", ">", ">=", "in")
PSEUDONYM = "pid"
Where = Sequence[tuple[str, str, Any]]


def _chosen(known: Sequence[str], columns: Iterable[str] | None, where: Where) -> list[str] | None:
    """Return the columns to keep. Raises `Refused` for what the table does not have."""
    if isinstance(columns, str):
        columns = [columns]
    if not all(isinstance(one, tuple | list) and len(one) == 3 and isinstance(one[0], str) for one in where):  # noqa: PLR2004
        raise Refused("Vilkårene kan ikke leses.", remedy='Skriv dem som [("age", ">=", 50), ("sex", "==", "F")].')
    if any(one[2] is None for one in where):
        raise Refused("Ingenting kan sammenlignes med None.", remedy="Les kolonnen, og bruk .isna() på den.")
    here = {PSEUDONYM, *known}
    asked = [*(columns or ()), *(condition[0] for condition in where)]
    if strange := sorted({name for name in asked if name not in here}):
        raise Refused(
            "Tabellen har ikke det du ber om: " + ", ".join(strange) + ".",
            remedy="Variablene er: " + ", ".join([PSEUDONYM, *known]) + ".",
        )
    if wrong := sorted({str(condition[1]) for condition in where if condition[1] not in COMPARE}):
        raise Refused(
            "Ukjent sammenligning: " + ", ".join(wrong) + ".", remedy="Bruk en av " + ", ".join(COMPARE) + "."
        )
    return None if columns is None else list(dict.fromkeys(columns))


def _said(parts: Sequence[Any], name: str) -> Iterable[Any]:
    """Return the parts, showing how far the reading is when there are several."""
    if len(parts) < 2:  # noqa: PLR2004
        return parts
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return parts
    shown: Iterable[Any] = tqdm(parts, desc=name, unit="del", leave=False)
    return shown


def _kept(raw: io.BytesIO, columns: list[str], where: Where) -> "pa.Table":
    """Return what is kept of a part. Raises `Refused` where a value is of another kind than the column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(raw, columns=columns, filters=[tuple(one) for one in where] or None)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        if not where:
            raise
        raise Refused(
            "En verdi i vilkårene er av et annet slag enn kolonnen.",
            remedy="Sammenlign tall med tall, tekst med tekst og datoer med datetime.date.",
        ) from None


class Reader:
    """Reads tables by the door and keeps the columns it has read."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._kept: dict[str, tuple[str, dict[str, Any]]] = {}

    def table(self, name: str, known: Sequence[str], columns: Iterable[str] | None, where: Where) -> "pa.Table":
        """Return a table's rows as Arrow. Raises `Refused`.

        `where`: conditions that all must hold, as `(column, comparison, value)`. Rows are left out while they are read,
        so memory is that of one part and what is kept.
        """
        import pyarrow as pa

        chosen = _chosen(known, columns, where)
        listed = self._door.get(f"/lab/datasets/{name}/parts")
        version = str(listed.get("sha256", ""))
        if where:
            return pa.concat_tables(self._read(name, listed["parts"], chosen, where))
        held = self._held(name, version)
        wanted = chosen if chosen is not None else [PSEUDONYM, *known]
        if missing := [column for column in wanted if column not in held]:
            read = pa.concat_tables(self._read(name, listed["parts"], missing, ()))
            held |= {column: read[column] if column in read.column_names else None for column in missing}
        return pa.table({column: held[column] for column in wanted if held[column] is not None})

    def _held(self, name: str, version: str) -> dict[str, Any]:
        if self._kept.get(name, ("", {}))[0] != version:
            self._kept[name] = (version, {})
        return self._kept[name][1]

    def _read(self, name: str, parts: Sequence[Any], columns: list[str] | None, where: Where) -> Iterator["pa.Table"]:
        import pyarrow.parquet as pq

        for part in _said(parts, name):
            raw = io.BytesIO(self._door.read(f"/lab/datasets/{name}/parts/{part['sha256']}"))
            there = pq.read_schema(raw).names
            wanted = there if columns is None else [column for column in columns if column in there]
            yield _kept(raw, wanted, where)
