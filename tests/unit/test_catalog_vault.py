"""The vault: what is published is whole and findable, what fails leaves nothing behind."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from hvelv.catalog.adapters.reading import FileReader
from hvelv.catalog.adapters.store_vault import SqlVersionRows
from hvelv.catalog.adapters.waiting_room import DiskRoom
from hvelv.catalog.pages import vault_api
from hvelv.catalog.service.vault import Vault, VersionIndex
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import Database, custodian
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Problem, Unavailable
from hvelv.kernel.web import answer_refusals
from tests.builders_catalog import NUMBERS, Caller, a_declaration_document, a_file, a_row
from tests.fakes import MemoryStore

LIMIT = 100_000
CLEAN = a_file(a_row(0), a_row(1)).encode()


class Accounts:
    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []
        self.told: list[dict[str, Any]] = []
        self.fails = False

    def open_account(self, unit: Any, dataset: str, title: str, cap: int, actor: str, **told: Any) -> None:
        if self.fails:
            raise Unavailable("nei")
        self.opened.append((dataset, cap))
        self.told.append(told)


class Forms:
    """A form check that refuses when told to."""

    def __init__(self) -> None:
        self.refuses = False

    def check(self, declaration: Any) -> None:
        if self.refuses:
            raise Invalid((Problem("passer ikke", "age"),))


@dataclass
class Custody:
    vault: Vault
    index: VersionIndex
    database: Database
    objects: MemoryStore
    folder: Path
    accounts: Accounts
    forms: Forms
    clock: SetClock = field(default_factory=SetClock)

    def upload(self, content: bytes = CLEAN, upload: str = "u-0001", actor: str = "stine") -> str:
        incoming = self.vault.receive(actor, upload, "fil.csv")
        incoming.write(content)
        incoming.finish()
        return upload

    def events(self) -> list[str]:
        with self.database.reading() as session:
            return [row.action for row in self.database.trail.rows(session)]

    def left(self) -> list[str]:
        return sorted(p.name for p in self.folder.iterdir())


@pytest.fixture
def custody(tmp_path: Path) -> Iterator[Custody]:
    database = custodian(f"sqlite:///{tmp_path}/custodian.sqlite")
    database.create_all()
    objects, accounts, forms, clock = MemoryStore(), Accounts(), Forms(), SetClock()
    folder = tmp_path / "uploads"
    vault = Vault(
        database,
        SqlVersionRows(),
        objects=objects,
        room=DiskRoom(folder, LIMIT),
        reader=FileReader(),
        forms=forms,
        accounts=accounts,
        clock=clock,
        default_cap=2_000_000,
    )
    yield Custody(vault, VersionIndex(database, SqlVersionRows()), database, objects, folder, accounts, forms, clock)
    database.close()


def test_a_published_file_is_in_the_vault_and_no_longer_in_the_waiting_room(custody: Custody) -> None:
    made = custody.vault.publish("stine", custody.upload(), "d-1", a_declaration_document(), None, holder="h-lab")

    found = custody.index.find("d-1", made.content_hash)
    assert (found.rows, found.persons, found.declaration.table) == (2, 2, "liver")
    assert sorted(name for _bucket, name in custody.objects.objects) == [
        f"d-1/{made.content_hash}/declaration.json",
        f"d-1/{made.content_hash}/table.parquet",
    ]
    assert custody.left() == []
    assert custody.accounts.opened == [("d-1", 2_000_000)]
    assert custody.events() == ["dataset.stored"]


def test_steps_that_do_not_fit_their_variable_are_refused_before_the_file_is_read(custody: Custody) -> None:
    custody.forms.refuses = True
    upload = custody.upload()

    with pytest.raises(Invalid):
        custody.vault.check("stine", upload, a_declaration_document())
    with pytest.raises(Invalid):
        custody.vault.publish("stine", upload, "d-1", a_declaration_document(), None, holder="h-lab")

    assert (custody.objects.objects, custody.events()) == ({}, [])


def test_the_account_is_opened_for_the_population_that_the_declaration_names(custody: Custody) -> None:
    document = a_declaration_document(population="blodgivere")
    custody.vault.publish("stine", custody.upload(), "d-1", document, None, holder="h-lab")
    assert custody.accounts.told == [{"population": "blodgivere", "holder": "h-lab", "persons": 2}]


def test_publishing_again_answers_the_same(custody: Custody) -> None:
    first = custody.vault.publish("stine", custody.upload(), "d-1", a_declaration_document(), 5, holder="h-lab")
    assert custody.vault.publish("stine", "u-0001", "d-1", a_declaration_document(), 5, holder="h-lab") == first
    same = custody.vault.publish(
        "stine", custody.upload(upload="u-0002"), "d-1", a_declaration_document(), 5, holder="h-lab"
    )
    assert same == first
    assert custody.events() == ["dataset.stored"]
    with pytest.raises(NotPossible):
        custody.vault.publish("stine", "u-0001", "d-2", a_declaration_document(), 5, holder="h-lab")


def test_another_declaration_is_another_version(custody: Custody) -> None:
    one = custody.vault.publish("stine", custody.upload(), "d-1", a_declaration_document(), None, holder="h-lab")
    document = a_declaration_document(keywords=["annet"])
    two = custody.vault.publish("stine", custody.upload(upload="u-0002"), "d-1", document, None, holder="h-lab")
    assert one.content_hash != two.content_hash


def test_a_faulty_file_is_not_published_and_leaves_nothing(custody: Custody) -> None:
    upload = custody.upload(a_file(a_row(0, age="999")).encode())
    with pytest.raises(Invalid) as refused:
        custody.vault.publish("stine", upload, "d-1", a_declaration_document(), None, holder="h-lab")
    assert [(p.field, p.row) for p in refused.value.problems] == [("age", 2)]
    assert custody.objects.objects == {}
    assert custody.events() == []
    assert custody.left() == ["u-0001.data", "u-0001.json"]


@pytest.mark.parametrize("part", ["store", "account"])
def test_a_failure_on_the_way_leaves_nothing_that_can_be_found(part: str, custody: Custody) -> None:
    upload = custody.upload()
    if part == "account":
        custody.accounts.fails = True
    else:
        custody.objects.put_file = _unavailable  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        custody.vault.publish("stine", upload, "d-1", a_declaration_document(), None, holder="h-lab")
    assert custody.events() == []
    assert custody.left() == ["u-0001.data", "u-0001.json"]
    assert custody.vault.check("stine", upload, a_declaration_document()).problems == ()


def _unavailable(*_args: object) -> None:
    raise Unavailable("nei")


def test_an_upload_is_its_owners(custody: Custody) -> None:
    upload = custody.upload()
    with pytest.raises(NotFound):
        custody.vault.check("annen", upload, a_declaration_document())
    with pytest.raises(Denied):
        custody.vault.receive("annen", upload, "x")
    custody.vault.discard("annen", upload)
    assert custody.left() == ["u-0001.data", "u-0001.json"]
    custody.vault.publish("stine", upload, "d-1", a_declaration_document(), None, holder="h-lab")
    with pytest.raises(Denied):
        custody.vault.publish("annen", upload, "d-1", a_declaration_document(), None, holder="h-lab")


@pytest.mark.parametrize(
    "upload", ["../etc/passwd", "u-../../x", "u-", "U-1234", "u-abcd/../x", "u-a.json", "u-" + "a" * 41]
)
def test_a_name_that_is_no_uploads_reaches_no_file(upload: str, custody: Custody) -> None:
    with pytest.raises(NotFound):
        custody.vault.receive("stine", upload, "x")


def test_a_file_past_the_limit_is_dropped(custody: Custody) -> None:
    incoming = custody.vault.receive("stine", "u-0001", "x")
    with pytest.raises(Invalid):
        for _piece in range(3):
            incoming.write(b"x" * (LIMIT // 2))
    assert custody.left() == []


def test_starting_again_clears_what_a_stopped_process_left(custody: Custody) -> None:
    (custody.folder / "u-half.0a.part").write_bytes(b"halv")
    custody.upload(upload="u-whole")
    (custody.folder / "u-note.data").write_bytes(b"uten lapp")
    assert custody.vault.sweep() == 1
    assert custody.left() == ["u-whole.data", "u-whole.json"]
    custody.clock.at = custody.clock.at.replace(year=2099)
    assert custody.vault.sweep() == 1
    assert custody.left() == []


async def _pieces() -> AsyncIterator[bytes]:
    yield CLEAN[:10]
    yield CLEAN[10:]


@pytest.fixture
def client(custody: Custody) -> Caller:
    app = FastAPI()
    app.state.vault = custody.vault
    app.include_router(vault_api.router)
    answer_refusals(app)
    return Caller(app, "stine")


@pytest.mark.parametrize("mark", ["the same", "another"])
def test_a_later_version_comes_from_the_holder_that_published_the_first(custody: Custody, mark: str) -> None:
    first = custody.vault.publish("stine", custody.upload(), "d-1", a_declaration_document(), None, holder="h-lab")
    document = a_declaration_document(**({} if mark == "the same" else {"keywords": ["nytt"]}))
    upload = custody.upload(upload="u-0002", actor="pal")
    with pytest.raises(Denied) as refused:
        custody.vault.publish("pal", upload, "d-1", document, None, holder="h-pop")
    assert refused.value.code == "other-holder"
    assert len(custody.objects.objects) == 2
    assert custody.index.find("d-1", first.content_hash).holder == "h-lab"


def test_the_door_takes_a_stream_and_answers_as_agreed(client: Caller) -> None:
    assert client("PUT", "/uploads/u-0001", content=_pieces()).json()["bytes"] == len(CLEAN)
    checked = client("POST", "/uploads/u-0001/check", json={"declaration": a_declaration_document()}).json()
    assert (checked["rows"], checked["persons"], checked["problems"]) == (2, 2, [])
    assert NUMBERS[0] not in str(checked)
    body = {"dataset": "d-1", "holder": "h-lab", "declaration": a_declaration_document(), "rho_micro": None}
    made = client("POST", "/uploads/u-0001/publish", json=body).json()
    assert set(made) == {"content_hash", "rows", "persons", "published_at"}
    assert client("DELETE", "/uploads/u-0001").status_code == 204


def test_the_door_refuses_in_the_form_that_the_link_reads(client: Caller, custody: Custody) -> None:
    big = client("PUT", "/uploads/u-0001", content=b"x" * (LIMIT + 1))
    assert (big.status_code, big.json()["code"]) == (422, "invalid")
    assert custody.left() == []
    assert client("POST", "/uploads/u-none/check", json={"declaration": a_declaration_document()}).status_code == 404
    wrong = client("POST", "/uploads/u-none/check", json={"declaration": {}})
    assert {p["field"] for p in wrong.json()["problems"]} >= {"table", "variables", "title.nb"}
    for body in ({"dataset": "../x"}, {"dataset": "d-1", "rho_micro": -1}, {"dataset": "d-1", "extra": 1}):
        sent = {"holder": "h-lab", "declaration": a_declaration_document()} | body
        assert client("POST", "/uploads/u-0001/publish", json=sent).status_code == 422
    assert Caller(client.app)("DELETE", "/uploads/u-0001").status_code == 403
