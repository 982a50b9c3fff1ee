"""The pipeline from a source table to a project's extract.

Permitted rows and columns only; the person's number becomes the first 8 bytes of its AES block (`pid`); those who
objected are left out; rows are sorted by pid, and within a person by dates, then by the other columns as declared, so
that nothing of the source's order is left and "the first row" means the earliest. The file has no statistics, no
key-value metadata and the same bytes every time.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hvelv.kernel.errors import Refusal, Unavailable, _
from hvelv.privacy.adapters.predicates import rows_meeting
from hvelv.privacy.adapters.pseudonyms import NO_BLOCKS, Blocks, PersonCipher, among
from hvelv.privacy.domain.plan import Condition, conditions_of
from hvelv.privacy.domain.schema import PSEUDONYM, Column, Schema
from hvelv.privacy.service.extraction import Extracted, ExtractOrder

BATCH = 1 << 18
GROUP = 1 << 20
REST = "__rest"  # the block's other half, kept until it is sure that no two persons share a pid
ARROW: dict[str, Any] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.float64(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
}


class ParquetExtractor:
    """The `Extractor` for Parquet files."""

    def extract(self, order: ExtractOrder) -> Extracted:
        """Write the extract. Raises `Unavailable` without a value of the data where the source cannot be read."""
        kept = order.schema.permitted(order.columns)
        try:
            frame = self._sorted(order, kept)
            persons = _persons(frame)
            _write(frame.drop(REST), kept, order.target)
        except Refusal:
            raise
        except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError):
            raise Unavailable(_("Kildetabellen kunne ikke leses til et uttrekk."), code="extract") from None
        return Extracted(frame.height, persons, file_sha256(order.target))

    def _sorted(self, order: ExtractOrder, kept: Schema) -> pl.DataFrame:
        cipher = PersonCipher(order.project_key)
        objectors = objector_blocks(order, cipher)
        tables = [_shaped(ids, batch, cipher, objectors, kept) for ids, batch in _permitted_rows(order, kept)]
        layout = pa.schema([(PSEUDONYM, pa.uint64()), (REST, pa.uint64()), *_fields(kept)])
        frame = pl.DataFrame(pa.concat_tables(tables) if tables else layout.empty_table())
        dates = [column.name for column in kept.columns if column.type == "date"]
        others = [column.name for column in kept.columns if column.type != "date"]
        return frame.sort([PSEUDONYM, *dates, *others], nulls_last=True)


def objector_blocks(order: ExtractOrder, cipher: PersonCipher) -> Blocks:
    """Return the blocks that those who objected have in this project."""
    if not order.objections:
        return NO_BLOCKS
    stored = np.frombuffer(order.objections, "<u8").reshape(-1, 2)
    return PersonCipher(order.objection_key).rekeyed(stored, cipher)


def _permitted_rows(order: ExtractOrder, kept: Schema) -> Iterator[tuple[Any, Any]]:
    """Yield the person ids and the permitted columns of the rows that the permit's filters let through."""
    conditions = conditions_of(order.where, order.schema)
    person = order.schema.person_id.name
    names = [person, *(column.name for column in kept.columns), *(c.column.name for c in conditions)]
    with pq.ParquetFile(order.source) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=list(dict.fromkeys(names))):
            rows = batch.filter(pa.array(_met(conditions, batch))) if conditions else batch
            if rows.num_rows:
                yield rows.column(person).cast(pa.string()), rows


def _met(conditions: tuple[Condition, ...], batch: Any) -> Any:
    met = np.ones(batch.num_rows, np.bool_)
    for condition in conditions:
        met &= rows_meeting(condition, batch.column(condition.column.name))
    return met


def _shaped(ids: Any, rows: Any, cipher: PersonCipher, objectors: Blocks, kept: Schema) -> Any:
    blocks = cipher.blocks(ids)
    columns = [_normal(rows.column(column.name), column) for column in kept.columns]
    layout = pa.schema([(PSEUDONYM, pa.uint64()), (REST, pa.uint64()), *_fields(kept)])
    shaped = pa.table([pa.array(blocks[:, 0]), pa.array(blocks[:, 1]), *columns], schema=layout)
    return shaped.filter(pa.array(~among(blocks, objectors)))


def _normal(array: Any, column: Column) -> Any:
    """Return the values in the column's one type; NaN and infinity become missing, and -0.0 becomes 0.0."""
    values = array.cast(ARROW[column.type])
    if column.type != "decimal":
        return values
    finite = pc.fill_null(pc.is_finite(values), fill_value=False)
    return pc.if_else(finite, pc.add(values, 0.0), pa.scalar(None, pa.float64()))


def _fields(kept: Schema) -> list[tuple[str, Any]]:
    return [(column.name, ARROW[column.type]) for column in kept.columns]


def _persons(frame: pl.DataFrame) -> int:
    """Return how many persons there are. Raises `Unavailable` where two persons would share a pid."""
    if frame.height == 0:
        return 0
    pid, rest = frame[PSEUDONYM].to_numpy(), frame[REST].to_numpy()
    same = pid[1:] == pid[:-1]
    if (rest[1:][same] != rest[:-1][same]).any():
        raise Unavailable(_("To personer ville fått samme pseudonym. Uttrekket er ikke laget."), code="collision")
    return int(frame.height - same.sum())


def _write(frame: pl.DataFrame, kept: Schema, target: Path) -> None:
    layout = pa.schema([(PSEUDONYM, pa.uint64()), *_fields(kept)])
    table = frame.to_arrow().cast(layout).replace_schema_metadata(None)
    words = [column.name for column in kept.columns if column.type == "string"]
    pq.write_table(
        table,
        target,
        compression="zstd",
        compression_level=1,
        row_group_size=GROUP,
        use_dictionary=words,
        write_statistics=False,
        store_schema=False,
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
