"""Files for the register, ending people's rights, changing permits, what doctor says, the page of settings."""

import pytest
from typer.testing import CliRunner

from hvelv.kernel.clock import SystemClock
from hvelv.kernel.errors import Denied, Invalid, NotPossible, Problem
from hvelv.kernel.ids import PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.people_store import People
from hvelv.kernel.settings import Settings
from hvelv.operation import cli_permits, doctor, reference
from hvelv.operation.cli import app
from hvelv.operation.cli_optouts import sent
from hvelv.operation.opened import opened
from hvelv.operation.trouble import Trouble
from hvelv.portal.sessions import Sessions
from hvelv.requests.adapters.custodian import LinkedOffice
from hvelv.requests.adapters.store_office import SqlPermitRows
from hvelv.requests.adapters.store_projects import SqlProjectRows
from hvelv.requests.domain.permit import PermitAction
from tests.builders_operation import short_folder
from tests.builders_requests import LEAD, MEMBER, NOON, a_house


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


class Desk:
    """What the commands say to the custodian, and what it answers."""

    def __init__(self, answer):
        self.answer, self.heard = answer, []

    def __call__(self, _socket):
        return self

    def call(self, method, path, *, actor, content=()):
        self.heard.append((method, path, actor, b"".join(content)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


COUNTS = {"added": 2, "known": 1, "baseless": 1, "pairs": 4, "persons": 7}
REGISTER = {
    ("optouts", "import"): ("POST", "/opt-outs/import.csv", "2 added, 1 known before"),
    ("optouts", "withdraw"): ("POST", "/opt-outs/withdraw.csv", "2 withdrawn, 1 known before\n1 of them follow no"),
    ("optouts", "count"): ("GET", "/opt-outs/count", "persons          7"),
    ("canonical", "import"): ("POST", "/canonical/import.csv", "2 added, 1 known before"),
    ("canonical", "count"): ("GET", "/canonical/count", "pairs            4"),
}


@pytest.mark.parametrize("command", REGISTER)
def test_a_file_is_handed_to_the_custodian_as_it_stands(command, tmp_path, monkeypatch):
    method, path, says = REGISTER[command]
    file = tmp_path / "o.csv"
    file.write_bytes(b"whatever\n" * 300_000)
    desk = Desk(COUNTS)
    monkeypatch.setattr("hvelv.operation.cli_optouts.Link", desk)

    done = CliRunner().invoke(app, [*command, *([str(file)] if method == "POST" else [])])

    assert done.exit_code == 0, done.output
    assert says in done.output
    assert desk.heard == [(method, path, "operator", file.read_bytes() if method == "POST" else b"")]


def test_what_is_wrong_with_a_file_is_told_by_line(tmp_path, monkeypatch):
    file = tmp_path / "o.csv"
    file.write_text("x")
    wrong = Invalid((Problem("Datoen er feil.", "since", 3), Problem("Linjen er for lang.")), "Ingen er tatt inn.")
    monkeypatch.setattr("hvelv.operation.cli_optouts.Link", Desk(wrong))

    with pytest.raises(Trouble) as trouble:
        sent(file, "/opt-outs/import.csv")

    assert trouble.value.message.splitlines() == [
        "Ingen er tatt inn.", "  line 3: since: Datoen er feil.", "  line ?: Linjen er for lang.",
    ]  # fmt: skip


def test_doctor_tells_for_each_lack_why_it_matters_and_what_mends_it(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(data_dir=folder, node_prefix=tmp_path / "n", session_environment=tmp_path / "s")

    findings = {finding.what: finding for finding in doctor.examine(settings)}

    for what in ("bwrap", "setpriv", "hub's proxy", "session environment"):
        assert findings[what].grade is doctor.Grade.MISSING
    assert all(one.why and one.remedy for one in findings.values() if one.grade is not doctor.Grade.OK)


def test_doctor_says_what_running_without_root_loses(folder, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    finding = doctor.users(Settings(data_dir=folder))

    assert finding.grade is doctor.Grade.WARNING
    assert "vault" in finding.why


def test_the_page_of_settings_names_them_all_and_describes_each():
    page = reference.settings_page()

    for name, field in Settings.model_fields.items():
        assert f"`HVELV_{name.upper()}`" in page
        assert field.description in page


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_generated_page_is_current(name):
    assert (reference.DOCS / name).read_text() == reference.PAGES[name](), "run `make docs`"


@pytest.fixture
def installed(folder, monkeypatch):
    """Yield an installation's settings that the commands read too; nothing of it runs."""
    monkeypatch.setenv("HVELV_DATA_DIR", str(folder))
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    return Settings()


@pytest.mark.parametrize(("command", "barred"), [("deactivate", True), ("reset", False)])
def test_who_is_deactivated_is_barred_from_the_lab_and_signed_out_and_who_is_reset_is_signed_out(
    installed, command, barred
):
    with opened(installed) as databases:
        sessions = Sessions(databases["registry"], SystemClock(), b"k" * 32)
        for name in ("kari", "ola"):
            People(databases["registry"]).add("test", Person(PersonId(name), name, frozenset({Role.RESEARCHER})), "x")
        hers, his = sessions.begin("kari"), sessions.begin("ola")

    for _time in range(2):  # given twice, it does what is left
        assert CliRunner().invoke(app, ["users", command, "kari"]).exit_code == 0

    with opened(installed) as databases:
        sessions = Sessions(databases["registry"], SystemClock(), b"k" * 32)
        with databases["custodian"].reading() as session:
            found = {name: SqlPermitRows().is_barred(session, name) for name in ("kari", "ola")}
            events = [row.action for row in databases["custodian"].trail.rows(session)]
        assert (sessions.person(hers), sessions.person(his)) == (None, "ola")
        assert People(databases["registry"]).get("kari").active is not barred
    assert found == {"kari": barred, "ola": False}
    assert events == ["person.barred"] * barred


def test_nobody_is_barred_under_a_name_that_is_not_known(installed):
    assert CliRunner().invoke(app, ["users", "deactivate", "feil"]).exit_code != 0

    with opened(installed) as databases, databases["custodian"].reading() as session:
        assert not SqlPermitRows().is_barred(session, "feil")


@pytest.mark.parametrize(("words", "state"), [("suspend", "suspended"), ("revoke", "revoked"), ("close", "closed")])
def test_a_permit_is_changed_from_the_command_line_and_both_sides_know(tmp_path, monkeypatch, words, state):
    house = a_house(tmp_path)
    project = house.applications.view(LEAD, house.approved()).project
    settings = house_settings(monkeypatch, house)

    answer = CliRunner().invoke(app, ["permits", words, project.id, "--reason", "hendelse"])

    assert (answer.exit_code, answer.output) == (0, f"{project.id}: {state}\n")
    with pytest.raises(Denied):
        house.office.grant(MEMBER.id, project.id, NOON)
    with house.registry.reading() as session:
        assert SqlProjectRows().get(session, project.id).state == state
    assert house.events()[-1] == ("operator", f"project.{words}")
    assert house.events(house.custodian)[-1] == ("operator", f"permit.{words}")
    with pytest.raises(NotPossible):
        cli_permits.change(
            settings, project.id, PermitAction.RESUME if words != "suspend" else PermitAction.SUSPEND, "x"
        )
    with pytest.raises(Trouble):
        cli_permits.change(settings, project.id, PermitAction.RESUME, " ")
    house.close()


def house_settings(monkeypatch, house):
    """Have the command reach the house's office, and the house's databases."""
    monkeypatch.setattr(LinkedOffice, "change", lambda _self, *words: house.office.change(*words))
    monkeypatch.setenv("HVELV_REGISTRY_DATABASE", str(house.registry.engine.url))
    monkeypatch.setenv("HVELV_CUSTODIAN_DATABASE", str(house.custodian.engine.url))
    return Settings()
