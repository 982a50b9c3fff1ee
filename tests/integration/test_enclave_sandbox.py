"""A real sandbox, tried from the inside: no way out, nothing of others in sight, nothing to take over."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hvelv.enclave.adapters.cgroups import Cgroups
from hvelv.enclave.adapters.rooms import sweep
from hvelv.enclave.domain.sessions import SessionLimits
from tests.builders_enclave import ROOT, UID, SandboxBench, a_data_dir, bench, wait_for

__all__ = ["bench"]
pytestmark = pytest.mark.integration
PROBE = Path(__file__).with_name("enclave_probe.py").read_text()
SECRET = "canary-of-another-session"
needs_root = pytest.mark.skipif(not ROOT, reason="limits are set by control groups, which only root can make")


@pytest.fixture(scope="module")
def seen(bench) -> SimpleNamespace:
    """What the probe saw from kari's session, while ola's stood beside it and the host listened on ports of its own."""
    other = bench.layout("ola", "p-bbbbbbbbbb")
    bench.prepare(other, uid=UID + 1)
    (other.workspace / "data.csv").write_text(SECRET)
    sandbox = bench.prepare(bench.layout())
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        abstract.bind("\0hvelv-test-abstract")
        abstract.listen()
        outside = {
            "ports": [tcp.getsockname()[1], 8000, 8001, 8081, 22],
            "abstract": "hvelv-test-abstract",
            "pid": os.getpid(),
            "paths": [
                str(other.workspace), str(bench.run_dir), str(bench.run_dir.parent), "/root", "/home", "/var", "/var/run/docker.sock",
                "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/etc/shadow", "/mnt", "/sys/fs/cgroup", "/boot", "/srv",
            ],
        }  # fmt: skip
        process = bench.start(
            sandbox, "/opt/hvelv/env/bin/python", "-c", PROBE, json.dumps(outside), env={"TOKEN": "s3cret"}
        )
        out, _ = process.communicate(timeout=90)
        bench.end(sandbox, process)
    assert process.returncode == 0, out
    return SimpleNamespace(**{key.replace(" ", "_"): value for key, value in json.loads(out.splitlines()[-1]).items()})


@pytest.mark.attack("SB03")
def test_no_packet_finds_a_way_out(seen):
    unreachable = {
        "ENETUNREACH",
        "EACCES",
        "EPERM",
        "EADDRNOTAVAIL",
        "EPROTONOSUPPORT",
        "gaierror",
        "EAI_AGAIN",
        "-3",
        "-2",
    }
    reached = {what: how for what, how in seen.network.items() if how not in unreachable}
    assert not reached
    assert seen.interfaces == ["lo"]


@pytest.mark.attack("SB04")
def test_nothing_that_listens_on_the_host_answers(seen):
    assert set(seen.host_ports.values()) == {"ECONNREFUSED"}
    assert seen.abstract == "ECONNREFUSED"


@pytest.mark.attack("SB03")
def test_no_other_kind_of_socket_can_be_made(seen):
    assert set(seen.families.values()) == {"EAFNOSUPPORT"}
    assert seen.calls["vsock"] == "EAFNOSUPPORT"


@pytest.mark.attack("SB01")
def test_other_sessions_and_the_host_are_out_of_sight(seen):
    assert [path for path, there in seen.paths.items() if there] == []
    assert seen.root == ["bin", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "sbin", "tmp", "usr", "workspace"]
    assert seen.workspace == ["felles"]
    assert not seen.sysfs
    assert not [name for name in seen.devices if name.startswith(("sd", "vd", "nvme", "kvm", "mem", "fuse", "net"))]


@pytest.mark.attack("SB01")
def test_host_processes_are_out_of_sight_and_reach(seen):
    assert len(seen.pids) <= 3
    assert all("bwrap" in command or "python" in command for command in seen.commands)
    assert seen.kill_host == "ESRCH"


@pytest.mark.attack("SB01")
def test_only_workspace_scratch_and_socket_folder_can_be_written(seen):
    assert set(seen.write.values()) <= {"EROFS", "EACCES"}, seen.write
    assert set(seen.writable.values()) == {"ok"}
    assert "ok" not in seen.replace.values()


@pytest.mark.attack("SB01")
def test_nothing_of_the_host_is_mounted_writable_but_the_sessions_own_folders(seen):
    # by the mounts themselves: a file that another user owns cannot be written on a writable mount either
    writable = [place for place in seen.writable_mounts if not place.startswith(("/dev", "/proc"))]
    assert writable == ["/run/srv", "/tmp", "/workspace", "/workspace/felles"]


@pytest.mark.attack("SB10")
def test_server_configuration_kernels_and_packages_cannot_be_changed(seen):
    places = [path for path in seen.write if path.startswith(("/etc/jupyter", "/opt/hvelv/env"))]
    assert len(places) >= 6
    assert {seen.write[path] for path in places} <= {"EROFS", "EACCES"}
    # new files: refused by the mount, not by an owner, who without root would be the session's own user
    new = [path for path in seen.write if path.endswith(("/x", ".pth"))]
    assert {path: seen.write[path] for path in new if seen.write[path] != "EROFS"} == {}


@pytest.mark.attack("SB06")
def test_there_is_no_right_to_take_up(seen):
    assert set(seen.capabilities.values()) == {0}
    assert (seen.no_new_privs, seen.seccomp) == ("1", "2")
    assert seen.setuid in {"EPERM", "EINVAL"}  # there is no such user in here
    assert seen.ids[:2] == [1000, 1000]


@pytest.mark.attack("SB06")
def test_calls_into_the_kernels_back_rooms_are_refused(seen):
    allowed = {
        call: how
        for call, how in seen.calls.items()
        if how not in {"EPERM", "EAFNOSUPPORT", "ENOSYS", "ENOSPC", "EINVAL"}
    }
    assert not allowed
    sure = {"ptrace attach", "ptrace seize", "process_vm_readv", "keyctl", "add_key", "bpf", "io_uring_setup", "perf_event_open",
            "unshare user", "mount", "userfaultfd", "setns"}  # fmt: skip
    assert {seen.calls[call] for call in sure} == {"EPERM"}
    assert seen.calls["clone user"] in {"EPERM", "ENOSPC"}


@pytest.mark.attack("SE01")
def test_no_core_is_dumped_and_no_secret_is_an_argument(seen):
    assert seen.core_limit == [0, 0]
    assert not any("s3cret" in command for command in seen.commands)


def test_the_lab_is_there(bench):
    ran = bench.run(
        "import hvelv.enclave.lab as lab, hvelv, os; print(sorted(os.listdir(list(hvelv.__path__)[0])), repr(lab.project))"
    )
    assert ran.status == 0, ran.out
    assert "['enclave']" in ran.out
    assert "uten forbindelse" in ran.out


@pytest.mark.attack("SB01")
@needs_root
def test_another_sessions_files_belong_to_another_user(bench):
    kari, ola = bench.layout(), bench.layout("ola", "p-bbbbbbbbbb")
    bench.prepare(kari)
    bench.prepare(ola, uid=UID + 1)
    assert (kari.workspace.stat().st_uid, ola.workspace.stat().st_uid) == (UID, UID + 1)
    assert kari.workspace.stat().st_mode & 0o777 == 0o700
    assert ola.egress.stat().st_mode & 0o777 == 0o750
    assert ola.egress.stat().st_gid == UID + 1


MEMORY_BOMB = """
import os, sys
pid = os.fork()
if pid == 0:
    held = []
    for _ in range(64): held.append(bytearray(b"x" * (32 << 20)))
    os._exit(0)
