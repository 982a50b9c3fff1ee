"""Canonical documents, signatures, secrets, settings, ids."""

import stat
import threading

import pytest

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.errors import Invalid, Problem, Refusal
from hvelv.kernel.ids import RandomIds
from hvelv.kernel.link import refusal_from
from hvelv.kernel.people import Person, Role
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.kernel.signing import BadSignature, Signed, Signer


def test_the_canonical_form_does_not_depend_on_the_order_of_keys():
    assert canonical({"b": 1, "a": "ø"}) == '{"a":"ø","b":1}'.encode()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": float("nan")})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: Signed(s.kind, s.document | {"x": 2}, s.signature, s.key),
        lambda s: Signed("other", s.document, s.signature, s.key),
        lambda s: Signed(s.kind, s.document, "00" * 64, s.key),
        lambda s: Signed(s.kind, s.document, "not hex", s.key),
        lambda _s: Signer.generate().sign("permit", {"x": 1}),
    ],
)
def test_a_changed_document_or_another_key_is_found_out(spoil):
    signer = Signer.generate()
    signed = signer.sign("permit", {"x": 1})
    assert signer.verifier.check(signed, "permit") == {"x": 1}

    with pytest.raises(BadSignature):
        signer.verifier.check(spoil(signed), "permit")


def test_an_envelope_without_signature_is_refused():
    with pytest.raises(BadSignature):
        Signed.from_dict({"document": {}})


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    secrets = Secrets(tmp_path / "custodian" / "secrets")
    values = []
    threads = [threading.Thread(target=lambda: values.append(secrets.ensure("token"))) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(values)) == 1
    assert len(values[0]) >= 32
    assert stat.S_IMODE(secrets.path("token").stat().st_mode) == 0o600
    assert [p.name for p in secrets.folder.iterdir()] == ["token"]


def test_settings_come_from_the_environment_before_the_file(tmp_path, monkeypatch):
    file = tmp_path / "hvelv.toml"
    file.write_text("portal_port = 1111\nhub_port = 2222\n")
    monkeypatch.setenv("HVELV_CONFIG", str(file))
    monkeypatch.setenv("HVELV_PORTAL_PORT", "3333")

    settings = Settings()

    assert (settings.portal_port, settings.hub_port) == (3333, 2222)


def test_a_setting_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "hvelv.toml"
    file.write_text("portal_prt = 1111\n")
    monkeypatch.setenv("HVELV_CONFIG", str(file))

    with pytest.raises(ValueError, match="portal_prt"):
        Settings()


def test_a_data_folder_too_deep_for_sockets_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setenv("HVELV_DATA_DIR", "/" + "x" * 90)

    with pytest.raises(ValueError, match="HVELV_DATA_DIR"):
        Settings()


def test_ids_say_what_they_name_and_differ():
    ids = {RandomIds().new("app") for _n in range(1000)}

    assert len(ids) == 1000
    assert all(name.startswith("app-") for name in ids)


def test_a_refusal_survives_the_way_between_processes():
    refusal = Refusal("Har {left} igjen", remedy="Spør om mindre", code="spent", left=3)
    invalid = Invalid((Problem("Feil i {column}", "age", 7, {"column": "age"}),))

    back = refusal_from(409, refusal.as_dict())
    back_invalid = refusal_from(422, invalid.as_dict())

    assert (str(back), back.remedy, back.code) == ("Har 3 igjen", "Spør om mindre", "spent")
    assert isinstance(back_invalid, Invalid)
    assert back_invalid.problems == invalid.problems
    assert refusal_from(500, "<html>").status == 503


def test_a_steward_acts_for_a_holder():
    with pytest.raises(ValueError, match="holder"):
        Person("kari", "Kari", frozenset({Role.STEWARD}))
