"""Strict reading of a steward's file by its declaration: batch by batch, nothing guessed, every fault with its place."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from hvelv.catalog.adapters.canonical_file import CanonicalFile
from hvelv.catalog.adapters.checking import dated, findings, held, parsed
from hvelv.catalog.adapters.faults import Faults, TooManyFaultsError
from hvelv.catalog.adapters.persons import Numbers, Persons
from hvelv.catalog.adapters.sniffing import PYTHON_CODEC, columns_match, header, sniff_bytes
from hvelv.catalog.domain.declaration import Declaration, FileKind
from hvelv.catalog.domain.uploads import MASK, PREVIEW_ROWS, Checked, Preview
from hvelv.catalog.domain.words import ValueType
from hvelv.kernel.errors import Problem, _

BATCH = 100_000  # rows
CSV_BLOCK = 8 << 20  # bytes; more than the longest line
SWELLING = 50  # how many times larger than the file its unpacked columns may be
LONGEST_SHOWN = 80  # characters of one value in the preview
PARQUET_TYPES = {
    ValueType.STRING: lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    ValueType.INTEGER: pa.types.is_integer,
    ValueType.DECIMAL: lambda t: pa.types.is_floating(t) or pa.types.is_integer(t),
    ValueType.DATE: pa.types.is_date,
    ValueType.BOOLEAN: pa.types.is_boolean,
}


@dataclass(frozen=True)
class _Batch:
    """Some rows with the line each one came from. `texts` where the file held texts to be parsed."""

    frame: pl.DataFrame
    lines: Numbers
    texts: bool


class FileReader:
    """Reads CSV and Parquet; see `read`."""

    def read(self, path: Path, declaration: Declaration, target: Path | None = None) -> Checked:
        """Return what is found in the file. Writes the canonical Parquet form to `target` as it goes, if one is given.

        Memory is bounded by batches, whatever the file. With problems in the answer, `target` is worth nothing.
        """
        faults, persons = Faults(), Persons(unique=declaration.person_unique)
        rows, preview = 0, Preview()
        try:
            with ExitStack() as open_files:
                out = open_files.enter_context(CanonicalFile(target, declaration)) if target else None
                for batch in _batches(path, declaration, faults):
                    if not rows:
                        preview = _preview(batch.frame, declaration)
                    values = _checked(batch, declaration, faults, persons)
                    rows += batch.frame.height
                    if out is not None and not faults.count:
                        out.write(values)
        except TooManyFaultsError:
            pass
        except (pa.ArrowException, pl.exceptions.PolarsError, UnicodeError, OverflowError):
            # The libraries' own messages quote the file, so none of them goes further than here.
            if not faults.stopped:
                faults.add(_("Filen kan ikke leses som {kind}."), kind=declaration.format.kind.value)
        if not rows and not faults.count:
            faults.add(_("Filen har ingen rader."))
        return Checked(faults.told(), _warnings(persons, declaration), preview, rows, persons.count())


def _batches(path: Path, declaration: Declaration, faults: Faults) -> Iterator[_Batch]:
    if path.stat().st_size == 0:
        faults.add(_("Filen er tom."))
        return
    if declaration.format.kind is FileKind.PARQUET:
        yield from _parquet(path, declaration, faults)
    else:
        yield from _csv(path, declaration, faults)


def _csv(path: Path, declaration: Declaration, faults: Faults) -> Iterator[_Batch]:
    # The header first: most wrong files show themselves there, without a pass over the whole.
    of_header = Faults()
    names = header(path, declaration, of_header)
    sniffed = sniff_bytes(path, declaration.format.encoding, faults, start_only=names is None)
    if faults.count:
        return
    if names is None:
        faults.take(of_header)
        return
    broken: list[int] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        broken.append(int(row.number))
        said = _("Linjen har {found} kolonner, ikke {expected}.")
        try:
            faults.add(said, row=int(row.number), found=row.actual_columns, expected=row.expected_columns)
        except TooManyFaultsError:
            return "error"  # an exception does not get through the library's parser; this stops it
        return "skip"

    reader = arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            block_size=CSV_BLOCK,
            column_names=list(names),
            skip_rows=1,
            encoding=PYTHON_CODEC[declaration.format.encoding],
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=declaration.format.delimiter,
            newlines_in_values=sniffed.quoted,
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=True
        ),
    )
    line, drift = 2, 0
    with reader:
        for record in reader:
            frame = pl.DataFrame(pl.from_arrow(record)).select(declaration.names)
            lines, line = _lines(line, frame.height, broken)
            if sniffed.quoted:
                breaks = _breaks(frame)
                lines = lines + drift + np.cumsum(breaks) - breaks
                drift += int(breaks.sum())
            yield _Batch(frame, lines, texts=True)


def _lines(first: int, rows: int, broken: list[int]) -> tuple[Numbers, int]:
    """Return the lines of the next `rows` good rows from line `first` on, and the line after them."""
    ahead = np.array([n for n in broken if n >= first], dtype=np.int64)
    candidates = np.arange(first, first + rows + len(ahead), dtype=np.int64)
    lines = candidates[~np.isin(candidates, ahead)][:rows]
    return lines, int(lines[-1]) + 1 if rows else first


def _breaks(frame: pl.DataFrame) -> Numbers:
    """Return how many line breaks each row's values hold."""
    counted = frame.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True))).to_series()
    return counted.cast(pl.Int64).to_numpy()


