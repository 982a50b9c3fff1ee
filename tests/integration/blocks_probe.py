# ruff: noqa: PTH123, PTH208, BLE001, F821, S605, S606, PLW0603
# Small and plain on purpose: this is what somebody's code could try, and every line of it must come to nothing.
"""Runs as a block's function. The first number says what is tried; 1 is the answer of what came through, 0 of what did not."""

import builtins
import ctypes
import gc
import math
import os
import socket
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
CANARY = 271828.1828
PLACES = ("/", "/tmp", "/dev/shm", "/var/tmp", "/opt", "/opt/hvelv", "/usr/share", "/run", "/home", ".")
FILES = ("/proc/1/environ", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/1/fd/3", "/etc/passwd", "/etc/shadow",
         "/opt/hvelv/host.py", "/usr/lib/os-release", "/sys/kernel/mm/transparent_hugepage/enabled", "/dev/null", SECRET)  # fmt: skip


def comes_through(action):
    try:
        action()
    except Exception:
        return 0
    return 1


def write_files():
    return sum(comes_through(lambda place=place: open(f"{place}/state", "w").write("x")) for place in PLACES)


def read_files():
    return sum(comes_through(lambda path=path: open(path, "rb").read(1)) for path in FILES)


def list_folders():
    return sum(
        comes_through(lambda place=place: os.listdir(place)) for place in ("/", "/proc", "/tmp", "/work", "/root")
    )


def talk():
    kinds = [(family, kind) for family in (1, 2, 10, 16, 17, 31, 38, 40) for kind in (1, 2, 3, 5)]
    found = sum(comes_through(lambda pair=pair: socket.socket(*pair)) for pair in kinds)
    return found + comes_through(socket.socketpair)


def make_processes():
    found = comes_through(lambda: subprocess.Popen(["/bin/true"])) + (os.system("true") == 0)
    return found + comes_through(lambda: os.execv("/usr/bin/true", ["true"]))


def kill_others():
    return sum(comes_through(lambda pid=pid: os.kill(pid, 9)) for pid in (1, 2, 3, -1, os.getpid(), os.getpid() - 1))


def use_descriptors():
    found = 0
    for number in range(4, 2048):
        found += comes_through(lambda number=number: os.write(number, b"x"))
        found += comes_through(lambda number=number: os.read(number, 1))
    return found + sum(comes_through(lambda number=number: os.read(number, 1)[0]) for number in (0, 1, 2, 3))


def look_at_environment():
    known = {"PATH", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "JOBLIB_MULTIPROCESSING", "PYTHONDONTWRITEBYTECODE", "PWD", "LC_CTYPE", "KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"}  # fmt: skip
    return len(set(os.environ) - known)


def leave_state():
    global LEFT
    LEFT = 1
    builtins.hvelv_left = np.hvelv_left = pd.hvelv_left = math.hvelv_left = 1
    os.environ["HVELV_LEFT"] = "1"
    sys.modules["hvelv_left"] = math
    import mmap

    shared = mmap.mmap(-1, 4096)
    shared.write(b"left")
    return 0


def find_state():
    held = [hasattr(place, "hvelv_left") for place in (builtins, np, pd, math)]
    return sum(held) + ("HVELV_LEFT" in os.environ) + ("hvelv_left" in sys.modules) + ("LEFT" in globals())


def find_rows_of_others():
    wanted = CANARY
    raw = np.float64(wanted).tobytes()
    found = 0
    for thing in gc.get_objects():
        for inner in [thing, *gc.get_referents(thing)]:
            if isinstance(inner, bytes | bytearray) and raw in inner:
                found += 1
            if isinstance(inner, np.ndarray) and inner.dtype == float and (inner == wanted).any():
                found += 1
    return found


