"""The defences of the operating system by themselves, with a program that has none of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jackfield.runtimes.launch import LAYERS, Launch, LaunchFailed, read_report, spawn
from jackfield.runtimes.launcher import seccomp

PYTHON = os.path.realpath(sys.executable)
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")

# Runs what it is told on its socket, and answers with what came of it.
PROGRAM = """
import errno, json, os, socket, sys
host = socket.socket(fileno=3)
try:
    exec(sys.argv[1])
    said = repr(result)
except OSError as error:
    said = errno.errorcode[error.errno]
host.sendall(said.encode())
"""


async def run(code: str, folder: Path, **settings: Any) -> str:
    launch = Launch(
        argv=(PYTHON, "-I", "-S", "-c", PROGRAM, code),
        cwd=str(folder),
        environ={"LANG": "C.UTF-8"},
        **(
            {"read": (str(folder), sys.base_prefix, *SYSTEM), "run": (PYTHON, "/lib64/ld-linux-x86-64.so.2")} | settings
        ),
    )
    launched, report = spawn(launch)
    loop = asyncio.get_running_loop()
    try:
        launched.layers = await read_report(report)
        async with asyncio.timeout(5):
            said = await loop.sock_recv(launched.socket, 65536)
        return said.decode() or f"said nothing: {os.read(launched.output, 65536).decode()}"
    finally:
        launched.process.wait(5)
        launched.socket.close()
        os.close(launched.output)
        os.close(launched.pidfd)


async def test_what_it_may_do_works(tmp_path: Path) -> None:
    tmp_path.joinpath("own").write_text("mine")
    assert await run("result = open('own').read()", tmp_path) == "'mine'"
    assert (
        await run("import threading; t = threading.Thread(target=print); t.start(); result = t.join()", tmp_path)
        == "None"
    )
    assert await run("result = os.kill(os.getpid(), 0)", tmp_path) == "None"
    assert await run("a, b = socket.socketpair(); a.send(b'x'); result = b.recv(9)", tmp_path) == "b'x'"
    assert await run("result = dict(os.environ)", tmp_path) == "{'LANG': 'C.UTF-8'}"


CALL = "import ctypes; l = ctypes.CDLL(None, use_errno=True); "
RAISE = "; raise OSError(ctypes.get_errno(), '')"
ATTEMPTS = {
    "read a file": ("result = open('/etc/passwd').read()", {"EACCES"}),
    "list a folder": ("result = os.listdir('/')", {"EACCES"}),
    "read its host": (f"result = open('/proc/{os.getpid()}/environ').read()", {"EACCES"}),
    "write into its folder": ("result = open('new', 'w')", {"EACCES"}),
    "remove from its folder": ("result = os.unlink('own')", {"EACCES"}),
    "cut a file off": ("result = os.truncate('own', 0)", {"EACCES"}),
    "fork": ("result = os.fork()", {"EPERM"}),
    "spawn": ("result = os.posix_spawn('/bin/sh', ['sh'], {})", {"EPERM", "EACCES"}),
    "become another program": ("result = os.execv('/bin/sh', ['sh', '-c', 'exit 0'])", {"EACCES"}),
    "run from memory": (
        "fd = os.memfd_create('x'); os.write(fd, open(sys.executable, 'rb').read());"
        " result = os.execve(fd, ['x'], {})",
        {"EPERM", "EACCES", "ENOENT"},
    ),
    "TCP": ("result = socket.socket()", {"EACCES"}),
    "UDP": ("result = socket.socket(type=socket.SOCK_DGRAM)", {"EACCES"}),
    "IPv6": ("result = socket.socket(socket.AF_INET6)", {"EACCES"}),
    "unix sockets": ("result = socket.socket(socket.AF_UNIX)", {"EACCES"}),
    "netlink": ("result = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", {"EACCES"}),
    "raw packets": ("result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", {"EACCES"}),
    "kill its host": ("result = os.kill(os.getppid(), 0)", {"EPERM"}),
    "kill everybody": ("result = os.kill(-1, 0)", {"EPERM"}),
    "kill its group": ("result = os.killpg(0, 0)", {"EPERM"}),
    "kill by descriptor": ("result = os.pidfd_open(os.getppid())", {"EPERM"}),
    "slow its host down": ("result = os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)", {"EPERM"}),
    "bind its host": ("result = os.sched_setaffinity(os.getppid(), {0})", {"EPERM"}),
    "limit its host": (
        "import resource; result = resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))",
        {"EPERM"},
    ),
    "chroot": ("result = os.chroot('.')", {"EPERM"}),
    "become root": ("result = os.setuid(0)", {"EPERM", "EINVAL"}),
    "another namespace": (f"{CALL}l.unshare(0x10000000){RAISE}", {"EPERM"}),
    "a mount": (f"{CALL}l.mount(b'x', b'.', b'tmpfs', 0, 0){RAISE}", {"EPERM"}),
    "ptrace": (f"{CALL}l.ptrace(16, os.getppid(), 0, 0){RAISE}", {"EPERM"}),
    "io_uring": (f"{CALL}l.syscall(425, 1, 0){RAISE}", {"ENOSYS"}),
    "bpf": (f"{CALL}l.syscall(321, 0, 0, 0){RAISE}", {"EPERM"}),
}  # fmt: skip


@pytest.mark.parametrize(("code", "refusals"), ATTEMPTS.values(), ids=ATTEMPTS)
async def test_what_it_may_not_do_is_refused(tmp_path: Path, code: str, refusals: set[str]) -> None:
    tmp_path.joinpath("own").write_text("mine")
    assert await run(code, tmp_path) in refusals
    assert tmp_path.joinpath("own").read_text() == "mine"


async def test_what_may_be_written_may_be_written_and_no_more(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    write = "os.makedirs('a/b'); open('a/b/c', 'w').write('x'); os.rename('a/b/c', 'd'); result = os.listdir('.')"
    assert await run(write, own, write=(str(own),)) == "['a', 'd']"
    assert await run(f"result = open({str(other / 'x')!r}, 'w')", own, write=(str(own),)) == "EACCES"
    assert await run("result = os.mkfifo('pipe')", own, write=(str(own),)) == "EACCES"


async def test_limits_are_the_process_own(tmp_path: Path) -> None:
    code = "import resource; result = [resource.getrlimit(k) for k in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)]"
    assert await run(code, tmp_path, limits={"CORE": 0, "NOFILE": 33}) == "[(0, 0), (33, 33)]"


async def test_who_may_start_processes_and_use_the_network_can(tmp_path: Path) -> None:
    assert await run("p = os.fork(); p or os._exit(0); result = os.waitpid(p, 0)[1]", tmp_path, processes=True) == "0"
    assert "AF_INET" in await run("result = socket.socket().family", tmp_path, network=True)


async def test_a_minimum_that_cannot_be_had_refuses_the_start_by_name(tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed, match=r"what is demanded of the sandbox cannot be had here: microvm \(unknown\)"):
        await run("result = 1", tmp_path, minimum=("landlock", "microvm"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cwd": "/nowhere"}, "/nowhere"),
        ({"argv": ("/nowhere/node",)}, "No such file"),
        ({"limits": {"CORE": "many"}}, "."),
    ],
)
async def test_a_launch_that_fails_says_why(tmp_path: Path, settings: Mapping[str, Any], words: str) -> None:
    whole: dict[str, Any] = {"argv": (PYTHON,), "cwd": str(tmp_path), "environ": {}, "read": SYSTEM, "run": (PYTHON,)}
    launched, report = spawn(Launch(**(whole | dict(settings))))
    with pytest.raises(LaunchFailed, match=words):
        await read_report(report)
    assert launched.process.wait(5) != 0
    launched.socket.close()
    os.close(launched.output)
    os.close(launched.pidfd)


Lines = list[tuple[int, int, int, int]]


def lines_of(program: bytes) -> Lines:
    return list(struct.iter_unpack("HBBI", program))


def judge(lines: Lines, machine: int, number: int, argument: int = 0) -> int:
    """What the kernel would do with a filter; a machine of that language, and its four instructions."""
    words = {0: number, 4: machine, 16: argument}
    tests: dict[int, Callable[[int, int], bool]] = {
        0x15: lambda held, value: held == value,
        0x35: lambda held, value: held >= value,
        0x45: lambda held, value: bool(held & value),
    }
    at = held = 0
    while True:
        code, yes, no, value = lines[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            held = words[value]
        else:
            at += yes if tests[code](held, value) else no


ALLOWED, KILLED = 0x7FFF0000, 0x80000000


def refused(number: int) -> int:
    return 0x00050000 | number


X86 = {"kill": 62, "clone": 56, "clone3": 435, "socket": 41, "prlimit": 302, "read": 0, "ptrace": 101}
ARM = {"kill": 129, "clone": 220, "clone3": 435, "socket": 198, "prlimit": 261, "read": 63, "ptrace": 117}


@pytest.mark.parametrize(("machine", "arch", "numbers"), [("x86_64", 0xC000003E, X86), ("aarch64", 0xC00000B7, ARM)])
def test_the_filter_says_of_each_call_what_it_should(machine: str, arch: int, numbers: dict[str, int]) -> None:
    lines = lines_of(seccomp.build_filter(machine, 4711, network=False, processes=False))

    def said(name: str, argument: int = 0) -> int:
        return judge(lines, arch, numbers[name], argument)

    assert said("read") == ALLOWED
    assert said("ptrace") == refused(errno.EPERM)
    assert (said("kill", 4711), said("kill", 1), said("kill", 0)) == (ALLOWED, *[refused(errno.EPERM)] * 2)
    assert (said("prlimit", 0), said("prlimit", 4711)) == (ALLOWED, ALLOWED)
    assert said("prlimit", 4712) == refused(errno.EPERM)
    assert (said("clone", 0x3D0F00), said("clone", 17)) == (ALLOWED, refused(errno.EPERM))
    assert said("clone3") == refused(errno.ENOSYS)
    assert said("socket") == refused(errno.EACCES)
    assert judge(lines, 0x40000003, numbers["read"]) == KILLED
    free = lines_of(seccomp.build_filter(machine, 4711, network=True, processes=True))
    assert [judge(free, arch, numbers[name]) for name in ("socket", "clone", "clone3")] == [ALLOWED] * 3


def test_the_other_abi_of_the_same_machine_is_closed() -> None:
    lines = lines_of(seccomp.build_filter("x86_64", 1, network=True, processes=True))
    assert judge(lines, 0xC000003E, 0x40000000 + 59) == refused(errno.ENOSYS)


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    with pytest.raises(KeyError):
        seccomp.build_filter("sparc64", 1, network=False, processes=False)


def test_the_order_can_be_read_by_who_reads_json() -> None:
    launch = Launch(argv=("/bin/true",), cwd="/", environ={"A": "b"})
    assert msgspec.json.decode(msgspec.json.encode(launch), type=Launch) == launch
    assert set(LAYERS) >= {"landlock", "seccomp"}
