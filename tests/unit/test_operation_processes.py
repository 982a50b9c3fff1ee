"""The table of processes, the trust domains around them, and what each is told and can see."""

import configparser
import json

import pytest

from hvelv.kernel.settings import Settings
from hvelv.operation import confinement, domains, secrets, supervision
from hvelv.operation.confinement import Footing, argv, view
from hvelv.operation.environment import environment
from hvelv.operation.processes import BY_NAME, TABLE, processes
from hvelv.operation.running import DOWN_SECONDS
from tests.builders_operation import short_folder

TOLD_ONLY = {
    "registry_database": "portal",
    "custodian_database": "custodian",
    "store_access_key": "custodian",
    "store_secret_key": "custodian",
}
OTHERS_SECRETS = {
    "registry_database": "postgresql://registry-password",
    "custodian_database": "postgresql://custodian-password",
    "store_access_key": "access-key-of-the-store",
    "store_secret_key": "secret-key-of-the-store",
}


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture
def installation(folder):
    return Settings(data_dir=folder)


def test_a_process_comes_after_everything_it_needs():
    for place, process in enumerate(TABLE):
        assert set(process.needs) <= {earlier.name for earlier in TABLE[:place]}


def test_every_port_setting_belongs_to_exactly_one_process():
    named = sorted(port for process in TABLE for port in process.ports)

    assert named == sorted(name for name in Settings.model_fields if name.endswith("_port"))


def test_asking_for_some_processes_brings_what_they_need(installation):
    assert [process.name for process in processes(installation, ("gateway",))] == ["store", "custodian", "gateway"]


def test_with_a_store_of_ones_own_none_is_started():
    names = [process.name for process in processes(Settings(store_endpoint="s3.example:443"))]

    assert "store" not in names
    assert "custodian" in names


def test_stopping_fits_in_the_time_that_down_has():
    first = max(process.grace for process in TABLE if not process.foundation)
    last = max(process.grace for process in TABLE if process.foundation)

    assert first + last < DOWN_SECONDS


def test_the_custodian_and_its_worker_are_one_domain_and_every_other_process_is_not_in_it():
    assert {process.name for process in TABLE if process.domain == domains.CUSTODIAN} == {"custodian", "worker"}


@pytest.mark.parametrize("name", ["signing.pem", "kek"])
def test_keys_are_the_custodians_alone(name):
    assert secrets.SECRETS[name][1] == (domains.CUSTODIAN,)


def test_portal_hub_and_gateway_hold_no_key_to_the_store():
    holders = {
        domain for name, (_make, held) in secrets.SECRETS.items() if name.startswith("store_") for domain in held
    }

    assert holders == {domains.CUSTODIAN, domains.STORE}


@pytest.mark.parametrize("process", TABLE, ids=lambda process: process.name)
def test_a_process_is_told_no_password_of_another_domain(process, folder):
    settings = Settings(data_dir=folder, **OTHERS_SECRETS)

    told = " ".join(environment(settings, process.domain).values())

    for name, value in OTHERS_SECRETS.items():
        assert (value in told) == (TOLD_ONLY[name] == process.domain)


@pytest.mark.parametrize("process", TABLE, ids=lambda process: process.name)
def test_no_secret_stands_in_a_command_line(process, folder):
    settings = Settings(data_dir=folder, **OTHERS_SECRETS)

    words = " ".join(argv(settings, process.domain, ["python"], Footing.VIEWS))

    assert not any(value in words for value in OTHERS_SECRETS.values())


@pytest.mark.parametrize("domain", [d for d in domains.DOMAINS if d not in domains.STAYS_ROOT])
def test_a_view_holds_the_domains_own_folder_and_no_other_domains(domain, installation):
    words = view(installation, domain)
    bound = {words[n + 2] for n, word in enumerate(words) if word in {"--bind", "--ro-bind"}}

    assert str(installation.domain_dir(domain)) in bound
    for other in {*domains.DOMAINS, domains.OPERATION} - {domain}:
        assert str(installation.domain_dir(other)) not in bound
    assert str(installation.root) not in bound
    assert str(installation.run_dir) not in bound


def test_only_portal_and_gateway_come_in_at_the_custodians_doors():
    visitors = {meeting.folder: meeting.visitor for meeting in domains.MEETINGS if meeting.owner == domains.CUSTODIAN}

    assert visitors == {"custodian-portal": domains.PORTAL, "custodian-enclave": domains.GATEWAY}


def test_a_data_folder_inside_the_checkout_is_covered_before_anything_of_it_is_shown():
    settings = Settings(data_dir="var/hvelv")
    words = view(settings, domains.PORTAL)

    assert words.index(str(settings.root)) < words.index(str(settings.domain_dir(domains.PORTAL)))
    assert words[words.index(str(settings.domain_dir(domains.PORTAL))) - 1] == "--bind"


def test_the_supervisors_configuration_says_what_was_meant_even_with_percent_signs_and_blanks(folder):
    settings = Settings(data_dir=folder / "100% a b")
    text = supervision.configuration(settings, TABLE, "pass%word")

    parsed = configparser.ConfigParser(inline_comment_prefixes=(";", "#"))
    parsed.read_string(text)

    assert parsed["unix_http_server"]["password"] == "pass%word"
    assert parsed["supervisord"]["pidfile"] == str(settings.run_dir / "supervisor" / "pid")
    assert {f"program:{name}" for name in BY_NAME} <= set(parsed.sections())
    for process in TABLE:
        section = parsed[f"program:{process.name}"]
        assert section["autorestart"] == section["stopasgroup"] == section["killasgroup"] == "true"


def test_what_is_launched_dies_with_the_supervisor(installation):
    for process in TABLE:
        launched = supervision.launch_file(installation, process, Footing.VIEWS)

        assert launched["argv"][:3] == ["setpriv", "--pdeathsig", "KILL"]
        assert json.loads(json.dumps(launched)) == launched


def test_secrets_are_made_once_with_mode_0600_and_shared_ones_are_equal(installation):
    domains.prepare_folders(installation)
    secrets.ensure_secrets(installation)
    hub, portal = (installation.secrets_dir(domain) / "portal_api_token" for domain in ("hub", "portal"))
    first = hub.read_text()

    secrets.ensure_secrets(installation)

    assert hub.read_text() == portal.read_text() == first
    for name, (_make, holders) in secrets.SECRETS.items():
        for holder in holders:
            assert (installation.secrets_dir(holder) / name).stat().st_mode & 0o777 == 0o600
    assert b"PUBLIC KEY" in installation.public_key.read_bytes()


def test_a_data_folder_in_the_checkout_can_be_reached_whoever_owns_the_folders_above_it(monkeypatch, tmp_path):
    """`make demo` keeps its data in var/hvelv, and var may be its owner's alone."""
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(confinement, "code", lambda: (checkout,))
    settings = Settings.model_construct(**Settings().model_dump() | {"data_dir": checkout / "var" / "hvelv"})

    words = " ".join(confinement.view(settings, "portal"))

    hidden = words.index(f"--tmpfs {checkout}/var --perms")
    passable = words.index(f"--perms 0755 --dir {checkout}/var/hvelv")
    bound = words.index(f"--bind {checkout}/var/hvelv/portal")
    assert words.index(f"--ro-bind {checkout}") < hidden < passable < bound
