"""An installation's life: up, killed in every way, restarted, down, with the real supervisor, store and workflow server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from hvelv.operation import domains, supervision
from hvelv.operation.confinement import Footing, argv
from hvelv.operation.store import connect
from tests.builders_operation import Installation, short_folder

pytestmark = pytest.mark.integration

SECONDS = 60
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def running():
    with short_folder() as folder:
        installation = Installation(folder)
        came_up = installation.hvelv("up", "--only", "store,prefect")
        assert came_up.returncode == 0, came_up.stdout + came_up.stderr
        yield installation
        installation.hvelv("down")


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


def eventually(holds, *, seconds=SECONDS):
    """Wait until `holds()`; the last answer counts."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def states(installation):
    return {state.name: state for state in supervision.Supervisor(installation.settings).states()}


def test_a_second_up_says_that_it_runs_already(running):
    pids = {name: state.pid for name, state in states(running).items()}

    again = running.hvelv("up")

    assert again.returncode == 0
    assert "runs already" in again.stdout
    assert {name: state.pid for name, state in states(running).items()} == pids


def test_status_shows_each_process_with_its_address(running):
    shown = running.hvelv("status")

    assert shown.returncode == 0
    assert {line.split()[0] for line in shown.stdout.splitlines()[1:] if line.strip()} == {"store", "prefect"}
    assert f"127.0.0.1:{running.settings.store_port}" in shown.stdout


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_process_that_is_killed_is_started_again_and_has_lost_nothing(running, whole_group):
    store = connect(running.settings)
    store.put("vault", "kept", b"acknowledged")
    pid = states(running)["store"].pid

    (os.killpg if whole_group else os.kill)(pid, signal.SIGKILL)

    assert eventually(lambda: states(running)["store"].state == "RUNNING" and states(running)["store"].pid != pid)
    from hvelv.operation.readiness import store as ready

    assert eventually(lambda: ready(running.settings)() is None)
    assert store.get("vault", "kept") == b"acknowledged"


def test_the_workflow_server_wants_its_password_and_calls_nobody(running):
    import httpx

    base = f"http://127.0.0.1:{running.settings.prefect_port}/api"
    password = (running.settings.secrets_dir("custodian") / "prefect_auth").read_text().strip()

    assert httpx.post(f"{base}/flows/count").status_code == 401
    assert httpx.post(f"{base}/flows/count", auth=tuple(password.split(":", 1))).status_code == 200
    settings = httpx.get(f"{base}/admin/settings", auth=tuple(password.split(":", 1))).json()
    assert settings["server"]["analytics_enabled"] is False
    assert settings["cloud"]["enable_orchestration_telemetry"] is False


def test_only_loopback_is_listened_on(running):
    ours = set(running.marked())
    listening = [line.split() for line in subprocess.check_output(["ss", "-ltnpH"], text=True).splitlines()]
    places = [line[3] for line in listening if any(f"pid={pid}," in line[-1] for pid in ours)]

    assert len(places) > 5
    assert all(place.startswith("127.0.0.1:") for place in places)


@pytest.mark.skipif(not ROOT, reason="only root can give each domain a user of its own")
def test_a_domain_reads_and_writes_its_own_folder_and_sees_no_others(running):
    settings = running.settings
    own, others = (
        settings.domain_dir(domains.PORTAL),
        [
            settings.secrets_dir("custodian") / "kek",
            settings.domain_dir("store") / "data",
            settings.secrets_dir("hub") / "cookie",
            settings.secrets_dir("operation") / "supervisor_password",
            settings.run_dir / "supervisor" / "conf",
            settings.root / "logs" / "store.log",
        ],
    )
    assert all(path.exists() for path in others)
    program = f"""
import os, pathlib
pathlib.Path({str(own / "note")!r}).write_text("mine")
seen = [path for path in {[str(path) for path in others]!r} if os.path.lexists(path)]
strangers = [pid for pid in os.listdir("/proc") if pid.isdigit() and open("/proc/%s/cmdline" % pid, "rb").read().split(b"\\0")[0].endswith(b"weed")]
print(os.getuid(), os.getgroups(), seen, strangers)
"""
    command = argv(settings, domains.PORTAL, [sys.executable, "-c", program], Footing.VIEWS)
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"{settings.domain_uid_base} [] [] []"


