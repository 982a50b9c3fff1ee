"""What a run writes, wherever it writes it, holds no identifier: files, objects, their names, rows, logs, the audit trail."""

import logging
from pathlib import Path
from unittest.mock import patch

import pytest

from hvelv.privacy.adapters import spreading
from hvelv.privacy.adapters.extraction import ParquetExtractor
from hvelv.privacy.domain.rooms import BUCKET
from hvelv.workflows import provision
from tests.builders_privacy import PROJECT, a_person_number, forms_of, some_rows
from tests.builders_provision import a_desk

IDENTIFIERS = sorted({row[name] for row in some_rows(60) for name in ("person_number", "name", "note")})
FORMS = [form for text in IDENTIFIERS for form in forms_of(text)]

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(spreading, "CHUNK_ROWS", 40)
    monkeypatch.setattr(spreading, "PART_ROWS", 40)
    desk = a_desk(database_url, tmp_path)
    yield desk
    desk.database.close()


def found_in(raw):
    """Say whether any identifier stands in `raw`, in any form."""
    return any(form in raw for form in FORMS)


def work_files(folder):
    """Return what extraction itself has written; the copies of the sources beside it are what it reads."""
    return [p for p in (folder / "work" / PROJECT).rglob("*") if p.is_file() and "sources" not in p.parts]


@pytest.mark.attack("PS09")
def test_no_identifier_is_in_anything_that_a_run_writes(desk, tmp_path, caplog):
    objecting = {"person_number": a_person_number(3), "scope": "all", "since": "2026-01-01"}
    desk.privacy.optouts.take_in([objecting], "registrar")
    real, seen = ParquetExtractor.tidy, []

    def tidy(self, order):  # while everything lies there: chunks, parts, lists of persons
        for path in work_files(tmp_path):
            assert not found_in(path.read_bytes()), path.suffix
            assert not found_in(str(path).encode())
            seen.append(path.suffix)
        return real(self, order)

    with caplog.at_level(logging.DEBUG), patch.object(ParquetExtractor, "tidy", tidy):
        provision.provision_project(desk, "job-1", tmp_path / "work")

    assert {".arrow", ".parquet", ".npy"} <= set(seen)
    names = desk.objects.names(BUCKET)
    assert len(names) > 4
    for name in names:
        assert not found_in(name.encode())
        assert not found_in(desk.objects.get(BUCKET, name))
    assert not found_in(caplog.text.encode())
    with desk.database.reading() as session:
        assert not found_in(repr([vars(row) for row in desk.database.trail.rows(session)]).encode())
    if desk.database.engine.dialect.name == "sqlite":
        desk.database.close()
        for path in Path(tmp_path).glob("test.sqlite*"):
            assert not found_in(path.read_bytes())


def test_the_search_finds_what_it_looks_for(desk, tmp_path):
    """The source itself, in which all of them stand: as text, and compressed only where Parquet compresses."""
    assert found_in((tmp_path / "source.parquet").read_bytes())
    assert found_in(f"extract-{IDENTIFIERS[0]}.parquet".encode())
    assert found_in(IDENTIFIERS[0][::-1].encode())


@pytest.mark.attack("PS12")
def test_who_objects_is_in_the_next_extract_no_more_and_the_earlier_one_is_gone_from_room_and_cache(desk, tmp_path):
    provision.provision_project(desk, "job-1", tmp_path / "work")
    before = desk.privacy.extracts.in_use(PROJECT)
    for extract in before:
        desk.privacy.extracts.paths(extract)
    objecting = {"person_number": a_person_number(3), "scope": "all", "since": "2026-01-01"}
    desk.privacy.optouts.take_in([objecting], "registrar")
    with desk.database.transaction() as unit:
        desk.jobs.queue(unit, "job-2", "provision", PROJECT)

    provision.provision_project(desk, "job-2", tmp_path / "work")

    after = desk.privacy.extracts.in_use(PROJECT)
    assert {e.generation for e in after} == {2}
    assert [e.persons for e in after] == [e.persons - 1 for e in before]
    gone = {part.name for e in before for part in e.parts}
    assert not gone & set(desk.objects.names(BUCKET))
    kept = {part.sha256 for e in after for part in e.parts}
    assert {path.stem for path in (tmp_path / "cache").glob("*.parquet")} <= kept


def test_a_refresh_with_nothing_new_publishes_nothing_new(desk, tmp_path):
    provision.provision_project(desk, "job-1", tmp_path / "work")
    before = desk.privacy.extracts.all(PROJECT)
    with desk.database.transaction() as unit:
        desk.jobs.queue(unit, "job-2", "provision", PROJECT)

    provision.provision_project(desk, "job-2", tmp_path / "work")

    assert desk.privacy.extracts.all(PROJECT) == before
