"""One start of a service's own program, from its first to its last word: the host's side of `holder.py`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from jackfield.errors import ConfigError
from jackfield.runtimes.launch import LaunchFailed
from jackfield.runtimes.node import find_node
from jackfield.runtimes.output import Output

TERM_GRACE_S = 10.0
REPORT_S = 10.0
KILLED_S = 5.0
FILES = 4096
MOST_PROCESSES = 512
# What a program finds in its environment beside what its manifest says: nothing of the gateway's own.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")

_HOLDER = Path(__file__).with_name("holder.py")
_LONGEST_REPORT = 64 * 1024


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is run, where, and with what. `memory_mb` and `processes` bound it and all that it starts together."""

    argv: tuple[str, ...]
    cwd: str
    environ: Mapping[str, str]
    memory_mb: int
    processes: int = MOST_PROCESSES
    files: int = FILES


def minimal_environ(
    own: Mapping[str, str], environ: Mapping[str, str] | None = None, *, folder: Path | None = None
) -> dict[str, str]:
    """`own` over the little that every program needs. With the `folder` of a plugin `python3` is that of the virtual
    environment in it, else the one that Jackfield is installed in; `node` is that of the extra where there is no
    other."""
    outer = os.environ if environ is None else environ
    found = {name: outer[name] for name in INHERITED if name in outer} | {"PYTHONUNBUFFERED": "1"}
    if folder is not None:
        places = [folder / ".venv" / "bin", folder / "venv" / "bin", Path(sys.executable).parent]
        found["PATH"] = os.pathsep.join([*map(str, places), found.get("PATH", os.defpath), *_node_places()])
    return found | dict(own)


def _node_places() -> Iterator[str]:
    try:
        yield str(find_node().parent)
    except ConfigError:
        return


def default_memory_mb() -> int:
    """Half of what the machine has: a model may be in there."""
    return max(256, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 // (1024 * 1024))


class Program:
    """`ended` becomes how it ended. `pid` is the program's own, and that of its process group."""

    def __init__(self, holder: subprocess.Popen[bytes], lifeline: int, report: int, output: Output) -> None:
        self._loop = asyncio.get_running_loop()
        self._holder, self._lifeline, self._report = holder, lifeline, report
        self.output = output
        self.pid = 0
        self.layers: tuple[str, ...] = ()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self._said = b""
        self._exit: str | None = None
        self._pidfd = os.pidfd_open(holder.pid)
        self._loop.add_reader(report, self._hear)
        self._loop.add_reader(self._pidfd, self._on_exit)

    async def begin(self) -> None:
        """Raises `LaunchFailed` where it cannot be run; nothing is left of it then."""
        try:
            async with asyncio.timeout(REPORT_S):
                await asyncio.shield(self._begun)
        except TimeoutError:
            await self.stop(0)
            raise LaunchFailed(f"its holder said nothing within {REPORT_S:g} s") from None
        except BaseException:
            await self.stop(0)
            raise

    def _hear(self) -> None:
        try:
            data = os.read(self._report, _LONGEST_REPORT)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._report)
            return
        *lines, self._said = (self._said + data)[-_LONGEST_REPORT:].split(b"\n")
        for line in lines:
            self._take(msgspec.json.decode(line))

    def _take(self, told: dict[str, Any]) -> None:
        if "exit" in told:
            self._exit = _describe(told["exit"], told.get("reason"))
        elif "refused" in told:
            self._exit = f"cannot be run: {told['refused']}"
            self._settle_begin(LaunchFailed(self._exit))
        else:
            self.pid, self.layers = told["pid"], tuple(told["layers"])
            self._settle_begin(None)

    def _settle_begin(self, failure: LaunchFailed | None) -> None:
        if self._begun.done():
            return
        if failure is None:
            self._begun.set_result(None)
        else:
            self._begun.set_exception(failure)
            # Whoever waits for it has been told; whoever does not need not be.
            self._begun.exception()

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._hear()
        self._loop.remove_reader(self._report)
        for descriptor in (self._pidfd, self._report):
            os.close(descriptor)
        code = self._holder.wait()
        self._cut_lifeline()
        self.output.close()
        exit_ = self._exit or f"its holder ended: {_describe(code, None)}"
        self._settle_begin(LaunchFailed(exit_))
        self.ended.set_result(exit_)

    def kill(self) -> None:
        """It, and whatever it started. Its end comes in a later turn of the loop."""
        self._cut_lifeline()

    def _cut_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to its group, and after `grace_s` the end of all."""
        if grace_s > 0 and self._lifeline >= 0 and not self.ended.done():
            os.write(self._lifeline, b"T")
            await asyncio.wait([self.ended], timeout=grace_s)
        self._cut_lifeline()
        await asyncio.wait([self.ended], timeout=KILLED_S)
        if not self.ended.done():
            self._holder.kill()
            await asyncio.wait([self.ended], timeout=KILLED_S)


def _describe(code: int, reason: str | None) -> str:
    try:
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    except ValueError:
        how = f"killed by signal {-code}"
    return f"{how}: {reason}" if reason else how


async def start_program(order: Order, heard: Callable[[bytes], None]) -> Program:
    """`heard` is told of what it prints. Raises `LaunchFailed`; nothing is left of it then."""
    program = _spawn(order, heard)
    await program.begin()
    return program


def _spawn(order: Order, heard: Callable[[bytes], None]) -> Program:
    if sys.platform != "linux":
        raise LaunchFailed(f"programs are started on Linux alone, and this is {sys.platform}")
    its_lifeline, line = os.pipe()
    report, its_report = os.pipe()
    output, its_output = os.pipe()
    told = {
        "argv": order.argv,
        "cwd": order.cwd,
        "environ": dict(order.environ),
        "lifeline": its_lifeline,
        "report": its_report,
        "memory_mb": order.memory_mb,
        "processes": order.processes,
        "limits": {"CORE": 1, "NOFILE": order.files},
    }
    try:
        holder = subprocess.Popen(  # noqa: S603 - Python itself, with a program of ours
            [sys.executable, "-I", "-S", str(_HOLDER), msgspec.json.encode(told).decode()],
            stdin=subprocess.DEVNULL,
            stdout=its_output,
            stderr=its_output,
            pass_fds=(its_lifeline, its_report),
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in (line, report, output):
            os.close(descriptor)
        raise LaunchFailed(f"its holder cannot be run: {error}") from error
    finally:
        for descriptor in (its_lifeline, its_report, its_output):
            os.close(descriptor)
    for descriptor in (report, output):
        os.set_blocking(descriptor, False)
    printed = Output(output)
    printed.reader = heard
    return Program(holder, line, report, printed)