@pytest.mark.skipif(not ROOT, reason="only root can give each domain a user of its own")
@pytest.mark.parametrize(
    ("domain", "door", "reached"),
    [
        (domains.PORTAL, "portal", True),
        (domains.GATEWAY, "portal", False),
        (domains.STORE, "portal", False),
        (domains.PORTAL, "enclave", False),
        (domains.GATEWAY, "enclave", True),
        (domains.PREFECT, "enclave", False),
    ],
)
def test_a_door_of_the_custodian_opens_to_its_own_visitor_only(running, domain, door, reached):
    path = running.settings.custodian_socket(door)
    path.unlink(missing_ok=True)
    custodian = domains.user_of(running.settings, domains.CUSTODIAN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o666)
        os.chown(path, custodian.uid, custodian.gid)
        listening.listen()
        program = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        for footing in (Footing.VIEWS, Footing.USERS):
            python = (
                ["/usr/bin/python3", "-c", program] if footing is Footing.USERS else [sys.executable, "-c", program]
            )
            came = subprocess.run(
                argv(running.settings, domain, python, footing), capture_output=True, cwd="/", check=False
            )
            outer_closed = footing is Footing.USERS and not reachable_by_others(running.folder)
            assert (came.returncode == 0) == (reached and not outer_closed)
    path.unlink()


def reachable_by_others(path):
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def test_a_taken_port_is_told_with_the_setting_that_changes_it(folder):
    installation = Installation(folder)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", installation.settings.store_port))
        busy.listen()

        refused = installation.hvelv("up", "--only", "store")

    assert refused.returncode == 1
    assert str(installation.settings.store_port) in refused.stderr
    assert "HVELV_STORE_PORT" in refused.stderr
    assert installation.marked() == []


def test_what_does_not_come_up_is_told_with_its_log_and_the_rest_is_stopped(folder):
    installation = Installation(folder)
    domains.prepare_folders(installation.settings)
    (installation.settings.domain_dir("store") / "identities.json").mkdir()

    failed = installation.hvelv("up", "--only", "store")

    assert failed.returncode == 1
    assert "IsADirectoryError" in failed.stderr
    assert "doctor" in failed.stderr
    assert installation.marked() == []


def test_down_leaves_nothing_and_is_quick(folder):
    installation = Installation(folder)
    assert installation.hvelv("up", "--only", "store").returncode == 0
    assert installation.marked()

    began = time.monotonic()
    stopped = installation.hvelv("down")

    assert stopped.returncode == 0
    assert time.monotonic() - began < 12  # ten for stopping, and the command's own start
    assert installation.marked() == []
    assert installation.hvelv("down").stdout.strip() == "Nothing ran."
    assert installation.hvelv("status").returncode == 3


def test_nothing_outlives_a_supervisor_that_is_killed_and_up_works_again(folder):
    installation = Installation(folder)
    assert installation.hvelv("up", "--only", "store").returncode == 0
    connect(installation.settings).put("rooms", "kept", b"acknowledged")

    os.kill(supervision.Supervisor(installation.settings).pid(), signal.SIGKILL)

    assert eventually(lambda: installation.marked() == [], seconds=5)
    again = installation.hvelv("up", "--only", "store")
    assert again.returncode == 0, again.stderr
    assert connect(installation.settings).get("rooms", "kept") == b"acknowledged"
    installation.hvelv("down")


def test_in_the_foreground_an_interrupt_stops_everything(folder):
    installation = Installation(folder)
    command = [sys.executable, "-m", "hvelv.operation.cli", "up", "--foreground", "--only", "store"]
    with subprocess.Popen(
        command, env=os.environ | installation.environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert any("store" in line and "ready" in line for line in iter(child.stdout.readline, ""))
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0

    assert installation.marked() == []


def test_leftovers_of_a_platform_that_was_killed_whole_are_ended_by_the_next_up(folder):
    installation = Installation(folder)
    domains.prepare_folders(installation.settings)
    environment = os.environ | installation.environment | {"HVELV_INSTALLATION": str(folder)}
    with subprocess.Popen([shutil.which("sleep"), "600"], env=environment, start_new_session=True) as left:
        assert installation.hvelv("up", "--only", "store").returncode == 0
        assert left.wait(timeout=5) == -signal.SIGKILL
    installation.hvelv("down")
