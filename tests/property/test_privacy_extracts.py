"""An extract holds exactly what the permit says of those who have not objected, and nothing of anybody's number."""

import dataclasses
import itertools
import secrets
import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Refusal
from hvelv.privacy.adapters import spreading
from hvelv.privacy.adapters.extraction import ParquetExtractor
from hvelv.privacy.adapters.objecting import Buffers
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.domain.identifiers import BadIdentifiers
from hvelv.privacy.domain.source import filters_from
from hvelv.privacy.domain.transforms import Bands, Clip, ShiftDate, SuppressRare, transforms_from
from hvelv.privacy.service.keys import ProjectKeys
from tests.builders_privacy import (
    COLUMNS,
    PROJECT_KEYS,
    a_person_number,
    a_source,
    an_order,
    forms_of,
    labs_schema,
    some_rows,
)

KEY, OTHER_KEY, OBJECTION_KEY = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
KEYS = PROJECT_KEYS
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def extracted(
    rows, *, columns=COLUMNS, where=(), keys=KEYS, objectors=(), changed=(), folder=None, groups=7, **changes
):
    """Return the extract's table and its bytes. Chunks and parts are so small that there are many of both."""
    with tempfile.TemporaryDirectory() as own, patch.multiple(spreading, CHUNK_ROWS=20, PART_ROWS=16):
        place = Path(folder or own)
        (place / "work").mkdir()
        blocks = partial(Buffers().blocks, OBJECTION_KEY)
        pairs = sorted((blocks([old]), blocks([new])) for old, new in changed)
        order = an_order(
            a_source(place / "source.parquet", rows, groups=groups),
            place / "work",
            columns=tuple(columns),
            where=filters_from(list(where)),
            keys=keys,
            register_key=OBJECTION_KEY,
            objections=blocks(list(objectors)) if objectors else b"",
            canonical=b"".join(old + new for old, new in pairs),
            **changes,
        )
        made = ParquetExtractor().extract(order, lambda _done, _of: None)
        table = pa.concat_tables([pq.read_table(part.path) for part in made])
        assert sum(part.rows for part in made) == table.num_rows
        assert sum(part.persons for part in made) == len(set(table.column("pid").to_pylist()))
        return table, b"".join(part.path.read_bytes() for part in made)


@FEW
@given(
    st.integers(0, 10**6),
    st.sets(st.sampled_from([*COLUMNS, "person_number", "name", "note"])),
    st.sets(st.integers(0, 11), max_size=5),
    st.sampled_from([(), ({"column": "age", "op": ">=", "value": 40},)]),
)
def test_exactly_the_permitted_rows_and_columns_of_those_who_have_not_objected(seed, columns, objecting, where):
    rows = some_rows(12, seed=seed)
    away = {a_person_number(number) for number in objecting}

    table, _raw = extracted(rows, columns=columns, objectors=sorted(away), where=where)

    names = [name for name in COLUMNS if name in columns]  # never the person, the name or the free text
    assert table.column_names == ["pid", *names]
    expected = [row for row in rows if row["person_number"] not in away and (not where or row["age"] >= 40)]
    found = table.drop_columns(["pid"]).to_pylist()
    if "day" in names:
        found = [row | {"day": row["day"].toordinal() - 719_163} for row in found]
    assert sorted(map(str, found)) == sorted(str({name: row[name] for name in names}) for row in expected)
    assert len(set(table.column("pid").to_pylist())) == len({row["person_number"] for row in expected})


def model(rows, columns, objecting, changed, minimum):
    """Return what an extract holds, worked out row by row: number, and values after the steps below."""
    kept = []
    for row in rows:
        number = changed.get(row["person_number"], row["person_number"])
        if number in {changed.get(n, n) for n in objecting} or row["age"] < minimum:
            continue
        values = row | {
            "age": "18–39" if row["age"] < 40 else "40–66" if row["age"] < 67 else "67+",
            "value": row["value"] if row["value"] is None else min(row["value"], 30.0),
        }
        kept.append((number, {name: values[name] for name in COLUMNS if name in columns}))
    who = {test: {number for number, values in kept if values.get("test") == test} for test in (10, 20, 30)}
    for _number, values in kept:
        if "test" in values and len(who[values["test"]]) < FEWEST:
            values["test"] = 0
    return kept


FEWEST = 4
STEPS = {
    "age": (Bands(kind="bands", edges=(18, 40, 67)),),
    "value": (Clip(kind="clip", high=30.0),),
    "test": (SuppressRare(kind="suppress", persons=FEWEST, instead=0),),
    "day": (ShiftDate(kind="shift", days=100),),
}


