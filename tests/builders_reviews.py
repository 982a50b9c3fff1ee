"""Reviews as the portal asks for them, on a custodian in small that makes an extract anew when a steward wants steps."""

import random
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from hvelv.kernel.database import custodian
from hvelv.privacy.adapters.risk import PolarsMeasurer
from hvelv.privacy.adapters.store_reviews import SqlReviews
from hvelv.privacy.adapters.transforms import expression, suppressing
from hvelv.privacy.domain.risk import Policy
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.steps import SuppressRare, combined
from hvelv.privacy.service.reviews import Reviews, Surroundings

LABS = Schema(
    "lab_values",
    (
        Column(
            "age", "integer", "quasi_identifier",
            low=18, high=110, step=1, unit="år", title={"nb": "Alder ved prøven", "en": "Age at test"},
        ),
        Column("sex", "integer", "quasi_identifier", categories=(1, 2), title={"nb": "Kjønn", "en": "Sex"}),
        Column("place", "string", "quasi_identifier", title={"nb": "Kommune", "en": "Municipality"}),
        Column("day", "date", "date", title={"nb": "Prøvedato", "en": "Day of test"}),
        Column(
            "value", "decimal", "sensitive",
            low=0, high=1000, step=0.1, title={"nb": "Målt verdi", "en": "Measured value"},
        ),
    ),
)  # fmt: skip
TYPES = {"pid": pl.UInt64, "age": pl.Int64, "sex": pl.Int64, "place": pl.String, "day": pl.Date, "value": pl.Float64}
HOLDER, GENERATION = "lab", 1


def lab_rows(persons=3000, seed=7):
    """Return rows as an extract has them: one or two a person, sorted by person."""
    source = random.Random(seed)
    rows = []
    for pid in sorted({source.randrange(2**63) for _ in range(persons)}):
        age, sex, place = int(source.triangular(18, 100, 62)), source.choice((1, 2)), int(source.paretovariate(0.9))
        known = {"pid": pid, "age": age, "sex": sex, "place": f"{46 + place // 12 % 8}{min(place, 60):02d}"}
        rows += [
            known
            | {
                "day": date(2020, 1, 1) + timedelta(days=source.randrange(330)),
                "value": round(source.lognormvariate(3, 0.6)) / 2,
            }
            for _ in range(source.choice((1, 1, 2)))
        ]
    return rows


def all_steps(schema, extra):
    """Return the steps of each column: the declared ones, then `extra`."""
    return {c.name: combined(c.transforms, extra.get(c.name, ())) for c in schema.columns}


def prepared(folder, rows, schema, steps):
    """Write the rows as the parts of an extract after `steps`; return parts and the schema they have then.

    Raises `Invalid`, as the extraction does, for steps that the columns cannot be extracted with.
    """
    steps = {c.name: steps.get(c.name, ()) for c in schema.columns}
    frame = pl.DataFrame(rows, schema=None if rows else TYPES, schema_overrides={"pid": pl.UInt64}).sort(
        "pid", maintain_order=True
    )
    made = {c.name: c for c in schema.extracted(steps, steps).columns}
    frame = frame.select("pid", *(expression(schema.find(n), all_steps(schema, steps)[n], b"k" * 32) for n in made))
    for name, done in all_steps(schema, steps).items():
        if name in made and done and isinstance(done[-1], SuppressRare):
            counts = frame.select("pid", name).unique().group_by(name).len().filter(pl.col("len") < done[-1].persons)
            frame = frame.with_columns(suppressing(made[name], done[-1], counts[name].drop_nulls().to_list()))
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "0.parquet")
    return [folder / "0.parquet"], Schema(schema.table, tuple(made.values()))


class Custodian:
    """A database, reviews, and what makes extracts: an answer of the steward has the extract offered again."""

    def __init__(self, folder, clock, *, project, dataset, url="", policy=None, rows=None, needed=True, schema=LABS):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.project, self.dataset, self.needed = folder, project, dataset, needed
        self.database = custodian(url or f"sqlite:///{folder / 'custodian.sqlite'}", clock=clock)
        self.database.create_all()
        self.rows = lab_rows() if rows is None else rows
        self.schema, self.generation = schema, GENERATION
        self.resumed, self.members, self.verdicts = [], {"ola", "per"}, []
        around = Surroundings(self.resume, lambda _project, person: person in self.members, folder / "kept")
        self.reviews = Reviews(
            self.database, SqlReviews(), PolarsMeasurer(), policy=policy or Policy(), around=around, clock=clock
        )
        self.answering = True

    def resume(self, project):
        """Make the extract again, as the workflow does when its job is back on the list."""
        self.resumed.append(project)
        if self.answering:
            self.offer()

    def offer(self, *, fingerprint="", table="lab_values", **more):
        """Prepare the extract with the steps that are decided on, and offer it."""
        steps = dict(self.reviews.steps(self.project, table, self.generation))
        parts, schema = prepared(self.folder / f"parts-{len(self.verdicts)}", self.rows, self.schema, steps)
        asked = {"dataset": self.dataset, "holder": HOLDER, "needed": self.needed, "declared": self.schema} | more
        asked = {"steps": all_steps(self.schema, steps)} | asked
        mark = fingerprint or f"f{sorted((n, [s.kind for s in done]) for n, done in steps.items())}"
        self.verdicts.append(
            self.reviews.offer(
                self.project, table, self.generation, schema=schema, parts=parts, fingerprint=mark, **asked
            )
        )
        return self.verdicts[-1]

    def actions(self):
        """Return what the audit trail says, oldest first."""
        with self.database.reading() as session:
            return [(row.actor, row.action) for row in self.database.trail.rows(session)]


class AskedReviews:
    """A `ReviewDoor` onto such a custodian, which is made when it is first asked."""

    def __init__(self, folder, clock, **more):
        self._made = folder, clock, more

    @cached_property
    def custodian(self):
        """Return the custodian, with one extract that waits."""
        folder, clock, more = self._made
        made = Custodian(folder, clock, **more)
        made.offer()
        return made

    def all(self, steward):
        return self.custodian.reviews.of_holder(steward.holder)

    def one(self, steward, project, table):
        return self.custodian.reviews.view(steward.holder, project, table)

    def preview(self, *asked):
        return self.custodian.reviews.preview(*asked)

    def apply(self, *asked):
        self.custodian.reviews.apply(*asked)

    def approve(self, *asked):
        self.custodian.reviews.approve(*asked)

    def refuse(self, *asked):
        self.custodian.reviews.refuse(*asked)


class NoReviews:
    """A `ReviewDoor` behind which nothing waits."""

    def all(self, steward):
        return []
