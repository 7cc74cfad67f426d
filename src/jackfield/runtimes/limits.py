"""How much a plugin's process may take, and who looks after it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec

MB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_S = 1.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`hang_s` is how long its loop may stand while calls wait; `cpu_s` how much of the processor it may have within
    any `cpu_window_s`; `start_s` how long it may take until it is ready. `scratch_mb` is for all files together that it
    writes, `file_mb` for each."""

    memory_mb: int = 256
    hang_s: float = 5.0
    cpu_s: float = 20.0
    cpu_window_s: float = 30.0
    start_s: float = 30.0
    files: int = 256
    file_mb: int = 16
    scratch_mb: int = 64
    threads: int = 256


class Usage(msgspec.Struct, frozen=True):
    """`memory` in bytes, `cpu_s` since the process began."""

    memory: int
    cpu_s: float
    threads: int = 1


def read_usage(pid: int) -> Usage | None:
    """`None` where there is no such process any more."""
    try:
        memory = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        # What comes before the last bracket is the program's name, and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, IndexError):
        return None
    return Usage(int(memory) * _PAGE, (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[17]))


class Watch:
    """Judges one process by what it uses; told the time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._samples: deque[tuple[float, float]] = deque()

    def judge(self, now: float, usage: Usage) -> str | None:
        """What it is to be killed for."""
        if usage.memory > self._limits.memory_mb * MB:
            return f"more than {self._limits.memory_mb} MB of memory"
        if usage.threads > self._limits.threads:
            return f"more than {self._limits.threads} threads"
        samples = self._samples
        while samples and samples[0][0] < now - self._limits.cpu_window_s:
            samples.popleft()
        if samples and usage.cpu_s - samples[0][1] > self._limits.cpu_s:
            return f"more than {self._limits.cpu_s:g} s of processor time within {self._limits.cpu_window_s:g} s"
        if not samples or now - samples[-1][0] >= _SAMPLE_S:
            samples.append((now, usage.cpu_s))
        return None
