# ruff: noqa: PTH101, PTH104, PTH110, PTH123, PTH208, SIM115, S103
# Small and plain on purpose: this runs inside, tries things that must fail, and needs no library.
"""Runs inside a sandbox, tries what must not work, and prints what came of it as JSON. Needs the standard library only."""

import ctypes
import errno
import json
import os
import socket
import struct
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
OUTSIDE = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
found = {}


def name_of(number):
    return errno.errorcode.get(number, str(number))


def attempt(action):
    """What came of it: "ok", or the name of the error."""
    try:
        action()
    except OSError as error:
        return name_of(error.errno) if error.errno else type(error).__name__
    return "ok"


def connect(family, kind, address):
    def action():
        with socket.socket(family, kind) as s:
            s.settimeout(3)
            s.connect(address)
            if kind == socket.SOCK_DGRAM:
                s.send(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02no\x00\x00\x01\x00\x01")

    return attempt(action)


def syscall(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return "ok" if result >= 0 else name_of(ctypes.get_errno())


def write(path):
    def action():
        with open(path, "w") as file:
            file.write("x")

    return attempt(action)


V4, V6, TCP, UDP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
found["network"] = {
    **{f"tcp {host}:{port}": connect(V4, TCP, (host, port)) for host, port in (
        ("1.1.1.1", 443), ("10.0.0.1", 80), ("169.254.169.254", 80), ("192.168.0.1", 22), ("172.17.0.1", 2375))},
    **{f"udp {host}:{port}": connect(V4, UDP, (host, port)) for host, port in (("1.1.1.1", 53), ("169.254.169.254", 123))},
    "tcp6": connect(V6, TCP, ("2606:4700:4700::1111", 443)),
    "dns": attempt(lambda: socket.getaddrinfo("example.org", 80)),
    "icmp": attempt(lambda: socket.socket(V4, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
    "ping": attempt(lambda: socket.socket(V4, UDP, socket.IPPROTO_ICMP).connect(("1.1.1.1", 1))),
}  # fmt: skip
found["host ports"] = {str(port): connect(V4, TCP, ("127.0.0.1", port)) for port in OUTSIDE.get("ports", [])}
found["abstract"] = connect(socket.AF_UNIX, TCP, "\0" + OUTSIDE.get("abstract", "none"))
NO_KIND = 15  # refused by the kernel as EINVAL before it looks for the family: what says EAFNOSUPPORT is the filter
found["families"] = {
    f"{family} {kind}": attempt(lambda family=family, kind=kind: socket.socket(family, kind))
    for family in (17, 38, 40, 29, 31, 44)
    for kind in (TCP, NO_KIND)
}
found["interfaces"] = [name for _, name in socket.if_nameindex()]
found["root"] = sorted(os.listdir("/"))
found["home"] = sorted(os.listdir("/home")) if os.path.exists("/home") else []
found["pids"] = sorted(int(p) for p in os.listdir("/proc") if p.isdigit())
found["commands"] = [open(f"/proc/{p}/cmdline").read() for p in found["pids"]]
found["egress"] = sorted(os.listdir("/run/egress"))
found["workspace"] = sorted(os.listdir("/workspace"))
found["paths"] = {path: os.path.exists(path) for path in OUTSIDE.get("paths", [])}
found["write"] = {
    path: write(path)
    for path in ("/x", "/etc/x", "/etc/passwd", "/usr/x", "/usr/bin/x", "/opt/hvelv/env/x", "/opt/hvelv/env/bin/python",
                 "/opt/hvelv/env/lib/python3.11/site-packages/x.pth", "/etc/jupyter/x", "/etc/jupyter/jupyter_server_config.json",
                 "/run/egress/x", "/run/x", "/opt/hvelv/env/share/jupyter/kernels/x", "/proc/sys/kernel/core_pattern")
}  # fmt: skip
found["writable"] = {path: write(path) for path in ("/workspace/x", "/tmp/x", "/dev/shm/x", "/run/srv/x")}
# of each line the fifth word is the place, and the sixth how it is mounted
mounts = [line.split() for line in open("/proc/self/mountinfo")]
found["writable mounts"] = sorted(words[4] for words in mounts if "rw" in words[5].split(","))
found["replace"] = {
    "remove own socket folder": attempt(lambda: os.rename("/run/srv", "/run/srv2")),
    "chmod usr": attempt(lambda: os.chmod("/usr", 0o777)),
    "mknod": attempt(lambda: os.mknod("/workspace/sda", 0o60666, os.makedev(254, 0))),
    "chown": attempt(lambda: os.chown("/workspace", 0, 0)),
}
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
found["capabilities"] = {key: int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
found["no_new_privs"], found["seccomp"] = status["NoNewPrivs"].strip(), status["Seccomp"].strip()
found["ids"] = [os.getuid(), os.getgid(), os.getgroups()]
found["setuid"] = attempt(lambda: os.setuid(0))
pid = os.fork()
if pid == 0:
    import time

    time.sleep(20)
    os._exit(0)
libc.shmat.restype = ctypes.c_void_p
iov = ctypes.create_string_buffer(16)
remote = struct.pack("QQ", 0x400000, 8)
found["calls"] = {
    "ptrace attach": syscall(101, 16, pid, 0, 0),
    "ptrace seize": syscall(101, 0x4206, pid, 0, 0),
    "process_vm_readv": syscall(310, pid, iov, 1, remote, 1, 0),
    "process_vm_writev": syscall(311, pid, iov, 1, remote, 1, 0),
    "pidfd_getfd": syscall(438, 0, 0, 0),
    "keyctl": syscall(250, 0, -3, 1),
    "add_key": syscall(248, b"user", b"d", b"p", 1, -3),
    "request_key": syscall(249, b"user", b"d", 0, 0),
    "bpf": syscall(321, 0, 0, 0),
    "perf_event_open": syscall(298, 0, 0, -1, -1, 0),
    "io_uring_setup": syscall(425, 8, ctypes.create_string_buffer(256)),
    "io_uring_enter": syscall(426, -1, 0, 0, 0, 0),  # let through it is EBADF, also where the kernel refuses setup
    "userfaultfd": syscall(323, 0),
    "unshare user": syscall(272, 0x10000000),
    "unshare net": syscall(272, 0x40000000),
    "setns": syscall(308, 0, 0),
    "clone user": syscall(56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": syscall(435, struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64),
    "mount": syscall(165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "umount2": syscall(166, b"/usr", 2),
    "fsopen": syscall(430, b"tmpfs", 0),
    "pivot_root": syscall(155, b"/", b"/tmp"),
    "chroot": syscall(161, b"/tmp"),
    "open_by_handle_at": syscall(304, 0, 0, 0),
    "init_module": syscall(175, 0, 0, b""),
    "kexec_load": syscall(246, 0, 0, 0, 0),
    "personality": syscall(135, 0x0040000),
    "syslog": syscall(103, 3, 0, 0),
    "vsock": attempt(lambda: socket.socket(40, TCP)),
}
os.kill(pid, 9)
os.waitpid(pid, 0)
found["kill host"] = attempt(lambda: os.kill(OUTSIDE.get("pid", 999_999), 0))
found["sysfs"] = os.path.exists("/sys/fs/cgroup")
found["devices"] = sorted(os.listdir("/dev"))
found["core limit"] = __import__("resource").getrlimit(4)
found["environ"] = sorted(os.environ)
found["threads"] = threading.active_count()
print(json.dumps(found))
