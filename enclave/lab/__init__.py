"""The notebook side of Hvelv: your project's data, and answers that may leave it.

    from hvelv.enclave.lab import project

    project                                     # what you have, and what is left of the budget
    patients = project.read("patients")         # a pandas DataFrame; stays in here
    query = project.query("patients").where("age", ">=", 50).by("sex").count()
    query.quote(rho=0.01)                       # price and expected error, free
    release = query.release(rho=0.01)           # the certified answer, charged
    project.export([release.table("Patients by sex")], title="First look")

Everything here is optional comfort over a few questions by HTTP on a socket; nothing in it decides anything. It needs
httpx, pandas, pyarrow and, for pictures, matplotlib, and nothing else of the platform. Polars, DuckDB and tqdm are used
where they are there and asked for.
"""

from hvelv.enclave.lab.answers import Release
from hvelv.enclave.lab.asking import Question
from hvelv.enclave.lab.columns import (
    Col,
    all_of,
    any_of,
    any_row,
    band,
    clamp,
    count_rows,
    days,
    first,
    flag,
    group,
    highest,
    last,
    lowest,
    minus,
    month,
    none_of,
    plus,
    prefix,
    times,
    total,
    value,
    weekday,
    year,
)
from hvelv.enclave.lab.door import Door, Refused
from hvelv.enclave.lab.drawing import Picture
from hvelv.enclave.lab.kinds import Query
from hvelv.enclave.lab.outbox import Export, Item
from hvelv.enclave.lab.pricing import Sql
from hvelv.enclave.lab.quotes import Quote
from hvelv.enclave.lab.room import Budget, Dataset, Project
from hvelv.enclave.lab.wishes import Wish

project = Project(Door())

__all__ = [
    "Budget",
    "Col",
    "Dataset",
    "Door",
    "Export",
    "Item",
    "Picture",
    "Project",
    "Query",
    "Question",
    "Quote",
    "Refused",
    "Release",
    "Sql",
    "Wish",
    "all_of",
    "any_of",
    "any_row",
    "band",
    "clamp",
    "count_rows",
    "days",
    "first",
    "flag",
    "group",
    "highest",
    "last",
    "lowest",
    "minus",
    "month",
    "none_of",
    "plus",
    "prefix",
    "project",
    "times",
    "total",
    "value",
    "weekday",
    "year",
]
