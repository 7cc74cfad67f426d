"""Calls of the kernel that the standard library does not have."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
CLONE_THREAD = 0x00010000

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 1 << 1, 1 << 2, 1 << 12, 1 << 14, 1 << 18
MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def prctl(option: int, *arguments: Any) -> int:
    padded = [*arguments, 0, 0, 0, 0][:4]
    words = [ctypes.c_ulong(part) if isinstance(part, int) else part for part in padded]
    return _checked(_libc.prctl(option, *words), f"prctl({option})")


def syscall(number: int, *arguments: Any) -> int:
    words = [ctypes.c_long(part) if isinstance(part, int) else part for part in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words), f"system call {number}")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [part.encode() for part in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount on {target}")


def unmount(place: str) -> None:
    _checked(_libc.umount2(place.encode(), MNT_DETACH), f"unmount of {place}")


def pivot_root(place: str) -> None:
    """What was the root until now is gone."""
    os.chdir(place)
    _checked(_libc.syscall(ctypes.c_long(_PIVOT_ROOT[os.uname().machine]), b".", b"."), "pivot_root")
    unmount(".")


def drop_capabilities() -> None:
    """Raises `OSError`. Nothing that is run later has any, whoever it runs as."""
    last = _last_capability()
    for number in range(last + 1):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError as error:
            # Who may not drop has none to lose, and beyond the last there is nothing to drop.
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise
            break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(header, nothing), "capset")


def _last_capability() -> int:
    try:
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 63


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)
