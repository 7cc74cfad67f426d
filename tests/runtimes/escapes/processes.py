"""Other processes: signals to them, looks into them, and being more than one, or another."""

from __future__ import annotations

from tests.runtimes.escapes.attempts import SECCOMP, Attempt

SIGNAL = ("seccomp", "landlock")
TRACE = ("seccomp", "landlock", "user_namespace")
RIGHTS = ("seccomp", "no_capabilities", "user_namespace")

ATTEMPTS = {
    # Signals
    "a signal to another": Attempt("os.kill(VICTIM, 28)", "EPERM", SIGNAL),
    "a signal to the gateway": Attempt("os.kill(GATEWAY, 28)", "EPERM", SIGNAL),
    "a signal to its group": Attempt("os.killpg(os.getpgid(GATEWAY), 0)", "EPERM", SIGNAL),
    "a signal to everybody": Attempt("os.kill(-1, 0)", "EPERM", SECCOMP),
    "a signal to init": Attempt("os.kill(1, 0)", "EPERM", SIGNAL, root=True),
    "a signal to a thread": Attempt("libc_kill = call(NUMBERS['tgkill'], VICTIM, VICTIM, 28)", "EPERM", SIGNAL),
    "a signal to a thread, by its number alone": Attempt("call(NUMBERS['tkill'], VICTIM, 28)", "EPERM", SIGNAL),
    "a signal with words": Attempt(
        "call(NUMBERS['rt_sigqueueinfo'], VICTIM, 28, struct.pack('iii116x', 28, 0, -1))", "EPERM", SIGNAL
    ),
    "a signal by descriptor": Attempt(
        "import signal; signal.pidfd_send_signal(os.pidfd_open(VICTIM), 28)", "EPERM", SIGNAL
    ),
    "a descriptor of another": Attempt("os.pidfd_open(VICTIM)", "EPERM", SECCOMP),
    "a signal by what its socket knows of the gateway": Attempt(
        "import signal; host = socket.socket(fileno=os.dup(3));"
        "fd, = struct.unpack('i', host.getsockopt(socket.SOL_SOCKET, 77, 4)); signal.pidfd_send_signal(fd, 0)",
        "EPERM ENOPROTOOPT",
        SIGNAL,
        through="ok ENOPROTOOPT",
    ),
    "to outlive the gateway": Attempt("assert libc.prctl(1, 0) == 0 or call(-1)", "ENOSYS", SECCOMP),
    # Looks into others, and changes to them
    "tracing another": Attempt("call(NUMBERS['ptrace'], 16, VICTIM, 0, 0)", "EPERM", TRACE),
    "seizing another": Attempt("call(NUMBERS['ptrace'], 0x4206, VICTIM, 0, 0)", "EPERM", TRACE),
    "another's memory": Attempt(
        "byte = ctypes.create_string_buffer(1); here = struct.pack('PN', ctypes.addressof(byte), 1);"
        "call(NUMBERS['process_vm_readv'], VICTIM, here, 1, struct.pack('PN', 4096, 1), 1, 0)",
        "EPERM",
        TRACE,
        through="EFAULT",
    ),
    "writing another's memory": Attempt(
        "byte = ctypes.create_string_buffer(1); here = struct.pack('PN', ctypes.addressof(byte), 1);"
        "call(NUMBERS['process_vm_writev'], VICTIM, here, 1, struct.pack('PN', 4096, 1), 1, 0)",
        "EPERM",
        TRACE,
        through="EFAULT",
    ),
    "another's descriptor": Attempt(
        "call(NUMBERS['pidfd_getfd'], os.pidfd_open(VICTIM), 0, 0)", "EPERM", TRACE
    ),
    "comparing with another": Attempt(
        "call(NUMBERS['kcmp'], os.getpid(), VICTIM, 2, 0, 0)", "EPERM", TRACE
    ),
    "advice on another's memory": Attempt(
        "call(NUMBERS['process_madvise'], -1, 0, 0, 0, 0)", "EPERM", SECCOMP, through="EBADF EINVAL"
    ),
    "another's pages": Attempt(
        "call(NUMBERS['migrate_pages'], -1, 1, 0, 0)", "EPERM", SECCOMP, through="ESRCH ENOSYS EINVAL EFAULT"
    ),
    "another's limits": Attempt(
        "import resource; resource.prlimit(VICTIM, resource.RLIMIT_NOFILE)", "EPERM", SECCOMP
    ),
    "another's priority": Attempt("os.setpriority(os.PRIO_PROCESS, VICTIM, 19)", "EPERM", SECCOMP),
    "its own priority": Attempt(
        "os.setpriority(os.PRIO_PROCESS, 0, -5)", "EPERM", RIGHTS, root=True
    ),
    "real time": Attempt("os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))", "EPERM", RIGHTS, root=True),
    "real time by attributes": Attempt(
        "call(NUMBERS['sched_setattr'], 0, 0, 0)", "EPERM", SECCOMP, through="EINVAL"
    ),
    "another's processors": Attempt("os.sched_setaffinity(VICTIM, {0})", "EPERM", SECCOMP),
    "its own processors": Attempt("os.sched_setaffinity(0, {0})", "EPERM", SECCOMP),
    "first at the disk": Attempt("call(NUMBERS['ioprio_set'], 1, 0, 0)", "EPERM", SECCOMP),
    "to be looked into": Attempt("call(NUMBERS['prctl'], 4, 1, 0, 0, 0)", "EPERM", SECCOMP),
    "to be traced by whoever likes": Attempt(
        "call(NUMBERS['prctl'], 0x59616D61, -1, 0, 0, 0)", "EPERM", SECCOMP, through="ok EINVAL"
    ),
    "memory that others watch over": Attempt("call(NUMBERS['userfaultfd'], 1)", "EPERM", SECCOMP),
    # More of it, or another
    "a fork": Attempt("os.fork() or os._exit(0)", "EPERM", SECCOMP),
    "a fork by another call": Attempt(
        "call(NUMBERS['clone'], 17, 0, 0, 0, 0) or os._exit(0)", "EPERM", SECCOMP
    ),
    "a fork by the newest call": Attempt(
        "call(NUMBERS['clone3'], struct.pack('QQQQQQQQ', 0, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)",
        "ENOSYS",
        SECCOMP,
    ),
    "a shell": Attempt("assert os.system('true') == 0 or call(-1)", "ENOSYS", ("seccomp", "landlock")),
    "a program": Attempt("os.posix_spawn('/bin/true', ['true'], {})", "EPERM", ("seccomp", "landlock")),
    "becoming a program": Attempt("os.execv('/bin/true', ['true'])", "EPERM", ("seccomp", "landlock"), through="ended"),
    "becoming another Python": Attempt(
        "import sys; os.execv(PYTHON, ['python', '-c', ''])", "EPERM", ("seccomp", "landlock"), through="ended"
    ),
    "becoming a program by the linker": Attempt(
        "os.execv(LINKER, ['ld', '/bin/true'])", "EPERM", ("seccomp", "landlock"), through="ended"
    ),
    "becoming what it wrote": Attempt(
        "open(f'{SCRATCH}/run', 'w').write('#!/bin/true'); os.chmod(f'{SCRATCH}/run', 0o700);"
        "os.execv(f'{SCRATCH}/run', ['run'])",
        "EPERM",
        ("seccomp", "landlock"),
        through="ended",
    ),
    "becoming a program by its descriptor": Attempt(
        "fd = os.open('/bin/true', os.O_PATH); call(NUMBERS['execveat'], fd, b'', 0, 0, 0x1000)",
        "EPERM",
        ("seccomp", "landlock"),
        through="ended",
    ),
    "becoming what is only in memory": Attempt(
        "fd = call(NUMBERS['memfd_create'], b'x', 0); os.write(fd, b'#!/nowhere'); os.fchmod(fd, 0o700);"
        "os.execv(f'/proc/self/fd/{fd}', ['x'])",
        "EPERM",
        SECCOMP,
        ("landlock",),
        through="ENOENT",
    ),
    "becoming somebody else by a program": Attempt(
        "os.execv(BECOMES, ['becomes', '-c', 'import os; os._exit(os.geteuid() != 65533)'])",
        "EPERM",
        ("seccomp", "landlock"),
        ("no_new_privs", "user_namespace", "network_namespace", "no_capabilities"),
        through="ended",
        root=True,
    ),
    "becoming root": Attempt("os.setuid(0)", "EINVAL", ("user_namespace",), root=True),
    "becoming another group": Attempt(
        "os.setgid(1)", "EPERM EINVAL", ("user_namespace", "no_capabilities"), root=True
    ),
    "becoming another user": Attempt(
        "os.setuid(1)", "EPERM EINVAL", ("user_namespace", "no_capabilities"), root=True
    ),
    "its rights back": Attempt(
        "header = (ctypes.c_uint32 * 2)(0x20080522, 0);"
        "assert libc.capset(header, (ctypes.c_uint32 * 6)(1, 1, 0)) == 0 or call(-1)",
        "ENOSYS",
        ("no_capabilities",),
    ),
}  # fmt: skip
