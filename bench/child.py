"""Child processes: started on a core, waited for, looked at, and stopped by their own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.cores import pinned

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STOP_S = 10.0


class ChildError(Exception):
    """Names the child and carries its last words."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Child:
    """One process with its descendants. What it prints goes to `log`."""

    def __init__(self, name: str, command: list[str], *, core: int, log: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self._log = log
        with pinned(core), log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(env)
            )

    def wait_ready(self, port: int, timeout_s: float = 30.0) -> None:
        """Until the port takes connections. Raises `ChildError` if it ends first or takes too long."""
        until = time.monotonic() + timeout_s
        while not listens(port):
            if not self.is_alive():
                raise ChildError(f"{self.name} ended with {self._process.returncode}:\n{self.last_words()}")
            if time.monotonic() > until:
                raise ChildError(f"{self.name} did not listen within {timeout_s:g} s:\n{self.last_words()}")
            time.sleep(0.01)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def rss_mb(self) -> float:
        """Resident memory of the process and its descendants."""
        return sum(_rss_kb(pid) for pid in self._tree()) / 1024

    def cpu_s(self) -> float:
        return sum(_cpu_ticks(pid) for pid in self._tree()) / _TICKS_PER_S

    def _tree(self) -> Iterator[int]:
        waiting = [self._process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            waiting += _children(pid)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Takes no turn of its core meanwhile."""
        self._send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        for pid in tuple(self._tree()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """Asks, waits, and if need be ends it."""
        if not self.is_alive():
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_S)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found


def _rss_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def _cpu_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])
