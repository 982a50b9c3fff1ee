"""The sample population: valid numbers, people who live once, registers that agree, files that can be published as they are."""

import csv
import json
from datetime import date

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hvelv.catalog.adapters.canonical_file import ROW_GROUP, schema
from hvelv.catalog.adapters.reading import FileReader
from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.person_number import control_digits_hold, date_holds
from hvelv.operation import cli
from hvelv.operation.cli_sample import covered
from hvelv.operation.population import folder, making, places
from hvelv.operation.population.declarations import REGISTERS, document
from hvelv.operation.population.figures import BIRTHS, CANCERS, DEATHS, DISPENSINGS, EPISODES, Wanted
from hvelv.operation.population.folder import FEWEST_PERSONS, MOST_PERSONS, checked, produce
from hvelv.operation.population.numbers import as_texts, calendar, person_numbers
from hvelv.operation.population.writing import RegisterFile
from hvelv.operation.trouble import Trouble

WANTED = Wanted(20_000, seed=7)
SMALL = Wanted(2_000, 2023, 2023, seed=7)
WHEN = {
    "episodes": ("admission_date", "discharge_date"),
    "prescriptions": ("dispensed_date",),
    "deaths": ("death_date",),
    "cancers": ("diagnosis_date",),
    "births": ("birth_date",),
}


