"""The vault's own form of a table: Parquet, zstd, the declared columns and types, and nothing else in the file."""

from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.words import ValueType

ARROW_TYPES = {
    ValueType.STRING: pa.string(),
    ValueType.INTEGER: pa.int64(),
    ValueType.DECIMAL: pa.float64(),
    ValueType.DATE: pa.date32(),
    ValueType.BOOLEAN: pa.bool_(),
}
ROW_GROUP = 100_000


def schema(declaration: Declaration) -> pa.Schema:
    """Return the columns in the order declared."""
    return pa.schema(
        [pa.field(v.name, ARROW_TYPES[v.type], nullable=v.nullable) for v in declaration.variables], metadata=None
    )


class CanonicalFile:
    """A file being written. No key-value metadata and no statistics: they would tell values to whoever sees the footer."""

    def __init__(self, path: Path, declaration: Declaration) -> None:
        self._schema = schema(declaration)
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", write_statistics=False, store_schema=False, version="2.6"
        )

    def write(self, values: pl.DataFrame) -> None:
        """Add rows."""
        table = values.to_arrow().cast(self._schema)
        self._writer.write_table(table, row_group_size=ROW_GROUP)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Write the footer."""
        self._writer.close()
