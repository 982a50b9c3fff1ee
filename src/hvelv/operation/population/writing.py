"""Writing registers: Parquet with the vault's columns and row groups, filled up as blocks of people come.

Code lists and repeated person numbers go to the file as dictionaries, so a row costs an index and not a text; the file
itself has plain text columns, as the reader of uploads wants them.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.catalog.adapters.canonical_file import ROW_GROUP, schema
from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.domain.words import ValueType
from hvelv.operation.population.numbers import as_texts
from hvelv.operation.population.rows import NO_DAY, Columns

Ints = npt.NDArray[Any]

CODED = pa.dictionary(pa.int32(), pa.string())


class RegisterFile:
    """One register being written. `rows`: how many there are so far."""

    def __init__(self, path: Path, declaration: Declaration) -> None:
        self._declaration = declaration
        self._lists = {
            v.name: pa.array(v.code_list.codes, pa.string())
            for v in declaration.variables
            if v.code_list and v.type is ValueType.STRING
        }
        coded = set(self._lists) | ({declaration.person_id.name} if not declaration.person_unique else set())
        plain = schema(declaration)
        self._schema = pa.schema([f.with_type(CODED) if f.name in coded else f for f in plain])
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", write_statistics=False, store_schema=False, version="2.6"
        )
        self._waiting: Columns = {}
        self.rows = 0

    def add(self, columns: Columns) -> None:
        """Add rows. Whole row groups are written; what is left waits for the next block."""
        count = len(columns[self._declaration.person_id.name])
        held = self.rows % ROW_GROUP
        self.rows += count
        taken = min(ROW_GROUP - held, count) if held else 0
        if held:
            self._waiting = {k: np.concatenate([w, columns[k][:taken]]) for k, w in self._waiting.items()}
            if held + taken < ROW_GROUP:
                return
            self._write(self._waiting)
        while taken + ROW_GROUP <= count:
            self._write({k: v[taken : taken + ROW_GROUP] for k, v in columns.items()})
            taken += ROW_GROUP
        self._waiting = {k: v[taken:].copy() for k, v in columns.items()}

    def _write(self, columns: Columns) -> None:
        arrays = [self._array(v, columns[v.name]) for v in self._declaration.variables]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def _array(self, variable: Variable, values: Ints) -> pa.Array:
        if variable.name in self._lists:
            return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32)), self._lists[variable.name])
        if variable.identifying:
            return as_texts(values) if self._schema.field(variable.name).type == pa.string() else _in_runs(values)
        if variable.type is ValueType.DATE:
            days = pa.array(values.astype(np.int32), mask=values == NO_DAY if variable.nullable else None)
            return days.view(pa.date32())
        return pa.array(values).cast(self._schema.field(variable.name).type)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Write what waits, and the footer."""
        if kind is None and self.rows % ROW_GROUP:
            self._write(self._waiting)
        self._writer.close()


def _in_runs(numbers: Ints) -> pa.Array:
    """Return the numbers as texts by way of a dictionary; equal ones mostly follow each other.

    The dictionary has no text twice: Parquet could not take it over, and would write every row's text instead.
    """
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    lengths = np.diff(starts, append=len(numbers))
    distinct, which = np.unique(numbers[starts], return_inverse=True)
    indices = np.repeat(which.astype(np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(indices), as_texts(distinct))
