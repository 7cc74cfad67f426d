"""Which calls of the kernel the process may make: all but those that lead out of where it was put."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .kernel import CLONE_THREAD, PR_SET_SECCOMP, prctl

_FILTER_MODE = 2
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _RETURN = 0x20, 0x06
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_FOREIGN_ABI = 0x40000000

# By machine: what the kernel calls it, and its numbers of what is refused.
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED: dict[str, tuple[int, int]] = {
    "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "chroot": (161, 51), "clock_adjtime": (305, 266),
    "clock_settime": (227, 112), "delete_module": (176, 106), "execveat": (322, 281), "fanotify_init": (300, 262),
    "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "init_module": (175, 105), "ioprio_set": (251, 30), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219), "lookup_dcookie": (212, 18),
    "migrate_pages": (256, 238), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "move_pages": (279, 239), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "open_tree": (428, 428), "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pivot_root": (155, 41), "process_madvise": (440, 440),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60),
    "reboot": (169, 142), "request_key": (249, 218), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "setdomainname": (171, 162),
    "sethostname": (170, 161), "setns": (308, 268), "setpriority": (141, 140), "settimeofday": (164, 170),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip
_ONLY_X86 = {"adjtimex": 159, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134}
# Libraries that find these missing do without.
_MISSING = {"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)}
_NETWORK = {"socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
            "accept4": (288, 242)}  # fmt: skip
_FORK = {"fork": 57, "vfork": 58}
_CLONE, _CLONE3 = (56, 220), (435, 435)
# Their first argument is the process that they act on.
_ON_A_PROCESS = {"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
                 "rt_tgsigqueueinfo": (297, 240)}  # fmt: skip
_TKILL = (200, 130)
_PRLIMIT = (302, 261)


def build_filter(machine: str, process: int, *, network: bool, processes: bool) -> bytes:
    """The filter's program. Raises `KeyError` for a machine whose numbers are not known."""
    arch, at = _MACHINES[machine], list(_MACHINES).index(machine)
    lines = [_line(_LOAD, _ARCH_AT), *_unless(_EQUAL, arch, _KILL), _line(_LOAD, _NUMBER_AT)]
    if machine == "x86_64":
        lines += _when(_AT_LEAST, _FOREIGN_ABI, _error(errno.ENOSYS))
    refused = {name: numbers[at] for name, numbers in _REFUSED.items()} | (_ONLY_X86 if at == 0 else {})
    for number in sorted(refused.values()):
        lines += _when(_EQUAL, number, _error(errno.EPERM))
    for numbers in _MISSING.values():
        lines += _when(_EQUAL, numbers[at], _error(errno.ENOSYS))
    if not network:
        for numbers in _NETWORK.values():
            lines += _when(_EQUAL, numbers[at], _error(errno.EACCES))
    if not processes:
        lines += _forbid_processes(at)
    for numbers in _ON_A_PROCESS.values():
        lines += _only(numbers[at], _EQUAL, (process,))
    lines += _when(_EQUAL, _TKILL[at], _error(errno.EPERM))
    lines += _only(_PRLIMIT[at], _EQUAL, (0, process))
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def _forbid_processes(at: int) -> list[bytes]:
    """Threads are no processes. What `clone3` is asked for a filter cannot read; without it `clone` is taken."""
    lines = _only(_CLONE[at], _ANY_BIT, (CLONE_THREAD,))
    lines += _when(_EQUAL, _CLONE3[at], _error(errno.ENOSYS))
    if at == 0:
        for number in _FORK.values():
            lines += _when(_EQUAL, number, _error(errno.EPERM))
    return lines


def install(*, network: bool, processes: bool) -> None:
    """For this process, for good. Needs `no_new_privs`. Raises `OSError` and `KeyError`."""
    program = build_filter(os.uname().machine, os.getpid(), network=network, processes=processes)
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    prctl(PR_SET_SECCOMP, _FILTER_MODE, ctypes.c_char_p(head))


def _error(number: int) -> int:
    return _ERRNO | number


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _when(test: int, value: int, action: int) -> list[bytes]:
    return [_line(test, value, 0, 1), _line(_RETURN, action)]


def _unless(test: int, value: int, action: int) -> list[bytes]:
    return [_line(test, value, 1, 0), _line(_RETURN, action)]


def _only(number: int, test: int, values: tuple[int, ...]) -> list[bytes]:
    """This call only where its first argument is one of these, or has one of these bits."""
    tests: list[bytes] = []
    for value in values:
        tests += [_line(test, value, 0, 1), _line(_RETURN, _ALLOW)]
    body = [_line(_LOAD, _FIRST_ARGUMENT_AT), *tests, _line(_RETURN, _error(errno.EPERM))]
    return [_line(_EQUAL, number, 0, len(body)), *body]
