"""A custodian in small: a table of laboratory values, a project with a permit, an account, an extract."""

import base64
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.kernel.clock import Clock, SetClock
from hvelv.kernel.database import Database, custodian
from hvelv.kernel.errors import Denied
from hvelv.kernel.ids import RandomIds
from hvelv.kernel.signing import Signer
from hvelv.privacy.adapters.keyring import LocalKeyring
from hvelv.privacy.adapters.wiring import Surroundings, desk
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.plan import Plan, plan
from hvelv.privacy.domain.questions import query_from
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.service.desk import Desk
from hvelv.privacy.service.extraction import ExtractOrder, Wanted, parts_digest
from hvelv.privacy.service.extracts import Extract, Part
from hvelv.privacy.service.keys import ProjectKeys
from hvelv.privacy.service.optouts import Asked
from hvelv.privacy.service.releases import SourceVersion
from tests.fakes import MemoryStore

KEK = base64.urlsafe_b64encode(bytes(range(32))).decode()
PROJECT_KEYS = ProjectKeys(bytes(range(32)), bytes(range(3, 35)), bytes(range(4, 36)))
VERSION = "c0ffee"
PROJECT, PERSON, DATASET, TABLE = "p-one", "kari", "ds-labs", "labs"
ASKED, PURPOSE = Asked(DATASET, "h-labs"), "scientific_research"
COLUMNS = ("sex", "age", "smoker", "day", "value", "test")


def labs_schema(**changes: Any) -> Schema:
    """Return the whole schema of the laboratory table."""
    columns = (
        Column("person_number", "string", "person_id", nullable=False),
        Column("name", "string", "direct_identifier"),
        Column("sex", "string", "attribute", categories=("f", "m")),
        Column("age", "integer", "quasi_identifier", low=0, high=110, unit="år"),
        Column("smoker", "boolean", "attribute"),
        Column("day", "date", "date"),
        Column("value", "decimal", "sensitive", low=0, high=50, step=0.1, nullable=True),
        Column("test", "integer", "attribute", low=10, high=60, categories=(10, 20, 30)),
        Column("note", "string", "free_text"),
        Column("unbounded", "decimal", "sensitive"),
    )
    return Schema(TABLE, tuple(changes.get(column.name, column) for column in columns))


EXTRACT_SCHEMA = labs_schema().permitted([*COLUMNS, "unbounded"])


def a_query(**changes: Any) -> dict[str, Any]:
    """Return a valid query document."""
    return {"dataset": TABLE, "by": ["sex"], "measures": [{"kind": "count"}], "max_rows": 2, "max_groups": 1} | changes


def a_plan(**changes: Any) -> Plan:
    """Return the plan of a valid query."""
    return plan(query_from(a_query(**changes)), EXTRACT_SCHEMA)


def a_person_number(number: int) -> str:
    """Return a synthetic number: month + 80, control digits not looked at."""
    return f"{1 + number % 28:02d}{81 + number % 12:02d}{number % 100:02d}{number % 100000:05d}"


def some_rows(persons: int = 40, *, seed: int = 1, each: int = 3) -> list[dict[str, Any]]:
    """Return rows of the laboratory table, in no particular order."""
    source = random.Random(seed)
    rows = [
        {
            "person_number": a_person_number(number),
            "name": f"Navn{number} Etternavnsen",
            "sex": source.choice(["f", "m"]),
            "age": source.randrange(18, 95),
            "smoker": source.choice([True, False, None]),
            "day": source.randrange(15_000, 19_000),
            "value": source.choice([None, round(source.uniform(0, 60), 1)]),
            "test": source.choice([10, 20, 30]),
            "note": f"notat om Navn{number}",
            "unbounded": source.uniform(-1, 1),
        }
        for number in range(persons)
        for _ in range(each)
    ]
    source.shuffle(rows)
    return rows


SOURCE_LAYOUT = pa.schema(
    {
        "person_number": pa.string(),
        "name": pa.string(),
        "sex": pa.string(),
        "age": pa.int64(),
        "smoker": pa.bool_(),
        "day": pa.int32(),
        "value": pa.float64(),
        "test": pa.int64(),
        "note": pa.string(),
        "unbounded": pa.float64(),
    }.items()
)


def a_source(path: Path, rows: list[dict[str, Any]], *, groups: int = 1 << 20) -> Path:
    """Write the rows as the canonical Parquet file of a published version, in row groups of so many rows."""
    table = pa.Table.from_pylist(rows, SOURCE_LAYOUT)
    day = table.column("day").cast(pa.date32())
    pq.write_table(table.set_column(table.schema.get_field_index("day"), "day", day), path, row_group_size=groups)
    return path


def an_order(source: Path, folder: Path, **changes: Any) -> ExtractOrder:
    """Return an order for the laboratory table."""
    given = {"source": source, "folder": folder, "schema": labs_schema(), "columns": COLUMNS, "keys": PROJECT_KEYS}
    return ExtractOrder(**given | changes)


