"""The system calls that no session may make, as the filter program that bubblewrap loads.

A classic BPF program over `struct seccomp_data` (Linux, Documentation/userspace-api/seccomp_filter.rst). Network
namespaces do not confine every socket family (vsock leaves them), so only four families can be opened at all.
"""

import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

LOAD, JUMP_EQUAL, JUMP_NOT_LESS, RETURN = 0x20, 0x15, 0x35, 0x06
AT_NUMBER, AT_ARCH, AT_FIRST_ARGUMENT = 0, 4, 16
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, EAFNOSUPPORT = 1, 97
X32_BIT = 0x40000000
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}

COMMON = {  # numbered alike everywhere since Linux 5.1
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
}  # fmt: skip
X86_64 = {
    "ptrace": 101, "syslog": 103, "personality": 135, "vhangup": 153, "modify_ldt": 154, "pivot_root": 155, "adjtimex": 159,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176,
    "quotactl": 179, "lookup_dcookie": 212, "clock_settime": 227, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "unshare": 272, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
    "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
AARCH64 = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "vhangup": 58, "quotactl": 60, "acct": 89,
    "personality": 92, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112,
    "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171,
    "add_key": 217, "request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225, "perf_event_open": 241,
    "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268,
    "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280, "userfaultfd": 282,
    "kexec_file_load": 294,
}  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """What a filter must know of a processor: its audit number, its call numbers, and where sockets are made."""

    audit_arch: int
    denied: Mapping[str, int]
    socket_calls: tuple[int, int]  # socket, socketpair


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(0xC000003E, X86_64 | COMMON, (41, 53)),
    "aarch64": Machine(0xC00000B7, AARCH64 | COMMON, (198, 199)),
}


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def program(machine: str = "") -> bytes:
    """Return the filter for `machine` (this one by default). Raises `NotImplementedError` for one we have no table of."""
    name = machine or platform.machine()
    known = MACHINES.get(name)
    if known is None:
        raise NotImplementedError(f"sessions cannot be confined on {name}: no table of its system calls")
    refuse = _step(RETURN, ERRNO | EPERM)
    steps = [
        _step(LOAD, AT_ARCH),
        _step(JUMP_EQUAL, known.audit_arch, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, AT_NUMBER),
        _step(JUMP_NOT_LESS, X32_BIT, 0, 1),
        refuse,
    ]
    for number in sorted(known.denied.values()):
        steps += [_step(JUMP_EQUAL, number, 0, 1), refuse]
    families = sorted(FAMILIES.values())
    make, pair = known.socket_calls
    steps += [
        _step(JUMP_EQUAL, make, 1, 0),
        _step(JUMP_EQUAL, pair, 0, len(families) + 2),
        _step(LOAD, AT_FIRST_ARGUMENT),
        *(_step(JUMP_EQUAL, family, len(families) - place, 0) for place, family in enumerate(families)),
        _step(RETURN, ERRNO | EAFNOSUPPORT),
        _step(RETURN, ALLOW),
    ]
    return b"".join(steps)


def as_descriptor() -> int:
    """Return an open descriptor of the filter, to be handed to bubblewrap and closed by the caller."""
    descriptor = os.memfd_create("seccomp")
    os.write(descriptor, program())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
