"""What it can take: memory, descriptors, files, processors; and what is in nobody's count."""

from __future__ import annotations

from tests.runtimes.escapes.attempts import SECCOMP, Attempt

RLIMITS = ("rlimits",)
# Python says of a limit that may not be raised what the kernel says otherwise.
RAISE = """
import resource
try: resource.setrlimit(resource.RLIMIT_{name}, ({value}, {value}))
except ValueError: raise PermissionError(1, '') from None
"""

ATTEMPTS = {
    "descriptors without end": Attempt(
        "held = []\n"
        "try:\n"
        "    for _ in range(400): held.append(os.open('/dev/null', os.O_RDONLY))\n"
        "finally: [os.close(fd) for fd in held]", "EMFILE", RLIMITS
    ),
    "more descriptors than it was given": Attempt(RAISE.format(name="NOFILE", value=1000), "EPERM", RLIMITS),
    "descriptors kept on their way": Attempt(
        "a, b = socket.socketpair(); a.setblocking(False)\n"
        "for _ in range(400): socket.send_fds(a, [b'x'], [0])",
        "ETOOMANYREFS",
        RLIMITS,
        through="ok EAGAIN",
    ),
    "a large file": Attempt("open(f'{SCRATCH}/large', 'w').truncate(1 << 30)", "EFBIG", RLIMITS),
    "larger files than it was given": Attempt(RAISE.format(name="FSIZE", value=1 << 40), "EPERM", RLIMITS),
    "a core that the system looks at": Attempt(
        "import resource; assert resource.getrlimit(resource.RLIMIT_CORE) != (1, 1) or call(-1)", "ENOSYS", RLIMITS
    ),
    "a core": Attempt(RAISE.format(name="CORE", value=4096), "EPERM", RLIMITS),
    "much memory": Attempt("mmap.mmap(-1, 1 << 33, flags=34 | 0x4000)", "ENOMEM", RLIMITS),
    "more memory than it was given": Attempt(RAISE.format(name="DATA", value=1 << 40), "EPERM", RLIMITS),
    "more room for memory than it was given": Attempt(RAISE.format(name="AS", value=1 << 40), "EPERM", RLIMITS),
    "much memory that it shares": Attempt("mmap.mmap(-1, 1 << 34, flags=33 | 0x4000)", "ENOMEM", RLIMITS),
    "much memory to read": Attempt(
        "mmap.mmap(-1, 1 << 34, flags=34 | 0x4000, prot=1)", "ENOMEM", RLIMITS
    ),
    "memory that stays": Attempt(
        "held = mmap.mmap(-1, 1 << 16)\n"
        "if libc.mlock(ctypes.byref(ctypes.c_char.from_buffer(held)), ctypes.c_size_t(1 << 16)):"
        " raise OSError(ctypes.get_errno(), '')",
        "EPERM ENOMEM",
        RLIMITS,
    ),
    "memory in a file that is nowhere": Attempt("call(NUMBERS['memfd_create'], b'x', 0)", "EPERM", SECCOMP),
    "memory that nobody else reads": Attempt(
        "call(NUMBERS['memfd_secret'], 0)", "EPERM", SECCOMP, through="ok ENOSYS"
    ),
    "memory by its number": Attempt("call(NUMBERS['shmget'], 0, 1 << 20, 0o1600)", "EPERM", SECCOMP),
    "another's memory by its number": Attempt(
        "call(NUMBERS['shmat'], 0, 0, 0)", "EPERM", SECCOMP, through="ok EINVAL"
    ),
    "messages in the kernel": Attempt("call(NUMBERS['msgget'], 0, 0o1600)", "EPERM", SECCOMP),
    "semaphores": Attempt("call(NUMBERS['semget'], 0, 1, 0o1600)", "EPERM", SECCOMP),
    "queues in the kernel": Attempt(
        "attributes = struct.pack('qqqq32x', 0, 9, 999, 0);"
        "call(NUMBERS['mq_open'], b'evil', os.O_CREAT | os.O_RDWR, 0o600, attributes)",
        "EPERM",
        SECCOMP,
        # In its own namespace nobody may make one.
        through="ok EACCES EMFILE",
    ),
    "the kernel's memory by pipes": Attempt(
        "held = []\n"
        "try:\n"
        "    for _ in range(200): held.extend(os.pipe())\n"
        "finally: [os.close(fd) for fd in held]", "EMFILE", RLIMITS
    ),
    "pages moved about": Attempt(
        "call(NUMBERS['move_pages'], 0, 0, 0, 0, 0, 0)", "EPERM", SECCOMP, through="ok ENOSYS"
    ),
}  # fmt: skip