@FEW
@given(
    st.integers(0, 10**6),
    st.sets(st.sampled_from(COLUMNS)),
    st.sets(st.integers(0, 9), max_size=4),
    st.dictionaries(st.integers(0, 4), st.integers(5, 9), max_size=3),
    st.integers(18, 60),
)
def test_steps_changed_numbers_and_objections_give_what_is_worked_out_row_by_row(
    seed, columns, objecting, changed, minimum
):
    rows = some_rows(10, seed=seed)
    renumbered = {a_person_number(old): a_person_number(new) for old, new in changed.items()}
    canonical = {
        renumbered.get(a_person_number(n), a_person_number(n)) for n in objecting
    }  # as the register gives them

    table, _raw = extracted(
        rows,
        columns=columns,
        objectors=sorted(canonical),
        changed=sorted(renumbered.items()),
        where=[{"column": "age", "op": ">=", "value": minimum}],
        extra={name: steps for name, steps in STEPS.items() if name in columns},
    )

    expected = model(rows, columns, {a_person_number(n) for n in objecting}, renumbered, minimum)
    found = table.to_pylist()
    assert len({row["pid"] for row in found}) == len({number for number, _values in expected})
    plain = [{name: value for name, value in row.items() if name not in {"pid", "day"}} for row in found]
    wanted = [{name: value for name, value in values.items() if name != "day"} for _number, values in expected]
    assert sorted(map(repr, plain)) == sorted(map(repr, wanted))
    if "day" in columns:  # each person's days are moved together, by no more than was said
        shifts = _moved(found, expected)
        assert all(abs(shift) <= 100 for shift in shifts)


def _moved(found, expected):
    """Return by how many days each person was moved; fails where two of a person's rows were moved differently."""
    theirs, ours = {}, {}
    for row in found:
        theirs.setdefault(row["pid"], []).append(row["day"].toordinal() - 719_163)
    for number, values in expected:
        ours.setdefault(number, []).append(values["day"])
    shapes = sorted(tuple(day - min(days) for day in sorted(days)) for days in theirs.values())
    assert shapes == sorted(tuple(day - min(days) for day in sorted(days)) for days in ours.values())
    cipher, dates = PersonCipher(KEY), PersonCipher(KEYS.dates)
    import numpy as np

    moved = []
    for number, days in ours.items():
        block = cipher.blocks(pa.array([number]))
        whole = int(dates.encrypted(block)[0, 0] % np.uint64(731)) - 365
        shift = (whole + 365) * 201 // 731 - 100
        assert sorted(theirs[int(block[0, 0])]) == sorted(day + shift for day in days)
        moved.append(shift)
    return moved


@pytest.mark.parametrize("day", [2**31 - 1, -(2**31), 2_932_897, -719_163])
@pytest.mark.parametrize(
    "steps", [(), ({"kind": "month"},), ({"kind": "year"},), ({"kind": "shift", "days": 9}, {"kind": "month"})]
)
def test_one_absurd_date_in_a_source_stops_no_extract(day, steps):
    rows = some_rows(3, each=1)
    rows[0]["day"] = day

    table, _raw = extracted(rows, columns=("day",), extra={"day": transforms_from(list(steps))} if steps else {})

    assert table.column("day").null_count == 1
    assert len(table.to_pylist()) == 3


@pytest.mark.attack("PS05")
def test_dates_are_moved_by_a_key_of_their_own_and_not_by_the_pseudonym():
    rows = some_rows(60)
    steps = {"day": STEPS["day"]}

    first = extracted(rows, columns=("day",), extra=steps)[0]
    other = extracted(rows, columns=("day",), extra=steps, keys=ProjectKeys(KEY, bytes(range(9, 41)), KEYS.codes))[0]

    assert first.column("pid").equals(other.column("pid"))
    assert not first.column("day").equals(other.column("day"))


@FEW
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_how_the_source_is_cut_changes_no_byte(seed, one, other):
    rows = some_rows(10, seed=seed)
    extra = {name: STEPS[name] for name in ("age", "test", "day")}

    assert extracted(rows, groups=one, extra=extra)[1] == extracted(rows, groups=other, extra=extra)[1]


def test_parts_and_row_groups_are_cut_between_persons_and_follow_one_another(tmp_path, monkeypatch):
    monkeypatch.setattr("hvelv.privacy.adapters.gathering.GROUP_ROWS", 5)

    extracted(some_rows(60, each=4), folder=tmp_path)

    seen = []
    for path in sorted((tmp_path / "work").glob("part-*.parquet")):
        file = pq.ParquetFile(path)
        groups = [file.read_row_group(i).column("pid").to_pylist() for i in range(file.num_row_groups)]
        seen += groups
    assert len(seen) > 10
    for before, after in itertools.pairwise(seen):
        assert before[-1] < after[0]


@pytest.mark.attack("PS09")
@FEW
@given(st.integers(0, 10**6))
def test_no_identifier_is_left_in_the_bytes_in_any_form(seed):
    rows = some_rows(10, seed=seed)

    _table, raw = extracted(rows, columns=[*COLUMNS, "person_number", "name", "note"])

    for row in rows:
        for name in ("person_number", "name", "note"):
            assert not any(form in raw for form in forms_of(row[name]))


