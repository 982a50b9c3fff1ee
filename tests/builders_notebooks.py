"""The demo's project in one process: its three registers, the custodian's door, and the lab on it. No walls, no network."""

import asyncio
import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import FastAPI

from hvelv.enclave.lab import Door, Project
from hvelv.enclave.service.lab_project import _variables
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.kernel.ids import RandomIds
from hvelv.kernel.link import ACTOR
from hvelv.kernel.signing import Signer
from hvelv.kernel.web import answer_refusals
from hvelv.operation import demo_data
from hvelv.privacy.adapters.wiring import Surroundings, desk
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.pages import lab_api
from hvelv.privacy.pages.documents import PROJECT as PROJECT_HEADER
from hvelv.privacy.service.extraction import Wanted, parts_digest
from hvelv.privacy.service.extracts import Extract, Part
from hvelv.privacy.service.optouts import Asked
from hvelv.privacy.service.releases import SourceVersion
from tests.builders_blocks import HereRunner
from tests.builders_privacy import a_keyring
from tests.fakes import MemoryStore

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PROJECT, PERSON, PURPOSE = "p-demo", "kari", "scientific_research"
RHO = {"population": 600_000, "laboratory": 200_000, "diagnoses": 300_000}  # as the demo asks for
ARROW = {"string": pa.string(), "integer": pa.int64(), "decimal": pa.float64()}


class Runner(HereRunner):
    """Runs blocks in this process: the notebooks' code is ours."""

    possible = True


class AppDoor(Door):
    """The lab's door onto an app in this process, as the gateway opens it for one session."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(pause=0)
        self.app = app

    def _connected(self) -> Any:
        return self

    def request(self, method: str, path: str, json: Any) -> httpx.Response:
        """Ask once."""

        async def asked() -> httpx.Response:
            transport, headers = httpx.ASGITransport(self.app), {ACTOR: PERSON, PROJECT_HEADER: PROJECT}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://lab", headers=headers, timeout=300
            ) as client:
                return await client.request(method, path, json=json)

        return asyncio.run(asked())


@dataclass(frozen=True)
class Permits:
    """Says yes to one member, of all variables."""

    tables: tuple[PermittedTable, ...]

    def permission(self, project: str, person: str) -> Permission:
        return Permission(project, person, 1, self.tables)


@dataclass(frozen=True)
class Versions:
    """The declared schemas, by dataset."""

    schemas: dict[str, Schema]

    def version(self, dataset: str, content_hash: str) -> SourceVersion:
        return SourceVersion(self.schemas[dataset], "vault", f"{dataset}.parquet")


def schema_of(table: str) -> Schema:
    """Return a register's declared schema."""
    return Schema.from_declaration({"table": table, "variables": demo_data.DECLARED[table]})


def columns_of(table: str) -> tuple[str, ...]:
    """Return what the demo applies for of a register: everything but the person number."""
    return tuple(each["name"] for each in demo_data.DECLARED[table] if each["role"] != "person_id")


def written(table: str, frame: pd.DataFrame, folder: Path) -> Path:
    """Write a register as a published version is."""
    layout = pa.schema([(each["name"], ARROW[each["type"]]) for each in demo_data.DECLARED[table]])
    path = folder / f"{table}.parquet"
    pq.write_table(pa.Table.from_pandas(frame.reset_index(drop=True), layout, preserve_index=False), path)
    return path


@contextmanager
def a_demo(folder: Path, *, rho: dict[str, int] = RHO) -> Iterator[Project]:
    """Yield the demo's project as its notebooks see it."""
    schemas = {table: schema_of(table) for table in rho}
    tables = tuple(PermittedTable(table, table, f"v-{table}", columns_of(table)) for table in rho)
    clock, store = SetClock(), MemoryStore()
    database = custodian(f"sqlite:///{folder}/custodian.sqlite", clock=clock)
    database.create_all()
    office = desk(
        Surroundings(
            database=database, store=store, signer=Signer.generate(), kek=a_keyring(folder, clock), permits=Permits(tables),
            versions=Versions(schemas), clock=clock, ids=RandomIds(), cache=folder / "cache", delta=1e-6, code_version="test",
            purposes=(PURPOSE,), holders=lambda: {"h-demo"}, blocks=Runner(),
        )
    )  # fmt: skip
    with database.transaction() as unit:
        for table in rho:
            office.accounts.open_account(unit, table, table, 6_000_000, "steward")
        office.projects.open(unit, PROJECT, dict(rho), "office")
    _provision(office, store, tables, schemas, folder)
    app = FastAPI()
    app.state.privacy = office
    app.include_router(lab_api.router)
    app.get("/lab/project")(lambda: _project(office, schemas))
    answer_refusals(app)
    yield Project(AppDoor(app))
    database.close()


def _provision(office: Any, store: MemoryStore, tables: Any, schemas: dict[str, Schema], folder: Path) -> None:
    frames = demo_data._frames()
    asked = [Asked(table.table, "h-demo") for table in tables]
    wanted = [Wanted(each, schemas[each.table], written(each.table, frames[each.table], folder)) for each in tables]
    seen = office.optouts.look(asked, PURPOSE)
    work = folder / "work"
    work.mkdir()
    extracts = []
    for made, table in zip(
        office.extraction.prepare(PROJECT, wanted, seen, work, told=lambda _done, _of: None), tables, strict=True
    ):
        parts = []
        for part in made.parts:
            name = f"{table.table}-{part.sha256}.parquet"
            store.put_file(PROJECT, name, part.path)
            parts.append(Part(name, part.sha256, part.rows, part.persons))
        extracts.append(
            Extract(
                project=PROJECT, dataset=table.dataset, table=table.table, permit_version=1, generation=1, bucket=PROJECT,
                parts=tuple(parts), sha256=parts_digest([part.sha256 for part in parts]), steps=made.steps,
                objections=seen.fingerprint, fingerprint=made.fingerprint, job="job-0", code_version="test", at=SetClock().now(),
            )
        )  # fmt: skip
    office.extracts.publish(extracts, seen, "provision")


def _project(office: Any, schemas: dict[str, Schema]) -> dict[str, Any]:
    """Return what the gateway tells of the project."""
    datasets = [
        {"name": table, "title": table, "rows": 1, "persons": 1, "hash": "", "variables": _variables(schema, columns_of(table), {})}
        for table, schema in schemas.items()
    ]  # fmt: skip
    budget = [line | {"table": line["dataset"]} for line in office.projects.budget(PROJECT)]
    return {
        "id": PROJECT,
        "title": "Demo",
        "purpose": PURPOSE,
        "person": PERSON,
        "permit": {},
        "datasets": datasets,
        "budget": budget,
    }


def run(cells: list[str], room: dict[str, Any], *, name: str = "notebook") -> Iterator[Any]:
    """Run a notebook's cells as a kernel does, and yield what each shows: the value of its last line, or None."""
    import ast

    for number, source in enumerate(cells, start=1):
        place = f"<{name}, cell {number}>"
        linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, place, "exec"), room)  # noqa: S102 - our own notebooks
        yield eval(compile(ast.Expression(last.value), place, "eval"), room) if last else None  # type: ignore[attr-defined] # noqa: S307
