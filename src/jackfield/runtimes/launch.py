"""Starting a process inside of its sandbox: the host's side of `launcher/`.

The launcher is told no secrets: its argument can be read by whoever may list processes.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from jackfield.runtimes.cgroups import LAYER as CGROUP

LAYERS = (
    "rlimits", "user_namespace", "network_namespace", "no_capabilities", "no_new_privs", "landlock", "seccomp",
)  # fmt: skip
REPORT_S = 10.0
_LONGEST_REPORT = 64 * 1024
_PYTHON = os.path.realpath(sys.executable)
# Not by path: its folder must not be searched before the standard library's.
_START = "import sys; sys.path.append(sys.argv.pop(1)); from launcher.main import main; main()"


class LaunchFailed(Exception):
    """The launcher refused, or ended before the program took over; says why."""


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A Python module whose `main` the launcher calls in its own process, found by `path` and in the standard library.
    Nothing else is ever run in that process, which cannot become another program."""

    name: str
    path: tuple[str, ...]


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What the launcher becomes is the program `argv`, whose first part is an absolute path, or a `module`. `read`,
    `run` and `write` are the files and folders that it reaches; all others it does not. With `unix` it may have Unix
    sockets, also without network; it then finds no files, and so no sockets, but those that are named here. With
    `scratch_mb` what it writes is in memory, bounded by that, and seen by nobody else, where that can be had. `limits`
    are the names of `RLIMIT_…` with their values. A start that cannot have each layer of `minimum` is refused."""

    argv: tuple[str, ...] = ()
    module: Module | None = None
    python: str = sys.executable
    cwd: str
    environ: Mapping[str, str]
    read: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    limits: Mapping[str, int] = {}
    minimum: tuple[str, ...] = ()
    network: bool = False
    unix: bool = False
    processes: bool = False
    scratch_mb: int = 0
    nice: int = 5


class Launched:
    """A process that runs in its sandbox. Whoever has it closes the descriptors."""

    __slots__ = ("layers", "output", "pidfd", "process", "socket")

    def __init__(self, process: subprocess.Popen[bytes], host: socket.socket, output: int) -> None:
        self.process, self.socket, self.output = process, host, output
        self.pidfd = os.pidfd_open(process.pid)
        self.layers: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        """For whoever has handed on none of the descriptors."""
        self.socket.close()
        os.close(self.output)
        os.close(self.pidfd)


def spawn(launch: Launch) -> tuple[Launched, int]:
    """The process, in a session and process group of its own, and the descriptor that its report is read from. Must be
    called in a thread that lives as long as the process may: it dies with it. Raises `LaunchFailed`."""
    if sys.platform != "linux":
        raise LaunchFailed(f"plugins in processes of their own need Linux, and this is {sys.platform}")
    host, guest = socket.socketpair()
    output, its_output = os.pipe()
    report, its_report = os.pipe()
    order = msgspec.to_builtins(launch) | {
        "host": guest.fileno(),
        "report": its_report,
        "parent": os.getpid(),
        # That one is the host's to put up.
        "minimum": [layer for layer in launch.minimum if layer != CGROUP],
    }
    try:
        process = subprocess.Popen(  # noqa: S603 - Python itself, with a program of ours
            [launch.python, "-I", "-S", "-c", _START, str(Path(__file__).parent), msgspec.json.encode(order).decode()],
            stdin=subprocess.DEVNULL,
            stdout=its_output,
            stderr=its_output,
            pass_fds=(guest.fileno(), its_report),
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        host.close()
        os.close(output)
        os.close(report)
        raise LaunchFailed(f"the launcher cannot be run: {error}") from error
    finally:
        guest.close()
        os.close(its_output)
        os.close(its_report)
    for descriptor in (output, report):
        os.set_blocking(descriptor, False)
    host.setblocking(False)
    return Launched(process, host, output), report


async def probe_layers() -> tuple[str, ...]:
    """The layers that a process gets here, by starting one that does nothing. Raises `LaunchFailed`."""
    launched, report = spawn(Launch(argv=(_PYTHON, "-I", "-S", "-c", ""), cwd="/", environ={}, read=("/",), run=("/",)))
    try:
        return await read_report(report)
    finally:
        launched.process.kill()
        launched.process.wait()
        launched.close()


async def read_report(report: int) -> tuple[str, ...]:
    """The layers that are active. Closes the descriptor. Raises `LaunchFailed`."""
    try:
        async with asyncio.timeout(REPORT_S):
            text = await _read_to_end(report)
    except TimeoutError:
        raise LaunchFailed(f"the launcher said nothing within {REPORT_S:g} s") from None
    finally:
        os.close(report)
    return _layers_of(text)


async def _read_to_end(report: int) -> bytes:
    """It ends when the launcher becomes the program, or ends itself."""
    loop = asyncio.get_running_loop()
    text = b""
    while len(text) < _LONGEST_REPORT:
        readable = loop.create_future()
        loop.add_reader(report, _note, readable)
        try:
            await readable
        finally:
            loop.remove_reader(report)
        try:
            data = os.read(report, _LONGEST_REPORT)
        except BlockingIOError:
            continue
        if not data:
            break
        text += data
    return text


def _note(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _layers_of(text: bytes) -> tuple[str, ...]:
    if not text:
        raise LaunchFailed("the launcher ended without a word")
    said: dict[str, Any] = msgspec.json.decode(text.splitlines()[-1])
    if "refused" in said:
        raise LaunchFailed(str(said["refused"]))
    return tuple(said["layers"])
