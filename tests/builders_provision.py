"""What provisioning works on: a permit for two tables, an office, a vault, and a store that outlives a process."""

import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hvelv.kernel.errors import Denied, NotFound
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.transforms import ShiftDate, SuppressRare, as_documents
from hvelv.requests.domain.permit import PERMIT_STATE_NAMES, Permit, PermitState
from tests.builders_privacy import COLUMNS, DATASET, PROJECT, VERSION, a_source, a_world, labs_schema, some_rows

OTHER = "ds-more"
STEPS = {
    "day": (ShiftDate(kind="shift", days=90),),
    "test": (SuppressRare(kind="suppress", persons=30, instead=10),),
}


def a_permit(columns: tuple[str, ...] = ("sex",), **changes: Any) -> Permit:
    """Return a permit for two tables."""
    entry = {"holder": "h", "version": VERSION, "columns": list(columns), "where": [], "rho_micro": 1_000}
    document = {
        "id": "permit-1", "version": 1, "project": PROJECT, "title": "", "purpose": "", "legal_basis": "", "summary": "",
        "application": "app-1", "revision": "r", "lead": "kari", "members": [],
        "datasets": [entry | {"dataset": DATASET, "table": "labs"}, entry | {"dataset": OTHER, "table": "more"}],
        "conditions": [], "valid_from": "2026-01-01", "valid_until": "2026-12-31", "decided_at": "2026-01-01T00:00:00+00:00",
        "decision": {"votes": {"for": 3, "against": 0}, "stewards": ["h"]},
    }  # fmt: skip
    return Permit.from_document(document | changes)


@dataclass
class PermitOffice:
    """A permit office with one permit."""

    permit: Permit = field(default_factory=a_permit)
    state: PermitState = PermitState.ACTIVE

    def issued(self, _project: str) -> Any:
        return SimpleNamespace(permit=self.permit, state=self.state)

    def active_permit(self, _project: str, now: datetime) -> Permit:
        if self.state is not PermitState.ACTIVE or not self.permit.runs(now):
            raise Denied("Nei: {state}", code="permit-not-active", state=PERMIT_STATE_NAMES[self.state])
        return self.permit


class LabsDeclaration:
    """What both tables are declared as."""

    def as_dict(self) -> dict[str, Any]:
        schema: Schema = labs_schema()
        return {
            "table": "labs",
            "variables": [
                {
                    "name": c.name, "type": c.type, "role": c.role, "low": c.low, "high": c.high, "step": c.step,
                    "categories": [{"code": code} for code in c.categories] if c.categories else None,
                    "transforms": as_documents(STEPS.get(c.name, ())),
                }
                for c in schema.columns
            ],
        }  # fmt: skip


class FolderStore:
    """An object store in a folder. An object is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, bucket: str, name: str) -> Path:
        return self.folder / bucket / name

    def ensure_bucket(self, bucket: str) -> None:
        (self.folder / bucket).mkdir(parents=True, exist_ok=True)

    def put(self, bucket: str, name: str, data: bytes) -> None:
        path = self._path(bucket, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        piece = path.with_name(f".{path.name}")
        piece.write_bytes(data)
        piece.rename(path)

    def put_file(self, bucket: str, name: str, path: Path) -> None:
        target = self._path(bucket, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, piece := target.with_name(f".{target.name}"))
        piece.rename(target)

    def get(self, bucket: str, name: str) -> bytes:
        if not self._path(bucket, name).is_file():
            raise NotFound("Objektet finnes ikke i lageret.")
        return self._path(bucket, name).read_bytes()

    def get_file(self, bucket: str, name: str, path: Path) -> None:
        path.write_bytes(self.get(bucket, name))

    def opened(self, bucket: str, name: str) -> Any:
        raise NotImplementedError

    def move(self, bucket: str, name: str, to: str) -> None:
        raise NotImplementedError

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        top = self.folder / bucket
        found = (str(p.relative_to(top)) for p in top.rglob("*") if p.is_file() and not p.name.startswith("."))
        return sorted(name for name in found if name.startswith(prefix))

    def delete(self, bucket: str, name: str) -> None:
        self._path(bucket, name).unlink(missing_ok=True)


def a_desk(url: str, folder: Path, *, create: bool = True) -> Any:
    """Return a custodian with the permit, its job and its sources; with `create=False` the one that is there."""
    store = FolderStore(folder / "store")
    world = a_world(url, folder, create=create, store=store)
    if create:
        world.open_project()
        with world.database.transaction() as unit:
            world.desk.accounts.open_account(unit, OTHER, "Mer", 1_000, "steward")
            world.desk.jobs.queue(unit, "job-1", "provision", PROJECT)
        store.put_file("vault", "source", a_source(folder / "source.parquet", some_rows(60), groups=30))
    found = SimpleNamespace(object_name="source", declaration=LabsDeclaration())
    return SimpleNamespace(
        privacy=world.desk, jobs=world.desk.jobs, office=PermitOffice(a_permit(COLUMNS)), clock=world.clock,
        objects=store, versions=SimpleNamespace(find=lambda *_: found), database=world.database,
    )  # fmt: skip
