"""The kernel itself: namespaces, mounts, keys, modules, and all the doors that it has besides files."""

from __future__ import annotations

from tests.runtimes.escapes.attempts import SECCOMP, Attempt

# In a namespace of its own whoever may do everything could mount.
MOUNTS = ("seccomp", "no_capabilities", "landlock")
ROOMS = ("seccomp", "no_capabilities")
RIGHTS = ("seccomp", "no_capabilities", "user_namespace")


def ask(name: str, arguments: str, through: str) -> Attempt:
    """What the kernel answers to those whom it listens to: that the arguments are nonsense."""
    return Attempt(f"call(NUMBERS[{name!r}], {arguments})", "EPERM", SECCOMP, through=through)


ATTEMPTS = {
    # Namespaces
    "a namespace of users": Attempt("call(NUMBERS['unshare'], 0x10000000)", "EPERM", SECCOMP),
    "a namespace of mounts": Attempt("call(NUMBERS['unshare'], 0x20000)", "EPERM", ROOMS),
    "a namespace of processes": Attempt("call(NUMBERS['unshare'], 0x20000000)", "EPERM", ROOMS),
    "a namespace of groups": Attempt("call(NUMBERS['unshare'], 0x02000000)", "EPERM", ROOMS),
    "a namespace of clocks": Attempt("call(NUMBERS['unshare'], 0x80)", "EPERM", ROOMS),
    "a namespace of users by a fork": Attempt(
        "call(NUMBERS['clone'], 0x10000011, 0, 0, 0, 0) or os._exit(0)", "EPERM", SECCOMP
    ),
    "a namespace of users by the newest call": Attempt(
        "call(NUMBERS['clone3'], struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)",
        "ENOSYS",
        SECCOMP,
    ),
    "another's namespace": Attempt(
        "call(NUMBERS['setns'], os.open(f'/proc/{VICTIM}/ns/net', os.O_RDONLY), 0)",
        "EACCES",
        ("landlock", "user_namespace"),
        ("seccomp", "no_capabilities"),
        root=True,
    ),
    "a namespace by descriptor": ask("setns", "-1, 0", "EBADF"),
    # Mounts and roots
    "a mount": Attempt(
        "call(NUMBERS['unshare'], 0x20000); call(NUMBERS['mount'], b'x', SCRATCH.encode(), b'tmpfs', 0, 0)",
        "EPERM",
        MOUNTS,
    ),
    "a file over another": Attempt(
        "call(NUMBERS['unshare'], 0x20000);"
        "call(NUMBERS['mount'], TARGET.encode(), f'{OWN}/secret'.encode(), 0, 4096, 0)",
        "EPERM",
        MOUNTS,
    ),
    "less over what is mounted": Attempt(
        "call(NUMBERS['unshare'], 0x20000); call(NUMBERS['umount2'], b'/nowhere', 2)",
        "EPERM",
        ROOMS,
        ("landlock",),
        through="ENOENT",
    ),
    "another root": Attempt("os.chroot(SCRATCH)", "EPERM", ROOMS),
    "another root for all": Attempt(
        "call(NUMBERS['unshare'], 0x20000); call(NUMBERS['pivot_root'], SCRATCH.encode(), SCRATCH.encode())",
        "EPERM",
        MOUNTS,
        through="EINVAL EBUSY ok",
    ),
    "a file system by the new calls": Attempt(
        "call(NUMBERS['unshare'], 0x20000); call(NUMBERS['fsopen'], b'tmpfs', 0)", "EPERM", ROOMS
    ),
    "a tree of mounts": Attempt("call(NUMBERS['open_tree'], -100, OUTSIDE.encode(), 0)", "EPERM", SECCOMP),
    "a mount moved": ask("move_mount", "-1, b'', -1, b'', 0", "EPERM EBADF ENOENT"),
    "a mount changed": ask("mount_setattr", "-1, b'', 0x1000, 0, 0", "EINVAL"),
    # Keys
    "a key": Attempt("call(NUMBERS['add_key'], b'user', b'evil', b'x', 1, -2)", "EPERM", SECCOMP),
    "a key of the gateway": Attempt("call(NUMBERS['keyctl'], 0, -4, 0, 0, 0)", "EPERM", SECCOMP, through="ok ENOKEY"),
    "a key that others make": ask("request_key", "b'user', b'evil', 0, 0", "ENOKEY"),
    # Programs and modules of the kernel
    "io_uring": Attempt(
        "call(NUMBERS['io_uring_setup'], 1, ctypes.create_string_buffer(120))",
        "ENOSYS",
        SECCOMP,
        # Some kernels are told to have it for nobody; and it takes memory that stays.
        through="ok EPERM ENOMEM",
    ),
    "io_uring entered": Attempt(
        "call(NUMBERS['io_uring_enter'], -1, 0, 0, 0, 0, 0)", "ENOSYS", SECCOMP, through="EBADF EOPNOTSUPP"
    ),
    "a program in the kernel": Attempt(
        "call(NUMBERS['bpf'], 0, struct.pack('IIII104x', 2, 4, 4, 1), 120)", "EPERM", RIGHTS, root=True
    ),
    "counters of the processor": Attempt(
        "call(NUMBERS['perf_event_open'], struct.pack('IIQQQQQ72x', 1, 120, 0, 0, 0, 0, 0x61), 0, -1, -1, 0)",
        "EPERM",
        SECCOMP,
        through="ok EACCES",
    ),
    "a module": ask("init_module", "0, 0, 0", "ENOSYS EPERM EFAULT"),
    "a module by descriptor": ask("finit_module", "-1, b'', 0", "ENOSYS EPERM EBADF"),
    "a module away": ask("delete_module", "b'nothing', 0", "ENOSYS EPERM ENOENT"),
    "another kernel": ask("kexec_load", "0, 0, 0, 0", "ENOSYS EPERM"),
    "another kernel by file": ask("kexec_file_load", "-1, -1, 0, 0, 0", "ENOSYS EPERM EBADF"),
    # The machine
    "a restart": Attempt("call(NUMBERS['reboot'], 0, 0, 0, 0)", "EPERM", RIGHTS, through="EINVAL", root=True),
    "the clock": ask("clock_settime", "0, struct.pack('qq', 0, -1)", "EINVAL"),
    "the clock of old": ask("settimeofday", "struct.pack('qq', 0, -1), 0", "EINVAL"),
    "the speed of the clock": ask("clock_adjtime", "99, ctypes.create_string_buffer(208)", "EINVAL"),
    "the name of the machine": Attempt("socket.sethostname('evil')", "EPERM", ROOMS),
    "its domain": Attempt("call(NUMBERS['setdomainname'], b'evil', 4)", "EPERM", ROOMS),
    "what is swapped": Attempt(
        "call(NUMBERS['swapon'], b'/nowhere', 0)", "EPERM", RIGHTS, ("landlock",), through="ENOENT", root=True
    ),
    "no more swapping": Attempt(
        "call(NUMBERS['swapoff'], b'/nowhere')", "EPERM", RIGHTS, ("landlock",), through="ENOENT", root=True
    ),
    "accounts of processes": Attempt(
        "call(NUMBERS['acct'], b'/nowhere')", "EPERM", RIGHTS, ("landlock",), through="ENOENT ENOSYS", root=True
    ),
    "quotas": ask("quotactl", "0x80000100, 0, 0, 0", "ENOSYS EINVAL ENODEV ok"),
    "another personality": Attempt("call(NUMBERS['personality'], 0x0400000)", "EPERM", SECCOMP),
    "keys to a terminal": Attempt(
        "import fcntl; fcntl.ioctl(0, 0x5412, b'x')", "EPERM", SECCOMP, through="ENOTTY"
    ),
    "ports of the machine": Attempt(
        "call(NUMBERS.get('iopl', -1), 0)", "EPERM ENOSYS", SECCOMP, through="ok ENOSYS"
    ),
    "what the kernel had not yet when this was written": Attempt(
        "call(470, 0)", "ENOSYS", (), through="ENOSYS"
    ),
}  # fmt: skip
