"""Every broken upload that the road must survive, one row each: what is said, on which line, in which column."""

import os
import random
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hvelv.catalog.adapters.faults import MOST_TOLD
from hvelv.catalog.adapters.reading import FileReader
from hvelv.catalog.domain.uploads import MASK, Checked
from tests.builders_catalog import NUMBERS, a_declaration, a_file, a_row


def read(tmp_path: Path, content: str | bytes, target: Path | None = None, **changes: object) -> Checked:
    path = tmp_path / "upload"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return FileReader().read(path, a_declaration(**changes), target)


def test_a_clean_file_gives_rows_persons_and_a_masked_preview(tmp_path: Path) -> None:
    checked = read(tmp_path, a_file(a_row(0), a_row(1, weight="")))

    assert (checked.problems, checked.warnings, checked.rows, checked.persons) == ((), (), 2, 2)
    assert checked.preview.rows[0] == (MASK, "44", "71.5", "F", "2020-02-29", MASK)


BAD = {
    "wrong delimiter": (a_file(a_row()).replace(",", ";"), "", 1, "Skilletegnet er"),
    "no delimiter at all": ("bare tekst\nher\n", "", 1, "Skilletegnet"),
    "latin-1 where utf-8 is said": (a_file(a_row(0), a_row(1)).encode("latin-1"), "", 2, "UTF-8"),
    "missing column": (a_file(a_row()).replace(",town", "").replace(",Bodø", ""), "town", 1, "mangler i filen"),
    "extra column": (a_file(a_row() + ",x").replace("town", "town,hemmelig"), "", 1, "Kolonne nummer 7"),
    "column twice": (a_file(a_row() + ",x").replace("town", "town,town"), "town", 1, "to ganger"),
    "ten digits": (a_file(a_row(0), a_row(1, fnr="1010112345")), "fnr", 3, "ti sifre"),
    "letters in the id": (a_file(a_row(0), a_row(1, fnr="0101011234x")), "fnr", 3, "ikke er sifre"),
    "twelve digits": (a_file(a_row(0), a_row(1, fnr="010101123456")), "fnr", 3, "elleve sifre"),
    "full-width digits": (a_file(a_row(fnr="０１０１０１１２３４５")), "fnr", 2, "ikke er sifre"),
    "no id": (a_file(a_row(fnr="")), "fnr", 2, "mangler"),
    "person twice": (a_file(a_row(0), a_row(1), a_row(0)), "fnr", 4, "mer enn én rad"),
    "below the bound": (a_file(a_row(age="-1")), "age", 2, "under nedre"),
    "above the bound": (a_file(a_row(age="111")), "age", 2, "over øvre"),
    "not in the code list": (a_file(a_row(sex="X")), "sex", 2, "kodeverket"),
    "not a whole number": (a_file(a_row(age="4.5")), "age", 2, "heltall"),
    "a number too large": (a_file(a_row(age="9" * 40)), "age", 2, "heltall"),
    "not a number": (a_file(a_row(weight="tung")), "weight", 2, "ikke et tall"),
    "infinity": (a_file(a_row(weight="inf")), "weight", 2, "ikke et tall"),
    "nan": (a_file(a_row(weight="nan")), "weight", 2, "ikke et tall"),
    "overflowing exponent": (a_file(a_row(weight="1e999")), "weight", 2, "ikke et tall"),
    "wrong decimal mark": (a_file(a_row(weight='"71,5"')), "weight", 2, "ikke et tall"),
    "not a date": (a_file(a_row(drawn="2021-02-29")), "drawn", 2, "dato"),
    "the year nought": (a_file(a_row(drawn="0000-12-31")), "drawn", 2, "år 1 til 9999"),
    "a year of five digits": (a_file(a_row(drawn="12020-02-28")), "drawn", 2, "år 1 til 9999"),
    "a date the other way round": (a_file(a_row(drawn="29.02.2020")), "drawn", 2, "dato"),
    "nothing where something must be": (a_file(a_row(age="")), "age", 2, "mangler"),
    "a short line": (a_file(a_row(0), "12,13", a_row(1)), "", 3, "Linjen har 2 kolonner"),
    "a long line": (a_file(a_row(0), a_row(1) + ",,"), "", 3, "Linjen har 8 kolonner"),
    "a blank line in the middle": (a_file(a_row(0), "", a_row(1)), "", 3, "Linjen er tom"),
    "an open quote": (a_file(a_row(0), a_row(1, town='"Bodø')), "", None, "anførselstegn"),
    "empty": (b"", "", None, "tom"),
    "only a header": (a_file(), "", 1, "ingen rader"),
    "only blank lines": (b"\n\n\n", "", 1, "Første linje er tom"),
    "nul bytes": (a_file(a_row(0), a_row(1)).encode() + b"\0\0", "", 4, "nullbyte"),
    "binary without text": (b"GIF8\n\x00", "", 2, "nullbyte"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "", 3, "nullbyte"),
    "a line of two megabytes": (a_file(a_row(0), "x" * (2 << 20)), "", 3, "lengre enn"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_file_is_told_of_by_line_and_column(name: str, tmp_path: Path) -> None:
    content, field, row, words = BAD[name]

    problems = read(tmp_path, content).problems

    assert [(p.field, p.row) for p in problems][:1] == [(field, row)]
    assert words in problems[0].text()


@pytest.mark.parametrize("name", [n for n in BAD if n not in {"missing column", "column twice"}])
def test_a_problem_never_quotes_the_file(name: str, tmp_path: Path) -> None:
    content, _field, _row, _words = BAD[name]
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    cells = {c for line in text.splitlines()[1:] for c in line.split(",") if len(c) > 3}

    told = " ".join(p.text() for p in read(tmp_path, content).problems)

    assert not [cell for cell in cells if cell in told]
    assert "hemmelig" not in told


def test_latin_1_and_decimal_comma_are_read_when_they_are_declared(tmp_path: Path) -> None:
    text = a_file(a_row(weight="71;5")).replace(",", "\t").replace(";", ",")
    target = tmp_path / "out.parquet"

    checked = read(
        tmp_path,
        text.encode("latin-1"),
        target,
        format={"kind": "csv", "delimiter": "\t", "encoding": "latin-1", "decimal": ","},
    )

    assert checked.problems == ()
    assert pq.read_table(target).to_pylist()[0]["town"] == "Bodø"
    assert pq.read_table(target).to_pylist()[0]["weight"] == 71.5


def test_utf_8_where_latin_1_is_said_is_noticed(tmp_path: Path) -> None:
    said = {"kind": "csv", "delimiter": ",", "encoding": "latin-1", "decimal": "."}
    problems = read(tmp_path, a_file(a_row(0), a_row(1, town="Ås")), format=said).problems
    assert (problems[0].row, "Latin-1" in problems[0].text()) == (3, True)


def test_a_leading_zero_and_the_order_of_columns_survive(tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    lines = [",".join(reversed(line.split(","))) for line in a_file(a_row(0), a_row(1)).splitlines()]

    checked = read(tmp_path, "\n".join(lines), target)

    table = pq.read_table(target)
    assert checked.problems == ()
    assert table.column_names[0] == "fnr"
    assert table["fnr"].to_pylist() == NUMBERS[:2]
    assert table["fnr"].to_pylist()[0].startswith("0")


def test_control_digits_warn_and_do_not_stop(tmp_path: Path) -> None:
    wrong = NUMBERS[1][:-1] + str((int(NUMBERS[1][-1]) + 1) % 10)
    checked = read(tmp_path, a_file(a_row(0), a_row(1, fnr=wrong)))
    assert checked.problems == ()
    assert [(w.field, w.row, w.params) for w in checked.warnings] == [("fnr", 3, {"count": 1})]


def test_lines_are_counted_past_broken_lines_and_line_breaks_in_quotes(tmp_path: Path) -> None:
    rows = [a_row(0, town='"to\nlinjer"'), "1,2", a_row(1), a_row(2, age="999")]
    problems = read(tmp_path, a_file(*rows)).problems
    assert [(p.field, p.row) for p in problems if p.field == "age"] == [("age", 6)]


def test_fifty_places_are_told_of_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [a_row(0, fnr=f"{i:011d}", age="999") for i in range(300)]
    problems = read(tmp_path, a_file(*rows)).problems
    assert len(problems) == MOST_TOLD + 1
    assert problems[-1].params == {"count": 250}


def test_a_file_has_no_names_or_statistics_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    read(tmp_path, a_file(a_row(0)), target)
    metadata = pq.ParquetFile(target).metadata
    assert metadata.metadata is None
    assert metadata.row_group(0).column(0).statistics is None


def junk(kind: str, path: Path) -> None:
    size = 2 << 30
    with path.open("wb") as file:
        if kind == "zeros":
            file.truncate(size)
        elif kind == "one endless line":
            file.write(b"fnr,age,weight,sex,drawn,town\n")
            os.posix_fallocate(file.fileno(), 0, 1 << 20)
            file.write(b"x" * (4 << 20))
            file.truncate(size)
        elif kind == "rows that are none":
            file.write(a_file().encode())
            file.write(b"a,b\n" * (8 << 20))
        else:
            file.write(random.Random(1).randbytes(1 << 20))
            file.truncate(size)


@pytest.mark.parametrize("kind", ["zeros", "one endless line", "random", "rows that are none"])
def test_gigabytes_of_junk_cost_a_moment_and_little_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "junk"
    junk(kind, path)
    tracemalloc.start()
    began = time.monotonic()

    checked = FileReader().read(path, a_declaration())

    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert checked.problems
    assert len(checked.problems) <= MOST_TOLD + 1
    assert time.monotonic() - began < 10
    assert peak < 64 << 20
    path.unlink()


PARQUET = {"kind": "parquet", "delimiter": ",", "encoding": "utf-8", "decimal": "."}


def parquet(tmp_path: Path, **columns: pa.Array) -> bytes:
    good = {
        "fnr": pa.array(NUMBERS[:2]),
        "age": pa.array([44, 45]),
        "weight": pa.array([71.5, None]),
        "sex": pa.array(["F", "M"]),
        "drawn": pa.array(["2020-02-28", "2020-02-29"]).cast(pa.date32()),
        "town": pa.array(["Bodø", "Ås"]),
    }
    pq.write_table(pa.table(good | columns), tmp_path / "made")
    return (tmp_path / "made").read_bytes()


def test_parquet_is_read_and_gives_the_same_canonical_file_as_csv(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    read(tmp_path, a_file(a_row(0), a_row(1, weight="")), one)
    checked = read(
        tmp_path,
        parquet(
            tmp_path,
            age=pa.array([44, 44]),
            sex=pa.array(["F", "F"]),
            drawn=pa.array(["2020-02-29"] * 2).cast(pa.date32()),
            town=pa.array(["Bodø"] * 2),
        ),
        two,
        format=PARQUET,
    )
    assert checked.problems == ()
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("columns", "field", "row"),
    [
        ({"fnr": pa.array([1010112345, 2])}, "fnr", None),
        ({"age": pa.array([44, 400])}, "age", 2),
        ({"age": pa.array([44, None])}, "age", 2),
        ({"drawn": pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32())}, "drawn", 2),
        ({"drawn": pa.array([0, -(2**31)], pa.int32()).cast(pa.date32())}, "drawn", 2),
        ({"drawn": pa.array([2_932_897, 0], pa.int32()).cast(pa.date32())}, "drawn", 1),
        ({"drawn": pa.array([-719_163, 0], pa.int32()).cast(pa.date32())}, "drawn", 1),
        ({"drawn": pa.array([0, 2**62], pa.int64()).cast(pa.date64())}, "drawn", 2),
        ({"drawn": pa.array([0, -(2**62)], pa.int64()).cast(pa.date64())}, "drawn", 2),
        ({"weight": pa.array([float("nan"), 70.0])}, "weight", 1),
        ({"fnr": pa.array([NUMBERS[0]] * 2)}, "fnr", 2),
        ({"sex": pa.array(["F", "Q"])}, "sex", 2),
    ],
)
def test_a_broken_parquet_file_is_told_of_by_row_and_column(
    columns: dict[str, pa.Array], field: str, row: int | None, tmp_path: Path
) -> None:
    problems = read(tmp_path, parquet(tmp_path, **columns), format=PARQUET).problems
    assert (problems[0].field, problems[0].row) == (field, row)


@pytest.mark.parametrize("content", [b"PAR1 not at all PAR1", b"\0" * 100, b"fnr,age\n1,2\n"])
def test_what_is_no_parquet_file_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    problems = read(tmp_path, content, format=PARQUET).problems
    assert [p.params for p in problems] == [{"kind": "parquet"}]