_, status = os.waitpid(pid, 0)
print("child ended by signal", os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
"""
FORK_BOMB = """
import os, time
made = 0
try:
    for _ in range(2000):
        pid = os.fork()
        if pid == 0:
            time.sleep(60); os._exit(0)
        made += 1
except OSError as error:
    print("stopped after", made, error.errno, flush=True)
os._exit(0)
"""


@pytest.mark.attack("SB13")
@needs_root
def test_a_memory_bomb_ends_in_its_own_session(bench):
    begun = time.monotonic()
    ran = bench.run(MEMORY_BOMB)
    assert "signal 9" in ran.out or ran.status == 137, ran
    assert time.monotonic() - begun < 60


@pytest.mark.attack("SB13")
@needs_root
def test_a_fork_bomb_is_stopped_and_nothing_of_it_is_left(bench):
    ran = bench.run(FORK_BOMB)
    made = int(ran.out.split("stopped after ")[1].split()[0])
    assert made < 100
    assert Cgroups(bench.run_dir).sids() == set()


@pytest.mark.attack("SB13")
def test_scratch_is_bounded(bench):
    small = SandboxBench(bench.run_dir, SessionLimits(512 << 20, 1.0, 100, scratch=8 << 20))
    ran = small.run("open('/tmp/x','wb').write(b'x' * (9 << 20))")
    assert "No space left" in ran.out


@needs_root
def test_killing_the_outermost_process_ends_everything(bench):
    sandbox = bench.prepare(bench.layout())
    process = bench.start(sandbox, "/bin/sh", "-c", "sleep 600 & sleep 600")
    groups = Cgroups(bench.run_dir)
    wait_for(lambda: len(groups.processes(sandbox.layout.name.sid)) >= 4, 10)
    process.kill()
    process.wait(10)
    process.stdout.close()
    wait_for(lambda: not groups.processes(sandbox.layout.name.sid), 5)
    groups.remove(sandbox.layout.name.sid)
    assert groups.sids() == set()


@needs_root
def test_what_a_crashed_hub_left_behind_is_gone_when_the_next_one_starts(bench):
    sandbox = bench.prepare(bench.layout())
    process = bench.start(sandbox, "/bin/sh", "-c", "sleep 600")
    groups = Cgroups(bench.run_dir)
    wait_for(lambda: len(groups.processes(sandbox.layout.name.sid)) >= 3, 10)
    sweep(bench.run_dir)
    process.wait(10)
    process.stdout.close()
    assert groups.sids() == set()
    assert not sandbox.layout.home.exists()
    assert not sandbox.layout.egress.exists()
    assert sandbox.layout.workspace.exists()


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_without_root_the_same_walls_stand(bench, tmp_path_factory):
    """The one-stage form, run by an ordinary user: what an installation without root has."""
    with a_data_dir(0o711) as data_dir:
        data_dir.mkdir(mode=0o755)
        if subprocess.run(
            ["setpriv", "--reuid", "65534", "--clear-groups", "test", "-r", __file__], check=False
        ).returncode:
            pytest.skip("the checkout lies where only root can read it")
        script = (
            "import sys; sys.path.insert(0, sys.argv[1]); import os; import builders_enclave as b; from pathlib import Path\n"
            "bench = b.SandboxBench(Path(sys.argv[2]) / 'run')\n"
            "print(bench.run('import os, socket; print(os.getuid(), socket.if_nameindex(), os.listdir(\"/run/egress\"))').out)\n"
        )
        os.chown(data_dir, 65534, 65534)
        import sys

        argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-c", script]
        done = subprocess.run(
            [*argv, str(Path(__file__).parents[1]), str(data_dir)],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        )
        assert done.stdout.strip() == "1000 [(1, 'lo')] []", done.stdout + done.stderr
