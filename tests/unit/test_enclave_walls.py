"""The command lines, filter programs, groups and tables that a session is confined by."""

import json
import struct
import threading

import pytest

from hvelv.enclave.adapters import seccomp
from hvelv.enclave.adapters.cgroups import CONTROLLERS, Cgroups, entering, systemd_scope
from hvelv.enclave.adapters.rooms import announced, make_folders, remove_folders
from hvelv.enclave.adapters.sandbox import ETC, CannotConfineError, Sandbox, check_environment
from hvelv.enclave.adapters.traffic import TrafficLog, kind_of
from hvelv.enclave.adapters.uids import UidTable
from hvelv.enclave.domain.rights import ASK_EVERY, TRUST_FOR, RightsWatch
from hvelv.enclave.domain.sessions import SessionLayout, SessionLimits, SessionName
from hvelv.enclave.domain.sign_in import UNUSABLE, Attempt, Throttle, loggable

KARI = SessionName("kari", "p-abc")
LIMITS = SessionLimits(1 << 30, 1.5, 100)


def a_sandbox(tmp_path, uid=None):
    return Sandbox(SessionLayout(tmp_path / "run", tmp_path / "ws", KARI), LIMITS, tmp_path / "env", uid)


def pairs(argv, option):
    return [(argv[i + 1], argv[i + 2]) for i, part in enumerate(argv) if part == option]


# ---- argv


def test_without_root_there_is_one_stage_with_every_namespace_and_no_capability(tmp_path):
    argv = a_sandbox(tmp_path).argv(7)
    assert argv.count("bwrap") == 1
    for wall in (
        "--unshare-all",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--remount-ro",
        "--seccomp",
    ):
        assert wall in argv
    assert argv[argv.index("--cap-drop") + 1] == "ALL"
    assert argv[argv.index("--seccomp") + 1] == "7"


def test_as_root_the_second_stage_has_the_sessions_user_and_sees_only_what_was_gathered(tmp_path):
    argv = a_sandbox(tmp_path, uid=200_123).argv(7, groups=[tmp_path / "g"])
    assert argv.count("bwrap") == 1  # one process only between hub and session, or its death is not passed on
    second = argv.index("bwrap")
    gather, confine = argv[:second], argv[second:]
    assert gather[0] == "/bin/sh"
    assert "unshare" in gather
    assert "--reuid 200123 --regid 200123 --clear-groups" in " ".join(gather)
    shared = Sandbox(SessionLayout(tmp_path, tmp_path, KARI), LIMITS, tmp_path, 200_123, 200_124).argv(7)
    assert "--reuid 200123 --regid 200123 --groups 200124 --inh-caps=-all" in " ".join(shared)
    assert not [part for part in confine if part.startswith(str(tmp_path))]


@pytest.mark.parametrize("uid", [None, 200_123])
def test_only_socket_folder_and_workspace_are_writable(tmp_path, uid):
    argv = a_sandbox(tmp_path, uid).argv(7)
    last = argv[argv.index("bwrap") :]
    assert {place for _source, place in pairs(last, "--bind")} == {"/run/srv", "/workspace", "/workspace/felles"}
    assert {"/usr", "/opt/hvelv/env", "/run/egress", "/etc/jupyter"} <= {
        place for _source, place in pairs(last, "--ro-bind")
    }
    assert not pairs(last, "--dev-bind")


def test_the_argument_list_holds_no_environment_but_the_path(tmp_path):
    assert [key for key, _value in pairs(a_sandbox(tmp_path, 5).argv(7), "--setenv")] == ["PATH"]


@pytest.mark.parametrize(
    ("text", "part"), [(None, "not built"), ("home = /home/x/bin\n", "outside /usr"), ("", "outside /usr")]
)
def test_an_environment_that_sessions_cannot_see_is_refused(tmp_path, text, part):
    if text is not None:
        (tmp_path / "pyvenv.cfg").write_text(text)
    with pytest.raises(CannotConfineError, match=part):
        check_environment(tmp_path)


def test_an_environment_of_the_systems_python_is_accepted(tmp_path):
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    check_environment(tmp_path)


# ---- seccomp: a small interpreter of the filter