def make_system_calls():
    """Try every call there is but the few that are allowed; each is refused with EPERM.

    uretprobe and uprobe (335, 336) pass every filter in newer kernels, and end a process that was not sent there by one.
    """
    allowed = {0, 1, 3, 9, 10, 11, 12, 13, 14, 25, 60, 231, 318, 335, 336}
    found = 0
    for number in range(512):
        for call in (number, number | 0x40000000):
            if call not in allowed:
                ctypes.set_errno(0)
                got = libc.syscall(ctypes.c_long(call), *[ctypes.c_long(0)] * 6)
                found += not (got == -1 and ctypes.get_errno() == 1)
    return found


def run_machine_code(code):
    libc.mmap.restype = ctypes.c_void_p
    place = libc.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0))
    ctypes.memmove(place, code, len(code))
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(place)() > 0)


def be_late():
    while True:
        pass


def allocate():
    held = []
    while True:
        held.append(np.ones(1 << 24))


def print_much():
    while True:
        sys.stdout.write("x" * (1 << 20))
        sys.stderr.write("x" * (1 << 20))


def fill_the_pipe():
    while True:
        os.write(3, b"\x00" * 65536)


def say_twice():
    os.write(3, np.float64(1).tobytes())
    return 1


def stop_the_clock():
    before = time.time(), time.monotonic(), time.perf_counter()
    sum(range(100_000))
    return int((time.time(), time.monotonic(), time.perf_counter()) != before)


def find_a_clock_that_moves():
    """Ask every clock twice, past Python's own stand-ins."""

    def read():
        found = []
        for number in range(16):
            held = (ctypes.c_long * 2)()
            libc.clock_gettime(number, held)
            found.append(tuple(held))
        libc.time.restype = ctypes.c_long
        held = (ctypes.c_long * 2)()
        libc.gettimeofday(held, None)
        return [*found, libc.time(None), tuple(held), libc.clock()]

    before = read()
    sum(range(2_000_000))
    return sum(one != other for one, other in zip(before, read(), strict=True))


def recurse(depth=0):
    return recurse(depth + 1)


TRIES = {
    1: write_files, 2: read_files, 3: list_folders, 4: talk, 5: make_processes, 6: kill_others, 7: use_descriptors,
    8: look_at_environment, 9: leave_state, 10: find_state, 11: lambda: 0, 12: find_rows_of_others, 13: make_system_calls,
    14: stop_the_clock, 19: find_a_clock_that_moves, 15: lambda: comes_through(os.fork), 16: lambda: comes_through(threading.Thread(target=int).start),
    17: lambda: 1 + libc.syscall(ctypes.c_long(335)), 18: lambda: 1 + libc.syscall(ctypes.c_long(336)),
    # the page of old system calls, which is in every process: gettimeofday and time
    44: lambda: run_machine_code(b"\x31\xff\x31\xf6\x48\xc7\xc0\x00\x00\x60\xff\xff\xd0\xc3"),
    45: lambda: run_machine_code(b"\x31\xff\x48\xc7\xc0\x00\x04\x60\xff\xff\xd0\xc3"),
    # each of these says nothing that counts
    20: lambda: math.nan, 21: lambda: math.inf, 22: lambda: "many", 23: lambda: None, 24: lambda: 10**400, 25: os.abort,
    26: lambda: ctypes.string_at(0), 27: lambda: os._exit(0), 28: sys.exit, 29: recurse, 30: be_late, 31: allocate, 32: print_much,
    33: fill_the_pipe, 34: say_twice, 35: lambda: time.sleep(0.01), 36: lambda: time.clock_gettime(0), 41: lambda: time.clock_gettime(6), 42: lambda: time.gmtime().tm_sec,
    43: lambda: np.datetime64("now").astype(float),
    37: lambda: run_machine_code(b"\x0f\x31\xc3"), 38: lambda: run_machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"),
    39: lambda: int(abs(__import__("datetime").datetime.now().timestamp()) > 90_000), 40: lambda: 1 / 0,
}  # fmt: skip


def estimate(frame):
    which = frame["a"].iloc[0]
    return [1.0, 2.0] if which == 50 else [TRIES[which]()]