def quietly(_done: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    target = tmp_path_factory.mktemp("population") / "made"
    produce(WANTED, target, force=False, progress=quietly)
    return target


@pytest.fixture(scope="module")
def hamlet(tmp_path_factory):
    target = tmp_path_factory.mktemp("population") / "hamlet"
    produce(SMALL, target, force=False, progress=quietly)
    return target


@pytest.fixture(scope="module")
def frames(made):
    return {table: pl.read_parquet(made / f"{table}.parquet") for table in REGISTERS}


@pytest.fixture(scope="module")
def changed(made):
    return pl.read_csv(made / "canonical.csv", schema={"old": pl.String, "new": pl.String})


@pytest.fixture(scope="module")
def linked(frames, changed):
    """Every register's rows, with the person's present number and life."""
    pairs = dict(changed.iter_rows())
    lives = frames["persons"].select("fnr", born="birth_date", died="death_date", woman=pl.col("sex") == "F")
    return {
        table: frame.with_columns(pl.col("fnr").replace(pairs)).join(lives, on="fnr", how="left")
        for table, frame in frames.items()
    }


def digits(numbers):
    return np.array([[int(c) for c in number] for number in numbers], dtype=np.uint8)


def test_every_number_is_valid_synthetic_and_given_once(frames, changed):
    numbers = frames["persons"]["fnr"].to_list() + changed["old"].to_list()

    taken = digits(numbers)

    assert len(set(numbers)) == len(numbers)
    assert control_digits_hold(taken).all()
    assert date_holds(taken).all()
    assert ((taken[:, 2] * 10 + taken[:, 3] > 80) & (taken[:, 2] * 10 + taken[:, 3] <= 92)).all()
    assert (taken[: len(frames["persons"]), 0] < 4).all()
    assert (taken[len(frames["persons"]) :, 0] >= 4).all()


def test_a_number_tells_birth_date_and_sex(frames):
    persons = frames["persons"]
    written = persons.select(
        day=pl.col("fnr").str.slice(0, 2).cast(int) == pl.col("birth_date").dt.day(),
        month=pl.col("fnr").str.slice(2, 2).cast(int) - 80 == pl.col("birth_date").dt.month(),
        year=pl.col("fnr").str.slice(4, 2).cast(int) == pl.col("birth_date").dt.year() % 100,
        sex=(pl.col("fnr").str.slice(8, 1).cast(int) % 2 == 0) == (pl.col("sex") == "F"),
    )

    assert written.select(pl.all().all()).row(0) == (True, True, True, True)


@pytest.mark.parametrize("day", [date(1899, 12, 31), date(1939, 12, 31), date(1940, 1, 1), date(2000, 2, 29)])
@pytest.mark.parametrize("women", [True, False])
def test_a_birth_day_has_the_serials_of_its_century(day, women):
    days = np.array([(day - date(1970, 1, 1)).days])

    serials = [int(n) // 100 % 1000 for n in person_numbers(days, np.array([90]), women=women)]

    low, high = (500, 749) if day.year < 1900 else (0, 999) if 1940 <= day.year < 2000 else (0, 499)
    low, high = (500, 999) if day.year >= 2000 else (low, high)
    assert all(low <= s <= high and s % 2 == (0 if women else 1) for s in serials)
    assert len(set(serials)) == 90


def test_more_people_than_numbers_on_a_day_are_refused_not_repeated():
    with pytest.raises(OverflowError):
        person_numbers(np.array([10_000]), np.array([400]), women=True)


def test_days_become_dates_and_numbers_become_texts():
    assert [part.tolist() for part in calendar(np.array([0, 59, -1]))] == [[1970, 1970, 1969], [1, 3, 12], [1, 1, 31]]
    assert as_texts(np.array([1_234, 31_129_912_345])).to_pylist() == ["00000001234", "31129912345"]


def test_as_many_are_born_and_die_and_fall_ill_as_is_published(frames, made):
    rows = json.loads((made / "manifest.json").read_text())["rows"]

    assert rows == {t: len(f) for t, f in frames.items()} | {k: rows[k] for k in ("canonical", "objections")}
    assert rows["persons"] == WANTED.persons
    assert rows["births"] == pytest.approx(WANTED.of(BIRTHS), rel=0.01)
    assert rows["deaths"] == pytest.approx(WANTED.of(DEATHS), rel=0.12)
    assert rows["cancers"] == pytest.approx(WANTED.of(CANCERS), rel=0.12)
    assert rows["episodes"] == pytest.approx(WANTED.of(EPISODES), rel=0.06)
    assert rows["prescriptions"] == pytest.approx(WANTED.of(DISPENSINGS), rel=0.06)
    assert rows["canonical"] == pytest.approx(WANTED.persons * 0.005, rel=0.35)
    assert rows["objections"] == pytest.approx(WANTED.persons * 0.01, rel=0.3)
    assert frames["deaths"]["age"].mean() == pytest.approx(78, abs=3)


@pytest.mark.parametrize(("table", "column"), [("births", "birth_date"), ("deaths", "death_date")])
def test_every_year_has_its_share_of_births_and_deaths(frames, table, column):
    years = dict(frames[table].group_by(pl.col(column).dt.year()).len().iter_rows())

    assert sorted(years) == [2020, 2021, 2022, 2023, 2024]
    assert all(n == pytest.approx(len(frames[table]) / 5, rel=0.25) for n in years.values())


@pytest.mark.parametrize("table", WHEN)
def test_nothing_happens_outside_a_life_or_the_period(linked, table):
    rows = linked[table]

    assert rows["born"].null_count() == 0  # everyone in a register is in the population
    for column in WHEN[table]:
        assert (rows[column] >= rows["born"]).all()
        assert (rows[column] <= rows["died"].fill_null(date(2024, 12, 31))).all()
        assert rows[column].min() >= date(2020, 1, 1)
    if table == "episodes":
        assert (rows["discharge_date"] >= rows["admission_date"]).all()


def test_deaths_and_births_agree_with_the_persons(linked, frames):
    persons = frames["persons"]

    assert (linked["deaths"]["death_date"] == linked["deaths"]["died"]).all()
    assert len(frames["deaths"]) == persons["death_date"].count()
    assert len(frames["births"]) == len(persons.filter(pl.col("birth_date") >= date(2020, 1, 1)))
    assert (linked["births"]["birth_date"] == linked["births"]["born"]).all()


def test_mothers_are_women_of_fertile_age_who_were_in_hospital_that_day(linked, changed):
    births = linked["births"].with_columns(pl.col("mother_fnr").replace(dict(changed.iter_rows())))
    mothers = linked["persons"].select(mother_fnr="fnr", mother_born="born", mother_died="died", mother_woman="woman")
    known = births.join(mothers, on="mother_fnr", how="left")
    deliveries = linked["episodes"].filter(pl.col("diagnosis").is_in(["O809", "O829"]))
    days = known.join(deliveries, left_on=["mother_fnr", "birth_date"], right_on=["fnr", "admission_date"], how="left")
    age = (known["birth_date"] - known["mother_born"]).dt.total_days() / 365.25

    assert known["mother_woman"].all()
    assert known["mother_woman"].null_count() == 0
    assert age.min() >= 15
    assert age.max() < 50
    assert (age - known["mother_age"]).is_between(0, 1, closed="left").all()
    assert (known["mother_died"].is_null() | (known["mother_died"] >= known["birth_date"])).all()
    assert days["diagnosis"].null_count() == 0
    apart = known.unique(["mother_fnr", "birth_date"]).sort("mother_fnr", "birth_date")
    gaps = apart.select(pl.col("birth_date").diff().over("mother_fnr").dt.total_days())["birth_date"].drop_nulls()
    assert gaps.min() >= 300


def test_rows_before_the_change_carry_the_d_number(frames, changed):
    old, new = set(changed["old"]), set(changed["new"])
    rows = pl.concat([frames["prescriptions"].select("fnr", day="dispensed_date"),
                      frames["episodes"].select("fnr", day="admission_date")])  # fmt: skip
    last = dict(rows.filter(pl.col("fnr").is_in(list(old))).group_by("fnr").agg(pl.col("day").max()).iter_rows())
    first = dict(rows.filter(pl.col("fnr").is_in(list(new))).group_by("fnr").agg(pl.col("day").min()).iter_rows())
    pairs = [(last[o], first[n]) for o, n in changed.iter_rows() if o in last and n in first]

    assert len(pairs) > len(changed) / 3
    assert all(before < after for before, after in pairs)
    assert not old & set(frames["persons"]["fnr"])
    assert new <= set(frames["persons"]["fnr"])


def test_the_same_person_is_much_in_every_register(frames):
    counts = frames["persons"].select("fnr", "death_date", "birth_date")
    for table in ("episodes", "prescriptions"):
        counts = counts.join(frames[table].group_by("fnr").len(table), on="fnr", how="left").fill_null(0)
    alike = counts.filter(pl.col("birth_date").is_between(date(1960, 1, 1), date(1969, 12, 31)))

    lived = (pl.col("death_date").fill_null(date(2024, 12, 31)) - date(2020, 1, 1)).dt.total_days() + 1
    yearly = alike.with_columns(pl.col("episodes") / lived, died=pl.col("death_date").is_not_null())
    means = dict(yearly.group_by("died").agg(pl.col("episodes").mean()).iter_rows())

    assert alike.select(pl.corr("episodes", "prescriptions")).item() > 0.6
    assert means[True] > 1.3 * means[False]


def test_who_has_a_cancer_is_treated_for_it_from_then_on_and_may_die_of_it(linked):
    cancers = linked["cancers"].select("fnr", "site", "diagnosis_date")
    treated = linked["episodes"].join(cancers, on="fnr").filter(pl.col("diagnosis").str.slice(0, 3) == pl.col("site"))
    dead = linked["deaths"].join(cancers, on="fnr")

    assert treated["fnr"].n_unique() > 0.4 * len(cancers)
    assert (treated["admission_date"] >= treated["diagnosis_date"]).mean() > 0.98
    assert (dead["cause"].str.slice(0, 3) == dead["site"]).mean() > 0.7


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(hamlet, tmp_path):
    one = json.loads((hamlet / "manifest.json").read_text())

    same = produce(SMALL, tmp_path / "same", force=False, progress=quietly)
    other = produce(Wanted(2_000, 2023, 2023, seed=8), tmp_path / "other", force=False, progress=quietly)

    assert one == same
    assert one["files"]["prescriptions.parquet"] != other["files"]["prescriptions.parquet"]


def test_blocks_add_up_whatever_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "BLOCK", 700)
    made = produce(Wanted(10_000, seed=7), tmp_path / "p", force=False, progress=quietly)
    persons = pl.read_parquet(tmp_path / "p" / "persons.parquet")

    assert made["rows"]["persons"] == persons["fnr"].n_unique() == 10_000
    assert made["rows"]["births"] == pytest.approx(500, rel=0.02)
    assert made["rows"]["deaths"] == pytest.approx(400, rel=0.15)


@pytest.mark.parametrize("table", REGISTERS)
def test_a_steward_can_publish_a_register_as_it_is(hamlet, table):
    declaration = Declaration.read(json.loads((hamlet / f"{table}.json").read_text()))

    found = FileReader().read(hamlet / f"{table}.parquet", declaration)

    assert found.problems == ()
    assert found.warnings == ()
    assert declaration.table == table
    assert all(v.title.en and v.title.nb for v in declaration.variables)


@pytest.mark.parametrize("table", REGISTERS)
def test_the_files_have_the_vaults_columns_and_row_groups(made, table):
    declaration = Declaration.read(document(table, WANTED))

    with pq.ParquetFile(made / f"{table}.parquet") as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        assert file.schema_arrow == schema(declaration)
        assert file.metadata.metadata is None
        assert all(g.num_rows == ROW_GROUP for g in groups[:-1])
        assert all(g.column(i).statistics is None for g in groups for i in range(g.num_columns))
        if not declaration.person_unique:  # repeated numbers are written once a row group
            assert all("RLE_DICTIONARY" in g.column(0).encodings for g in groups)


def test_rows_that_wait_for_a_full_row_group_are_not_lost(tmp_path):
    declaration = Declaration.read(document("prescriptions", WANTED))
    sizes = [1, ROW_GROUP - 2, 0, 3, 2 * ROW_GROUP, 5]
    numbers = np.arange(sum(sizes), dtype=np.int64)
    with RegisterFile(tmp_path / "f.parquet", declaration) as file:
        for end, size in zip(np.cumsum(sizes), sizes, strict=True):
            part = numbers[end - size : end]
            zeros = np.zeros(size, np.int32)
            file.add(
                {"fnr": part, "dispensed_date": zeros, "atc": zeros, "packs": zeros, "doses": zeros * 1.0}
                | {"reimbursed": zeros > 0}
            )

    written = pq.read_table(tmp_path / "f.parquet")["fnr"].to_pylist()

    assert written == [f"{n:011d}" for n in numbers]


def test_the_objections_are_of_people_in_the_population_by_either_number(made, frames, changed):
    with (made / "objections.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert tuple(rows[0]) == ("person_number", "scope", "since")
    assert {row["scope"] for row in rows} == {"all"}
    assert {row["person_number"] for row in rows} <= set(frames["persons"]["fnr"]) | set(changed["old"])
    assert all(date.fromisoformat(row["since"]) <= date(2024, 12, 31) for row in rows)


def test_the_municipalities_of_2024_are_there():
    assert len(places.MUNICIPALITIES) == 357
    assert {code[:2] for code in places.MUNICIPALITIES} == set(places.COUNTIES)
    assert places.shares().min() > 0
    assert places.shares().sum() == pytest.approx(1)


def test_a_folder_with_other_things_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(Trouble, match="other files"):
        produce(SMALL, tmp_path, force=False, progress=quietly)
    produce(SMALL, tmp_path, force=True, progress=quietly)
    produce(SMALL, tmp_path, force=False, progress=quietly)

    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_what_is_interrupted_leaves_the_earlier_population_whole(tmp_path, monkeypatch):
    earlier = produce(SMALL, tmp_path, force=False, progress=quietly)

    def stopped(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(Wanted(2_000, 2023, 2023, seed=9), tmp_path, force=False, progress=stopped)

    assert json.loads((tmp_path / "manifest.json").read_text()) == earlier
    assert not (tmp_path / folder.UNFINISHED).exists()
    for name, said in earlier["files"].items():
        assert (tmp_path / name).stat().st_size == said["bytes"]


def test_what_was_killed_is_cleared_and_made_anew(tmp_path):
    (tmp_path / folder.UNFINISHED).mkdir()
    (tmp_path / folder.UNFINISHED / "deaths.parquet").write_bytes(b"half")

    made = produce(SMALL, tmp_path, force=False, progress=quietly)

    assert {p.name for p in tmp_path.iterdir()} == {*made["files"], "manifest.json"}


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(FEWEST_PERSONS - 1),
        Wanted(MOST_PERSONS + 1),
        Wanted(20_000, 1999, 2003),
        Wanted(20_000, 2024, 2020),
        Wanted(20_000, 2030, 2040),
        Wanted(20_000, 2000, 2020),
        Wanted(20_000, seed=-1),
    ],
)
def test_what_cannot_be_made_is_said_beforehand(wanted):
    with pytest.raises(Trouble):
        checked(wanted)


def test_the_command_tells_the_rows_and_where_they_are(tmp_path):
    target = tmp_path / "p"

    done = CliRunner().invoke(
        cli.app, ["sample", "population", "--persons", "2000", "--to", str(target), "--years", "2023"]
    )

    assert done.exit_code == 0
    assert "persons" in done.output
    assert str(target) in done.output.replace("\n", "")
    assert json.loads((target / "manifest.json").read_text())["years"] == [2023, 2023]


@pytest.mark.parametrize(("text", "years"), [("2020-2024", (2020, 2024)), ("2024", (2024, 2024))])
def test_years_are_read(text, years):
    assert covered(text) == years


@pytest.mark.parametrize("text", ["", "20-24", "2020:2024", "2020-2024-2025", "two"])
def test_other_forms_of_years_are_refused(text):
    with pytest.raises(Trouble):
        covered(text)
