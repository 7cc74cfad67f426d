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
_ARGUMENT_SIZE = 8
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
    "process_mrelease": (448, 448), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "ptrace": (101, 117), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "reboot": (169, 142), "request_key": (249, 218), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "setdomainname": (171, 162),
    "sethostname": (170, 161), "setns": (308, 268), "setpriority": (141, 140), "settimeofday": (164, 170),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip
# What files say of themselves: Landlock does not look at that, and it is the gateway's user whose files they are.
_MARKS = {
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchown": (93, 55), "fchownat": (260, 54), "fremovexattr": (199, 16),
    "fsetxattr": (190, 7), "lremovexattr": (198, 15), "lsetxattr": (189, 6), "removexattr": (197, 14),
    "setxattr": (188, 5), "utimensat": (280, 88),
}  # fmt: skip
_MARKS_X86 = {"chmod": 90, "chown": 92, "futimesat": 261, "lchown": 94, "utime": 132, "utimes": 235}
# To be told of what happens in folders that cannot be read; Landlock does not look at that either.
_WATCHES = {"inotify_add_watch": (254, 27), "inotify_init1": (294, 26)}
_WATCHES_X86 = {"inotify_init": 253}
# Memory that is in nobody's count while it is not mapped.
_MEMORY = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "mq_open": (240, 180), "msgget": (68, 186),
    "semget": (64, 190), "shmat": (30, 196), "shmget": (29, 194),
}  # fmt: skip
_ONLY_X86 = {"adjtimex": 159, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134}
# Libraries that find these missing do without.
_MISSING = {"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)}
_NETWORK = {"socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
            "accept4": (288, 242)}  # fmt: skip
_UNIX = 1
_EXECVE = (59, 221)
_FORK = {"fork": 57, "vfork": 58}
_CLONE, _CLONE3 = (56, 220), (435, 435)
# Their first argument is the process that they act on.
_ON_A_PROCESS = {"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
                 "rt_tgsigqueueinfo": (297, 240)}  # fmt: skip
_TKILL = (200, 130)
_PRLIMIT = (302, 261)
# What comes after these was not known when this was written; of them, those that a C library needs.
_LAST_KNOWN, _NEEDED_LATER = 449, (453, 454, 455, 456)
# By call: the argument that says what is to be done, and what is not: to have signals sent to others, to keep writers
# waiting, to outlive the gateway, to be looked into, to have the kernel keep more for it.
_NOT_TO_DO = {
    "fcntl": ((72, 25), 1, (8, 10, 15, 1024, 1026)),
    "ioctl": ((16, 29), 1, (0x5412, 0x541C, 0x8901, 0x8902)),
    "prctl": ((157, 167), 0, (1, 4, 0x59616D61)),
    "setsockopt": ((54, 208), 2, (7, 8, 32, 33)),
}
# By call: where its flags are. One of them is little used, and was a way into the kernel.
_FLAGS = {"recvfrom": ((45, 207), 3), "recvmmsg": ((299, 243), 3), "recvmsg": ((47, 212), 2),
          "sendmmsg": ((307, 269), 3), "sendmsg": ((46, 211), 2), "sendto": ((44, 206), 3)}  # fmt: skip
_OUT_OF_BAND = 1
# Streams only, with or without the two flags: others can be sent through to any socket that has a path.
_SOCKETPAIR, _STREAMS = (53, 199), (1, 0o4001, 0o2000001, 0o2004001)


def build_filter(
    machine: str, process: int, *, network: bool, processes: bool, becomes: bool = True, unix: bool = False
) -> bytes:
    """The filter's program; `becomes` is whether the process is to become another program, `unix` whether it may have
    Unix sockets where it has no network. Raises `KeyError` for a machine whose numbers are not known."""
    arch, at = _MACHINES[machine], list(_MACHINES).index(machine)
    lines = [_line(_LOAD, _ARCH_AT), *_unless(_EQUAL, arch, _KILL), _line(_LOAD, _NUMBER_AT)]
    if machine == "x86_64":
        lines += _when(_AT_LEAST, _FOREIGN_ABI, _error(errno.ENOSYS))
    lines += _forbid_outright(at)
    if not network:
        lines += _forbid_sockets(at, unix)
    if not becomes:
        lines += _when(_EQUAL, _EXECVE[at], _error(errno.EPERM))
    if not processes:
        lines += _forbid_processes(at)
    lines += _forbid_others(at, process)
    for numbers, argument, values in _NOT_TO_DO.values():
        lines += _never(numbers[at], argument, _EQUAL, values)
    return b"".join([*lines, _line(_RETURN, _ALLOW)])


def _forbid_outright(at: int) -> list[bytes]:
    everywhere = {numbers[at] for table in (_REFUSED, _MARKS, _WATCHES, _MEMORY) for numbers in table.values()}
    on_x86 = {number for table in (_ONLY_X86, _MARKS_X86, _WATCHES_X86) for number in table.values()}
    lines: list[bytes] = []
    for number in sorted(everywhere | (on_x86 if at == 0 else set())):
        lines += _when(_EQUAL, number, _error(errno.EPERM))
    for numbers in _MISSING.values():
        lines += _when(_EQUAL, numbers[at], _error(errno.ENOSYS))
    for number in _NEEDED_LATER:
        lines += _when(_EQUAL, number, _ALLOW)
    return [*lines, *_when(_AT_LEAST, _LAST_KNOWN + 1, _error(errno.ENOSYS))]


def _forbid_sockets(at: int, unix: bool) -> list[bytes]:
    """But for those that are there, and pairs."""
    lines: list[bytes] = []
    for numbers, argument in _FLAGS.values():
        lines += _never(numbers[at], argument, _ANY_BIT, (_OUT_OF_BAND,))
    if unix:
        return [*lines, *_only(_NETWORK["socket"][at], _EQUAL, (_UNIX,), errno.EACCES)]
    for numbers in _NETWORK.values():
        lines += _when(_EQUAL, numbers[at], _error(errno.EACCES))
    streams = _when_argument(1, _EQUAL, _STREAMS, _ALLOW)
    body = [*_unless_argument(0, _UNIX, _error(errno.EACCES)), *streams, _line(_RETURN, _error(errno.EACCES))]
    return [*lines, _line(_EQUAL, _SOCKETPAIR[at], 0, len(body)), *body]


def _forbid_others(at: int, process: int) -> list[bytes]:
    """What acts on a process may act on this one only."""
    lines: list[bytes] = []
    for numbers in _ON_A_PROCESS.values():
        lines += _only(numbers[at], _EQUAL, (process,))
    lines += _when(_EQUAL, _TKILL[at], _error(errno.EPERM))
    return [*lines, *_only(_PRLIMIT[at], _EQUAL, (0, process))]


def _forbid_processes(at: int) -> list[bytes]:
    """Threads are no processes. What `clone3` is asked for a filter cannot read; without it `clone` is taken."""
    lines = _only(_CLONE[at], _ANY_BIT, (CLONE_THREAD,))
    lines += _when(_EQUAL, _CLONE3[at], _error(errno.ENOSYS))
    if at == 0:
        for number in _FORK.values():
            lines += _when(_EQUAL, number, _error(errno.EPERM))
    return lines


def install(*, network: bool, processes: bool, becomes: bool = True, unix: bool = False) -> None:
    """For this process, for good. Needs `no_new_privs`. Raises `OSError` and `KeyError`."""
    machine, process = os.uname().machine, os.getpid()
    program = build_filter(machine, process, network=network, processes=processes, becomes=becomes, unix=unix)
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


def _only(number: int, test: int, values: tuple[int, ...], refusal: int = errno.EPERM) -> list[bytes]:
    """This call only where its first argument is one of these, or has one of these bits."""
    body = [*_when_argument(0, test, values, _ALLOW), _line(_RETURN, _error(refusal))]
    return [_line(_EQUAL, number, 0, len(body)), *body]


def _never(number: int, argument: int, test: int, values: tuple[int, ...]) -> list[bytes]:
    """This call not where that argument is one of these, or has one of these bits."""
    body = [*_when_argument(argument, test, values, _error(errno.EPERM)), _line(_RETURN, _ALLOW)]
    return [_line(_EQUAL, number, 0, len(body)), *body]


def _when_argument(argument: int, test: int, values: tuple[int, ...], action: int) -> list[bytes]:
    lines = [_line(_LOAD, _FIRST_ARGUMENT_AT + _ARGUMENT_SIZE * argument)]
    for value in values:
        lines += _when(test, value, action)
    return lines


def _unless_argument(argument: int, value: int, action: int) -> list[bytes]:
    return [_line(_LOAD, _FIRST_ARGUMENT_AT + _ARGUMENT_SIZE * argument), *_unless(_EQUAL, value, action)]
