"""Files outside of its own: of the gateway, of other plugins, of the system, and its own code."""

from __future__ import annotations

from tests.runtimes.escapes.attempts import LANDLOCK, SECCOMP, Attempt

# What another process may look into: it would have to be of the same namespace of users as well.
LOOK = ("landlock", "user_namespace")
# What it writes is on a file system of its own.
SCRATCHES = ("landlock", "private_scratch")

ATTEMPTS = {
    # Reading
    "a file": Attempt("open(TARGET).read()", "EACCES", LANDLOCK),
    "a file of the system": Attempt("open('/etc/passwd').read()", "EACCES", LANDLOCK),
    "a file up from its own": Attempt("open(f'{OWN}/../outside/secret').read()", "EACCES", LANDLOCK),
    "a file through a link": Attempt(
        "os.symlink(TARGET, f'{SCRATCH}/link'); open(f'{SCRATCH}/link').read()", "EACCES", LANDLOCK
    ),
    "a file by a hard link": Attempt(
        "os.link(TARGET, f'{SCRATCH}/hard'); open(f'{SCRATCH}/hard').read()", "EACCES EXDEV", SCRATCHES
    ),
    "a file moved in": Attempt("os.rename(TARGET, f'{SCRATCH}/moved')", "EACCES EXDEV", SCRATCHES),
    "a file by where another works": Attempt(
        "os.chdir(OUTSIDE); open('secret').read()", "EACCES", LANDLOCK
    ),
    "a file opened in two steps": Attempt(
        "fd = os.open(OUTSIDE, os.O_PATH); os.open('secret', os.O_RDONLY, dir_fd=fd)", "EACCES", LANDLOCK
    ),
    "a file by its descriptor": Attempt(
        "fd = os.open(TARGET, os.O_PATH); open(f'/proc/self/fd/{fd}').read()", "EACCES", LANDLOCK
    ),
    "a file through its own root": Attempt("open(f'/proc/self/root{TARGET}').read()", "EACCES", LANDLOCK),
    "a file by its handle": Attempt(
        "call(NUMBERS['name_to_handle_at'], -100, TARGET.encode(), struct.pack('Ii128x', 128, 0),"
        " ctypes.byref(ctypes.c_int()), 0)",
        "EPERM",
        SECCOMP,
    ),
    "a folder": Attempt("os.listdir('/')", "EACCES", LANDLOCK),
    "another plugin's folder": Attempt("open(f'{OTHER}/secret').read()", "EACCES", LANDLOCK),
    "a device": Attempt("open('/dev/ptmx', 'rb')", "EACCES", LANDLOCK),
    "the disk": Attempt(
        "number = os.stat(TARGET).st_dev; os.mknod(f'{SCRATCH}/disk', 0o60600, number)",
        "EACCES EPERM",
        ("landlock", "no_capabilities", "user_namespace"),
        root=True,
    ),
    "shared memory of others": Attempt("os.listdir('/dev/shm')", "EACCES", LANDLOCK),
    "names in a folder, as they come": Attempt(
        "call(NUMBERS['inotify_add_watch'], call(NUMBERS['inotify_init1'], 0), OUTSIDE.encode(), 0x100)",
        "EPERM",
        SECCOMP,
    ),
    "names in a folder, as another service tells them": Attempt(
        "call(NUMBERS['fanotify_init'], 0x200, 0)", "EPERM", SECCOMP
    ),
    "what is mounted": Attempt("open('/proc/self/mountinfo').read()", "EACCES", LANDLOCK),
    "what is mounted, by a newer call": Attempt(
        "call(458, struct.pack('IIQQ', 24, 0, 0xFFFFFFFFFFFFFFFF, 0), (ctypes.c_uint64 * 9)(), 9, 0)",
        "ENOSYS",
        SECCOMP,
    ),
    # Of the gateway and of other processes
    "another's environment": Attempt("open(f'/proc/{VICTIM}/environ').read()", "EACCES", LOOK),
    "another's memory": Attempt("open(f'/proc/{VICTIM}/mem', 'rb').read(0)", "EACCES", LOOK),
    "writing another's memory": Attempt("open(f'/proc/{VICTIM}/mem', 'r+b')", "EACCES", LOOK),
    "another's map of memory": Attempt("open(f'/proc/{VICTIM}/maps').read()", "EACCES", LOOK),
    "another's descriptors": Attempt("os.listdir(f'/proc/{VICTIM}/fd')", "EACCES", LANDLOCK),
    "another's open file": Attempt("open(f'/proc/{VICTIM}/fd/0', 'rb', 0)", "EACCES", LOOK),
    "another's root": Attempt("open(f'/proc/{VICTIM}/root{TARGET}').read()", "EACCES", LOOK),
    "where another works": Attempt("os.readlink(f'/proc/{VICTIM}/cwd')", "EACCES", LOOK),
    "another's command": Attempt("open(f'/proc/{VICTIM}/cmdline').read()", "EACCES", LANDLOCK),
    "the gateway's command": Attempt("open(f'/proc/{GATEWAY}/cmdline').read()", "EACCES", LANDLOCK),
    "who runs": Attempt("os.listdir('/proc')", "EACCES", LANDLOCK),
    "a setting of the kernel": Attempt("open('/proc/sys/kernel/hostname').read()", "EACCES", LANDLOCK),
    "the log of the kernel": Attempt(
        "call(NUMBERS['syslog'], 3, ctypes.create_string_buffer(9), 9)",
        "EPERM",
        ("seccomp",),
        ("no_capabilities", "user_namespace"),
        root=True,
    ),
    # Writing
    "writing a file": Attempt("open(TARGET, 'w').write('evil')", "EACCES", LANDLOCK),
    "cutting a file": Attempt("os.truncate(TARGET, 0)", "EACCES", LANDLOCK),
    "removing a file": Attempt("os.unlink(TARGET)", "EACCES", LANDLOCK),
    "a new file": Attempt("open(f'{OUTSIDE}/new', 'x')", "EACCES", LANDLOCK),
    "a new folder": Attempt("os.mkdir(f'{OUTSIDE}/newer')", "EACCES", LANDLOCK),
    "a link elsewhere": Attempt("os.symlink('/etc/passwd', f'{OUTSIDE}/link')", "EACCES", LANDLOCK),
    "a file in the system's folder for such": Attempt(
        "fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR)", "EACCES", LANDLOCK
    ),
    "a file in shared memory": Attempt("os.open('/dev/shm', os.O_TMPFILE | os.O_RDWR)", "EACCES", LANDLOCK),
    "putting a file out": Attempt(
        "open(f'{SCRATCH}/out', 'w'); os.rename(f'{SCRATCH}/out', f'{OUTSIDE}/out')", "EACCES EXDEV", SCRATCHES
    ),
    "a pipe that others find": Attempt("os.mkfifo(f'{SCRATCH}/pipe')", "EACCES", LANDLOCK),
    "its own code": Attempt("open(f'{OWN}/escape_program.py', 'r+')", "EACCES", LANDLOCK),
    "more of its own code": Attempt("open(f'{OWN}/new.py', 'w')", "EACCES", LANDLOCK),
    "what is compiled of its own code": Attempt("os.mkdir(f'{OWN}/__pycache__')", "EACCES", LANDLOCK),
    "its packages": Attempt("open(f'{ENVIRONMENT}/evil.pth', 'w')", "EACCES", LANDLOCK),
    "the library": Attempt("os.open(LIBRARY, os.O_WRONLY)", "EACCES", LANDLOCK, root=True),
    "Python": Attempt("os.open(STANDARD, os.O_WRONLY)", "EACCES", LANDLOCK, root=True),
    "rights of a file": Attempt("os.chmod(TARGET, 0o666)", "EPERM", SECCOMP),
    "rights of its own code": Attempt("os.chmod(f'{OWN}/escape_program.py', 0)", "EPERM", SECCOMP),
    "rights of its own code, by descriptor": Attempt(
        "fd = os.open(f'{OWN}/secret', os.O_RDONLY); os.fchmod(fd, os.fstat(fd).st_mode & 0o7777)", "EPERM", SECCOMP
    ),
    "rights by a newer call": Attempt("call(452, -100, TARGET.encode(), 0o600, 0)", "ENOSYS", SECCOMP),
    "whose a file is": Attempt("os.chown(TARGET, -1, -1)", "EPERM", SECCOMP),
    "times of a file": Attempt("os.utime(TARGET, (1, 1))", "EPERM", SECCOMP),
    "marks on a file": Attempt("os.setxattr(TARGET, 'user.evil', b'1')", "EPERM", SECCOMP, through="ok ENOTSUP"),
    "a lease that keeps writers waiting": Attempt(
        "import fcntl; fd = os.open(f'{OWN}/secret', os.O_RDONLY); fcntl.fcntl(fd, 1024, 0)", "EPERM", SECCOMP
    ),
    "quotas of the disk": Attempt("call(443, -1, 0, 0, 0)", "EPERM", SECCOMP, through="EBADF"),
}  # fmt: skip
