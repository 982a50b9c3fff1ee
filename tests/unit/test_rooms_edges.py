"""What lies around a room: uploads that are archives, what the workflow server is told, retention in the permit, doctor."""

import inspect
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hvelv.catalog.adapters.reading import FileReader
from hvelv.catalog.domain.declaration import FileKind
from hvelv.kernel.settings import Settings
from hvelv.operation import doctor
from hvelv.privacy.adapters.passes import room_passes
from hvelv.requests.domain.permit import Permit, PermitAction
from tests.builders_catalog import a_declaration, a_file, a_row
from tests.builders_requests import LAB_STEWARD, LEAD, House, a_house

HOUSE = Path(__file__).parents[2]
SOURCES = [p for part in ("privacy", "catalog", "requests", "enclave", "workflows", "src/hvelv/kernel", "src/hvelv/portal", "src/hvelv/operation") for p in (HOUSE / part).rglob("*.py")]  # fmt: skip


def a_tar(kind: bytes, name: str, target: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
        text = a_file(a_row(0)).encode()
        plain = tarfile.TarInfo("../../rooms/p-10/rows.csv")
        plain.size = len(text)
        archive.addfile(plain, io.BytesIO(text))
    return out.getvalue()


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("rows.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("../../rooms/p-10/rows.csv", a_file(a_row(0)))
    return out.getvalue()


ARCHIVES = {
    "a symbolic link in tar": a_tar(tarfile.SYMTYPE, "rows.csv", "../../vault/secret"),
    "a hard link in tar": a_tar(tarfile.LNKTYPE, "rows.csv", "/etc/passwd"),
    "a symbolic link in zip": a_zip(),
}


@pytest.mark.attack("S304")
@pytest.mark.parametrize("kind", FileKind)
@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_with_links_is_no_upload_and_nothing_is_unpacked(
    archive: str, kind: FileKind, tmp_path: Path
) -> None:
    (tmp_path / "upload").write_bytes(ARCHIVES[archive])
    declaration = a_declaration(format={"kind": kind.value})

    found = FileReader().read(tmp_path / "upload", declaration, tmp_path / "target")

    assert found.problems
    assert {path.name for path in tmp_path.rglob("*")} <= {"upload", "target"}


@pytest.mark.attack("S304")
def test_nothing_in_the_house_unpacks_archives() -> None:
    words = ("tarfile", "extractall", "unpack_archive", "ZipFile(out")
    found = {path.name: [word for word in words if word in path.read_text()] for path in SOURCES}

    assert {name: words for name, words in found.items() if words} == {"bundle.py": ["ZipFile(out"]}  # which writes


@pytest.mark.attack("S312")
def test_the_workflow_server_is_told_a_jobs_id_and_keeps_no_results() -> None:
    from hvelv.workflows.provision import provision, provision_task

    for made in (provision, provision_task):
        assert list(inspect.signature(made.fn).parameters) == ["job"]
        assert made.persist_result is False
    assert provision.log_prints is False
    told = ("create_markdown_artifact", "create_table_artifact", "create_link_artifact", "Variable.set", "Secret(")
    assert not [path.name for path in SOURCES if any(word in path.read_text() for word in told)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = a_house(tmp_path)
    yield made
    made.close()


def test_how_long_the_key_is_kept_stands_in_the_permit_and_holds_when_the_setting_has_changed(house: House) -> None:
    house.office._retention_days = 365
    project = house.applications.view(LEAD, house.approved()).project
    house.office._retention_days = 0

    assert project.permit.retention_days == 365
    assert house.office.issued(project.id).signed.document["retention_days"] == 365
    house.office.change(LAB_STEWARD.id, project.id, PermitAction.REVOKE, "slutt")
    assert house.opened.states == ["kept 365 days"]


def test_a_permit_from_before_retention_keeps_nothing(house: House) -> None:
    document = house.applications.view(LEAD, house.approved()).project.permit.as_dict()
    assert Permit.from_document(document).retention_days == 0
    del document["retention_days"]
    assert Permit.from_document(document).retention_days == 0


def test_a_store_of_ones_own_makes_credentials_only_with_a_role_for_it() -> None:
    there = {"store_endpoint": "store.example:9000", "store_access_key": "a", "store_secret_key": "b"}

    assert room_passes(Settings(**there)) is None
    made = room_passes(Settings(**there, store_role="arn:aws:iam::1:role/rooms", store_secure=True))
    assert made is not None
    assert (made.role, made.timed, made.account.secure) == ("arn:aws:iam::1:role/rooms", True, True)


@pytest.mark.parametrize(
    ("found", "grade"),
    [([], doctor.Grade.OK), (["vault", "rooms"], doctor.Grade.WARNING), (OSError("no answer"), doctor.Grade.OK)],
)
def test_doctor_warns_of_buckets_that_lie_in_the_clear(found, grade, monkeypatch) -> None:
    def unencrypted(_settings):
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr("hvelv.operation.store.unencrypted", unencrypted)

    finding = doctor.encryption(Settings(store_endpoint="store.example:9000"))

    assert finding.grade is grade
    assert grade is doctor.Grade.OK or (finding.why and finding.remedy)