def outcome(program, arch, number, first=0):
    data = struct.pack("IIQQ", number, arch, 0, first)
    steps = [struct.unpack_from("HBBI", program, place) for place in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        code, yes, no, k = steps[at]
        at += 1
        if code == seccomp.LOAD:
            value = struct.unpack_from("I", data, k)[0]
        elif code == seccomp.JUMP_EQUAL:
            at += yes if value == k else no
        elif code == seccomp.JUMP_NOT_LESS:
            at += yes if value >= k else no
        else:
            return k


REFUSED = seccomp.ERRNO | seccomp.EPERM


@pytest.mark.attack("SB06")
@pytest.mark.parametrize("name", seccomp.MACHINES)
def test_every_listed_call_is_refused_and_the_others_pass(name):
    machine, program = seccomp.MACHINES[name], seccomp.program(name)
    denied = set(machine.denied.values())
    for number in range(500):
        if number in machine.socket_calls:
            continue
        expected = REFUSED if number in denied else seccomp.ALLOW
        assert outcome(program, machine.audit_arch, number) == expected, number
    must = {
        "ptrace",
        "process_vm_readv",
        "keyctl",
        "bpf",
        "io_uring_setup",
        "unshare",
        "setns",
        "mount",
        "perf_event_open",
        "userfaultfd",
    }
    assert must <= set(machine.denied)


@pytest.mark.parametrize("name", seccomp.MACHINES)
def test_four_families_of_sockets_can_be_made(name):
    machine, program = seccomp.MACHINES[name], seccomp.program(name)
    for call in machine.socket_calls:
        made = {family for family in range(64) if outcome(program, machine.audit_arch, call, family) == seccomp.ALLOW}
        assert made == {1, 2, 10, 16}


def test_another_processors_calls_kill():
    assert outcome(seccomp.program("x86_64"), 0x40000003, 1) == seccomp.KILL
    assert outcome(seccomp.program("x86_64"), 0xC000003E, 0x40000001) == REFUSED


def test_a_machine_without_a_table_gets_no_sessions():
    with pytest.raises(NotImplementedError, match="sparc"):
        seccomp.program("sparc")


# ---- cgroups on a made-up tree


def test_version_2_limits_stand_in_one_folder(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    groups = Cgroups(tmp_path / "run", root=tmp_path)
    parent = tmp_path / groups.parent
    (parent / "abc").mkdir(parents=True)
    (parent / "abc" / "memory.swap.max").touch()
    assert groups.create("abc", LIMITS) == [parent / "abc"]
    written = {path.name: path.read_text() for path in (parent / "abc").iterdir()}
    assert written == {
        "memory.max": str(1 << 30),
        "memory.swap.max": "0",
        "cpu.max": "150000 100000",
        "pids.max": "100",
    }
    assert (parent / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"


def test_version_1_limits_stand_in_each_controllers_folder(tmp_path):
    for name in CONTROLLERS:
        (tmp_path / name).mkdir()
    groups = Cgroups(tmp_path / "run", root=tmp_path)
    memory, cpu, pids = groups.create("abc", LIMITS)
    assert (memory / "memory.limit_in_bytes").read_text() == str(1 << 30)
    assert (cpu / "cpu.cfs_quota_us").read_text() == "150000"
    assert (pids / "pids.max").read_text() == "100"
    assert groups.sids() == {"abc"}


def test_two_installations_do_not_share_groups(tmp_path):
    assert Cgroups(tmp_path / "a").parent != Cgroups(tmp_path / "b").parent


def test_without_root_systemd_holds_a_session_to_the_same_limits(tmp_path):
    program = tmp_path / "systemd-run"
    program.touch(mode=0o755)
    environ = {"XDG_RUNTIME_DIR": "/run/user/7", "PATH": str(tmp_path)}
    scope = systemd_scope(LIMITS, environ, booted=tmp_path)
    asked = {scope[place + 1] for place, part in enumerate(scope) if part == "-p"}
    assert asked == {f"MemoryMax={1 << 30}", "MemorySwapMax=0", "CPUQuota=150%", "TasksMax=100"}
    assert scope[:3] == ["env", "XDG_RUNTIME_DIR=/run/user/7", "systemd-run"]
    assert a_sandbox(tmp_path).argv(7, scope=scope)[: len(scope) + 1] == [*scope, "prlimit"]
    for lacking in ({"PATH": str(tmp_path)}, environ | {"PATH": "/nowhere"}):
        assert systemd_scope(LIMITS, lacking, booted=tmp_path) == []
    assert systemd_scope(LIMITS, environ, booted=tmp_path / "none") == []


def test_where_no_disk_can_be_made_a_single_file_is_limited(tmp_path):
    layout = SessionLayout(tmp_path / "run", tmp_path / "ws", KARI)
    bounded = Sandbox(layout, SessionLimits(1 << 30, 1.5, 100, disk=1 << 20), tmp_path / "env")
    assert "--fsize=1048576" in bounded.argv(7)
    assert not [part for part in a_sandbox(tmp_path).argv(7) if part.startswith("--fsize")]


def test_entering_no_groups_is_no_command():
    assert entering([]) == []


# ---- folders and user ids


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "run" / "gateway-control").mkdir(parents=True)
    return SessionLayout(tmp_path / "run", tmp_path / "ws", KARI)


def test_a_sessions_folders_say_whose_it_is_and_go_when_it_ends(layout):
    make_folders(layout, None)
    assert announced(layout.home) == KARI
    assert {path.name for path in layout.etc.iterdir()} == set(ETC)
    (layout.workspace / "kept").touch()
    remove_folders(layout)
    assert not layout.home.exists()
    assert not layout.egress.exists()
    assert (layout.workspace / "kept").exists()


def test_a_folder_that_claims_to_be_another_session_is_not_believed(layout):
    make_folders(layout, None)
    layout.announcement.write_text(json.dumps({"person": "ola", "project": "p-abc"}))
    with pytest.raises(ValueError, match="another"):
        announced(layout.home)


def test_each_project_has_a_group_that_is_no_other_projects_and_no_sessions(tmp_path):
    table = UidTable(tmp_path / "uids.json", 200_000)
    numbers = [
        table.group_of("p-abc"),
        table.uid_of(KARI),
        table.group_of("p-abd"),
        table.uid_of(SessionName("ola", "p-abc")),
    ]
    assert len(set(numbers)) == 4
    assert table.group_of("p-abc") == numbers[0]


def test_every_session_has_a_user_id_of_its_own_for_ever(tmp_path):
    table = UidTable(tmp_path / "hub" / "uids.json", 200_000)
    names = [SessionName(f"p{n}", "p-abc") for n in range(40)]
    given: list[int] = []
    threads = [threading.Thread(target=lambda name=name: given.append(table.uid_of(name))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(200_000, 200_040))
    again = UidTable(tmp_path / "hub" / "uids.json", 999_999)
    assert {again.uid_of(name) for name in names} == set(given)


# ---- rights


def test_a_right_holds_from_the_first_yes_and_ends_at_the_first_no():
    watch = RightsWatch()
    assert not watch.holds(0)
    watch.granted(0)
    assert watch.holds(1)
    watch.refused(20)
    assert not watch.holds(20)
    watch.unanswered(21)
    assert not watch.holds(21)
    watch.granted(22)
    assert watch.holds(22)


def test_a_right_nobody_confirms_ends_within_a_minute():
    watch = RightsWatch()
    watch.granted(0)
    now = 0.0
    while watch.holds(now):
        if watch.due(now):
            watch.unanswered(now)
        now += 0.5
    assert TRUST_FOR < now < 60


def test_a_silent_custodian_is_asked_again_sooner():
    watch = RightsWatch()
    watch.granted(0)
    assert not watch.due(ASK_EVERY - 1)
    watch.unanswered(ASK_EVERY)
    assert watch.due(ASK_EVERY * 2 - 1)


# ---- sign-in and log


@pytest.mark.parametrize(
    ("person", "password", "code", "usable"),
    [
        ("Kari", "p", "123 456", True), ("kari", "", "1", False), ("kari", "p" * 257, "1", False), ("k/ari", "p", "1", False),
        ("a" * 64, "p", "1", False), ("", "p", "1", False), (None, "p", "1", False), ("kari", "p", "1" * 17, False), ("kari", ["p"], "1", False),
    ],
)  # fmt: skip
def test_what_cannot_be_anybodys_sign_in_goes_no_further(person, password, code, usable):
    assert (Attempt.of(person, password, code) is not None) is usable


def test_a_password_typed_as_a_name_is_not_logged():
    assert loggable("Riktig hest batteri!") == UNUSABLE
    assert loggable("x" * 1000) == UNUSABLE
    assert loggable("Kari") == "kari"


def test_tries_are_limited_for_each_name_and_in_all():
    throttle = Throttle(per_name=(3, 0.1), overall=(5, 1))
    assert [throttle.allows("kari", 0) for _ in range(4)] == [True, True, True, False]
    assert [throttle.allows(f"n{i}", 0) for i in range(4)] == [True, True, False, False]
    assert throttle.allows("kari", 11)


def test_the_traffic_log_holds_kinds_and_sizes_and_no_paths(capsys):
    assert kind_of("/user/kari/p-abc/api/contents/Ola%20Nordmann.csv", KARI) == "api/contents"
    assert kind_of("/user/kari/p-abc/whatever/secret", KARI) == "other"
    TrafficLog().line(KARI, "http", kind="api/contents", received=7)
    line = json.loads(capsys.readouterr().err)
    assert (line["person"], line["project"], line["kind"], line["received"]) == ("kari", "p-abc", "api/contents", 7)
