"""The few system calls that a block may make: none names a file, a process or a socket, and none tells the time.

The filter is a list of what is allowed, so that a call that the kernel gets tomorrow is refused, too. It is loaded by the
block's own process after it has its rows and before it runs anyone's code. A classic BPF program over
`struct seccomp_data` (Linux, Documentation/userspace-api/seccomp_filter.rst).
"""

import platform
import struct
from collections.abc import Mapping

LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
AT_NUMBER, AT_ARCH = 0, 4
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1  # the last one with EPERM
AUDIT_X86_64 = 0xC000003E
X86_64 = {
    "read": 0, "write": 1, "close": 3, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13,
    "rt_sigprocmask": 14, "mremap": 25, "exit": 60, "exit_group": 231, "getrandom": 318,
}  # fmt: skip
MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = {"x86_64": (AUDIT_X86_64, X86_64)}


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def known(machine: str = "") -> bool:
    """Say whether blocks can be confined on such a machine (this one by default)."""
    return (machine or platform.machine()) in MACHINES


def program(machine: str = "") -> bytes:
    """Return the filter for `machine` (this one by default). Raises `KeyError` for one that we have no table of.

    Numbers of the x32 calls have bit 30 set and so are none of those allowed.
    """
    audit, allowed = MACHINES[machine or platform.machine()]
    steps = [_step(LOAD, AT_ARCH), _step(JUMP_EQUAL, audit, 1, 0), _step(RETURN, KILL), _step(LOAD, AT_NUMBER)]
    for number in sorted(allowed.values()):
        steps += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, ALLOW)]
    return b"".join([*steps, _step(RETURN, REFUSE)])