def _parquet(path: Path, declaration: Declaration, faults: Faults) -> Iterator[_Batch]:
    with pq.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        columns_match(names, declaration, faults)
        if faults.count:
            return
        for variable in declaration.variables:
            if not PARQUET_TYPES[variable.type](file.schema_arrow.field(variable.name).type):
                faults.add(_("Kolonnen har en annen type i filen enn den som er oppgitt."), variable.name)
        unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if unpacked > max(SWELLING * path.stat().st_size, 1 << 30):
            faults.add(_("Filen blir for stor når den pakkes ut."))
        if faults.count:
            return
        row = 1
        for record in file.iter_batches(batch_size=BATCH, columns=list(declaration.names), use_threads=False):
            record.validate(full=True)
            frame = pl.DataFrame(pl.from_arrow(record)).select(declaration.names)
            yield _Batch(frame, np.arange(row, row + frame.height, dtype=np.int64), texts=False)
            row += frame.height


def _checked(batch: _Batch, declaration: Declaration, faults: Faults, persons: Persons) -> pl.DataFrame:
    """Note the batch's faults in the order of lines and return its values by type."""
    values: dict[str, pl.Series] = {}
    found: list[tuple[int, str, str]] = []
    total = 0
    if batch.texts:
        blank = batch.frame.select(pl.all_horizontal(pl.all() == "")).to_series()
        for at in batch.lines[blank.to_numpy()]:
            faults.add(_("Linjen er tom."), row=int(at))
        batch = _Batch(batch.frame.filter(~blank), batch.lines[~blank.to_numpy()], batch.texts)
    for variable in declaration.variables:
        column = batch.frame[variable.name]
        raw = column.set(column == "", None) if batch.texts else column
        typed = parsed(raw, variable, declaration.format.decimal) if batch.texts else held(raw, variable)
        values[variable.name] = typed
        for finding in findings(raw, typed, variable):
            places = finding.bad.arg_true().head(faults.room).to_list()
            total += int(finding.bad.sum())
            found.extend((int(batch.lines[i]), variable.name, finding.message) for i in places)
    repeated = persons.take(values[declaration.person_id.name], batch.lines)
    total += len(repeated)
    again = _("Personen står i mer enn én rad, og tabellen er oppgitt med én rad per person.")
    found.extend((int(at), declaration.person_id.name, again) for at in repeated[: faults.room])
    told = sorted(found)[: faults.room]
    for at, name, message in told:
        faults.add(message, name, at)
    faults.add_uncounted(total - len(told))
    return pl.DataFrame(values)


def _preview(frame: pl.DataFrame, declaration: Declaration) -> Preview:
    """Show the first rows as text, identities masked."""
    shown = frame.head(PREVIEW_ROWS)
    shown = shown.with_columns(dated(column) for column in shown.iter_columns() if column.dtype.is_temporal())
    masked = [v.identifying for v in declaration.variables]
    rows = tuple(
        tuple(
            MASK if hide else ("" if value is None else str(value)[:LONGEST_SHOWN])
            for value, hide in zip(row, masked, strict=True)
        )
        for row in shown.iter_rows()
    )
    return Preview(declaration.names, rows)


def _warnings(persons: Persons, declaration: Declaration) -> tuple[Problem, ...]:
    if not persons.doubtful:
        return ()
    message = _(
        "{count} personnumre har kontrollsifre eller dato som ikke stemmer. Se over dem; de stanser ikke publiseringen."
    )
    return (Problem(message, declaration.person_id.name, persons.first_doubtful, {"count": persons.doubtful}),)