def test_the_file_says_nothing_but_its_columns(tmp_path):
    _table, raw = extracted(some_rows(), folder=tmp_path)

    metadata = pq.ParquetFile(tmp_path / "work" / "part-00000.parquet").metadata
    assert metadata.metadata is None
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            assert metadata.row_group(group).column(column).statistics is None
    assert b"source" not in raw
    assert b"ARROW:schema" not in raw


@pytest.mark.attack("PS06")
def test_the_same_order_gives_the_same_bytes_whatever_the_sources_order():
    rows = some_rows()

    one = extracted(rows)[1]

    assert extracted(list(reversed(rows)))[1] == one
    assert extracted(sorted(rows, key=lambda row: row["person_number"]))[1] == one


def test_rows_are_sorted_by_pseudonym_and_a_persons_by_date():
    table, _raw = extracted(some_rows())

    pairs = list(zip(table.column("pid").to_pylist(), table.column("day").to_pylist(), strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.attack("PS03")
def test_a_person_is_one_in_all_of_a_projects_tables_and_in_no_other_projects():
    rows = some_rows()
    persons = len({row["person_number"] for row in rows})

    labs, again = extracted(rows)[0], extracted(rows[: len(rows) // 2], columns=("age",))[0]
    other = extracted(rows, keys=ProjectKeys(OTHER_KEY, KEYS.dates, KEYS.codes))[0]

    ours, theirs = set(labs.column("pid").to_pylist()), set(other.column("pid").to_pylist())
    assert set(again.column("pid").to_pylist()) < ours
    assert len(ours) == len(theirs) == persons
    assert not ours & theirs
    assert not {pid >> 48 for pid in ours} & {pid >> 48 for pid in theirs}
    order = [
        (cipher.blocks(numbers())[:, 0]).argsort().tolist() for cipher in (PersonCipher(KEY), PersonCipher(OTHER_KEY))
    ]
    assert order[0] != order[1]


def numbers(count=500):
    import pyarrow as pa

    return pa.array([a_person_number(number) for number in range(count)])


@pytest.mark.attack("PS09")
def test_a_pseudonym_tells_nothing_of_the_numbers_digits():
    """Chi-square of each digit against the pseudonym's low bits stays below its 1 - 1e-6 point."""
    import numpy as np
    from scipy.stats import chi2

    ids = numbers(20_000)
    low = PersonCipher(secrets.token_bytes(32)).blocks(ids)[:, 0] & np.uint64(15)
    for place in range(11):
        digit = np.array([int(text[place]) for text in ids.to_pylist()])
        table = np.zeros((10, 16))
        np.add.at(table, (digit, low.astype(int)), 1)
        table = table[table.sum(1) > 0]
        if len(table) < 2:
            continue
        expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
        distance = ((table - expected) ** 2 / expected).sum()
        assert distance < chi2.ppf(1 - 1e-6, (table.shape[0] - 1) * 15)


@pytest.mark.parametrize(
    "number", ["0181011234", "018101123456", "0181011234x", "０1810112345", "", None, "01810 12345"]
)
def test_a_number_of_another_form_stops_the_extract_and_is_not_quoted(number):
    rows = some_rows(3)
    rows[1]["person_number"] = number

    with pytest.raises(BadIdentifiers) as refusal:
        extracted(rows)

    assert not number or number not in str(refusal.value.as_dict())


def test_a_source_of_another_type_stops_the_extract_without_quoting_it(tmp_path):
    import pyarrow as pa

    path = a_source(tmp_path / "s.parquet", some_rows(3))
    table = pq.read_table(path)
    pq.write_table(table.set_column(3, "age", pa.array(["Kari Nordmann"] * table.num_rows)), path)
    order = an_order(path, tmp_path, columns=("age",))

    with pytest.raises(Refusal) as refusal:
        ParquetExtractor().extract(order, lambda _done, _of: None)

    assert "Kari" not in str(refusal.value.as_dict())


def test_an_order_shows_no_key():
    order = an_order(Path("a"), Path("b"), register_key=OBJECTION_KEY, objections=b"objector", canonical=b"renumbered")

    assert "\\x01" not in repr(order)
    assert "objector" not in repr(order)
    assert "renumbered" not in repr(order)


def test_a_table_that_everybody_objected_to_is_empty_and_still_has_its_columns():
    rows = some_rows(3)

    table, _raw = extracted(rows, objectors=sorted({row["person_number"] for row in rows}))

    assert table.num_rows == 0
    assert table.column_names[0] == "pid"


def test_rare_codes_of_a_variable_that_is_not_permitted_concern_nobody(tmp_path):
    """The steward declared suppression of a variable that the permit leaves out."""
    test = next(column for column in labs_schema().columns if column.name == "test")
    schema = labs_schema(test=dataclasses.replace(test, transforms=STEPS["test"]))

    table, raw = extracted(some_rows(), columns=("age",), schema=schema)

    assert table.column_names == ["pid", "age"]
    assert raw == extracted(some_rows(), columns=("age",))[1]
