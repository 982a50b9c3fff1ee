"""Reading opt-outs, what doctor says, the page of settings."""

import pytest

from hvelv.kernel.settings import Settings
from hvelv.operation import doctor, reference
from hvelv.operation.cli_optouts import read
from hvelv.operation.trouble import Trouble
from tests.builders_operation import short_folder


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


def test_opt_outs_are_read_in_order(tmp_path):
    file = tmp_path / "o.csv"
    file.write_text("person_number,scope,since\n01817012345,all,2024-01-31\n02817012345,research,2023-05-01\n")

    assert [row["scope"] for row in read(file)] == ["all", "research"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "first line"),
        (b"a,b,c\n1,2,3\n", "first line"),
        (b"person_number,scope,since\n01817012345,all\n", "Line 2"),
        (b"person_number,scope,since\n01817012345,all,2024-01-31,x\n", "Line 2"),
        (b"person_number,scope,since\n01817012345,\xe5lt,2024-01-31\n", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_quoting_it(tmp_path, content, says):
    file = tmp_path / "o.csv"
    file.write_bytes(content)

    with pytest.raises(Trouble) as trouble:
        read(file)

    assert says in trouble.value.message
    assert "01817012345" not in trouble.value.message + trouble.value.remedy


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