def forms_of(text: str) -> list[bytes]:
    """Return the ways in which a text could still stand in a file."""
    raw = text.encode()
    return [
        raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), base64.b64encode(raw).rstrip(b"="),
        base64.b64encode(raw[::-1]).rstrip(b"="), text.encode("utf-16-le"), int(text).to_bytes(8, "little"),
        int(text).to_bytes(8, "big"),
    ] if text.isdigit() else [raw, raw[::-1], raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")]  # fmt: skip


def an_extract_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows that already have a `pid`, in the order given."""
    layout = pa.schema(
        {
            "pid": pa.uint64(),
            "sex": pa.string(),
            "age": pa.int64(),
            "value": pa.float64(),
            "test": pa.int64(),
        }.items()
    )
    pq.write_table(pa.Table.from_pylist(rows, layout), path)
    return path


class Permits:
    """A stand-in for the requests package: says yes to members."""

    def __init__(self, columns: tuple[str, ...] = COLUMNS) -> None:
        self.members = {PERSON, "ola"}
        self.columns = columns

    def permission(self, project: str, person: str) -> Permission:
        if person not in self.members:
            raise Denied("Du er ikke medlem av prosjektet.")
        return Permission(project, person, 1, (PermittedTable(DATASET, TABLE, VERSION, self.columns),))


class Versions:
    """A stand-in for the catalogue's index: one version."""

    def version(self, dataset: str, content_hash: str) -> SourceVersion:
        return SourceVersion(labs_schema(), "vault", "labs.parquet")


@dataclass
class World:
    """A custodian with everything in it."""

    database: Database
    desk: Desk
    signer: Signer
    clock: SetClock
    store: MemoryStore
    folder: Path
    permits: Permits = field(default_factory=Permits)

    def open_project(self, project: str = PROJECT, rho_micro: int = 10_000) -> None:
        with self.database.transaction() as unit:
            self.desk.projects.open(unit, project, {DATASET: rho_micro}, "office")

    def provision(
        self, project: str = PROJECT, rows: list[dict[str, Any]] | None = None, *, version: int = 1
    ) -> Extract:
        """Make and publish the extract."""
        source = a_source(self.folder / "source.parquet", some_rows() if rows is None else rows)
        wanted = [Wanted(self.permits.permission(project, PERSON).table(TABLE), labs_schema(), source)]
        seen = self.desk.optouts.look([ASKED], PURPOSE)
        work = Path(tempfile.mkdtemp(dir=self.folder))
        (made,) = self.desk.extraction.prepare(project, wanted, seen, work, told=lambda _done, _of: None)
        parts = []
        for number, part in enumerate(made.parts):
            self.store.put_file(project, f"labs-{number}-{part.sha256}.parquet", part.path)
            parts.append(Part(f"labs-{number}-{part.sha256}.parquet", part.sha256, part.rows, part.persons))
        extract = Extract(
            project=project,
            dataset=DATASET,
            table=TABLE,
            permit_version=version,
            generation=self.desk.extracts.next_generation(project),
            bucket=project,
            parts=tuple(parts),
            sha256=parts_digest([part.sha256 for part in parts]),
            steps=made.steps,
            objections=seen.fingerprint,
            fingerprint=made.fingerprint,
            job="job-0",
            code_version="test",
            at=self.clock.now(),
        )
        self.desk.extracts.publish([extract], seen, "provision")
        return extract

    def release(self, key: str = "key-00000001", rho_micro: int = 1_000, person: str = PERSON, **query: Any) -> Any:
        return self.desk.releases.release(PROJECT, person, a_query(**query), rho_micro, key)

    def quote(self, rho_micro: int = 1_000, **query: Any) -> Any:
        return self.desk.releases.quote(PROJECT, PERSON, a_query(**query), rho_micro)

    def actions(self) -> list[str]:
        with self.database.reading() as session:
            return [row.action for row in self.database.trail.rows(session)]


def a_keyring(folder: Path, clock: Clock | None = None, **options: Any) -> LocalKeyring:
    """Return a keyring in `folder`/secrets, whose key-encryption key is made if there is none."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    if not (secrets / "kek").exists():
        (secrets / "kek").write_text(KEK + "\n")
    return LocalKeyring(secrets, clock or SetClock(), **options)


def a_world(url: str, folder: Path, *, cap: int = 100_000, create: bool = True, store: Any = None) -> World:
    """Return a custodian with an open account and nothing else."""
    clock = SetClock()
    database = custodian(url, clock=clock)
    if create:
        database.create_all()
    store, signer, permits = store or MemoryStore(), Signer.generate(), Permits()
    around = Surroundings(
        database=database,
        store=store,
        signer=signer,
        kek=a_keyring(folder, clock),
        permits=permits,
        versions=Versions(),
        clock=clock,
        ids=RandomIds(),
        cache=folder / "cache",
        delta=1e-6,
        code_version="test",
        purposes=(PURPOSE, "statistics"),
        holders=lambda: {ASKED.holder},
    )
    world = World(database, desk(around), signer, clock, store, folder, permits)
    if create:
        with database.transaction() as unit:
            world.desk.accounts.open_account(unit, DATASET, "Laboratoriet", cap, "steward")
    return world


def a_working_world(url: str, folder: Path, *, rho_micro: int = 10_000) -> World:
    """Return a custodian with a project whose extract is published."""
    world = a_world(url, folder)
    world.open_project(rho_micro=rho_micro)
    world.provision()
    return world
