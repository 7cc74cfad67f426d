"""Control groups (version 2): what a process may take at most, held by the kernel.

They can be had where the gateway's own group was handed to it (systemd's `Delegate=yes`) or has the controllers
switched on for groups below it. Elsewhere rlimits hold, and the gateway's own looks at what the process uses.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

from jackfield.runtimes.limits import MB, Limits

LAYER = "cgroup"
_MOUNT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_NEEDED = {"memory", "pids"}
# The gateway's own place, once groups are made beside it: with processes in it a group can have none below.
_GATEWAY = "gateway"
# Its threads, and those of libraries that it did not start itself.
_SPARE_THREADS = 16

_numbers = count(1)


class Group:
    """Of one process. Owns the folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Raises `OSError`; nothing is left then."""
        self._folder, self._memory_mb = folder, limits.memory_mb
        folder.mkdir()
        try:
            self._write("memory.max", limits.memory_mb * MB)
            self._write("memory.oom.group", 1)
            self._write("pids.max", limits.threads + _SPARE_THREADS)
            with suppress(FileNotFoundError):
                self._write("memory.swap.max", 0)
        except OSError:
            self.remove()
            raise

    def _write(self, name: str, value: int) -> None:
        # What is not there is not made: in a folder of the kernel's it means that the controller is missing.
        with open(self._folder / name, "r+", encoding="ascii") as file:
            file.write(f"{value}\n")

    def take(self, process: int) -> None:
        """Raises `OSError`."""
        self._write("cgroup.procs", process)

    def explain(self) -> str | None:
        """What the kernel killed the process for."""
        with suppress(OSError):
            for line in (self._folder / "memory.events").read_text(encoding="ascii").splitlines():
                if line.startswith("oom_kill ") and line != "oom_kill 0":
                    return f"more than {self._memory_mb} MB of memory"
        return None

    def remove(self) -> bool:
        """Whether it is gone; while something ends in it, it is not."""
        try:
            self._folder.rmdir()
        except OSError:
            return not self._folder.exists()
        return True


def enclose(process: int, limits: Limits, place: Path | None) -> Group | None:
    """The process in a group of its own, where one can be made in `place`."""
    if place is None:
        return None
    try:
        group = Group(place / f"plugin-{os.getpid()}-{next(_numbers)}", limits)
    except OSError:
        return None
    try:
        group.take(process)
    except OSError:
        group.remove()
        return None
    return group


@cache
def find_place() -> Path | None:
    return locate(_MOUNT, _OWN)


def locate(mount: Path, own: Path) -> Path | None:
    """Where groups can be made that bound memory and threads."""
    try:
        group = next(line[3:] for line in own.read_text(encoding="ascii").splitlines() if line.startswith("0::"))
        here = mount / group.lstrip("/")
        if here.name == _GATEWAY:
            here = here.parent
        return here if _is_ready(here) or _prepare(here) else None
    except (OSError, StopIteration):
        return None


def _is_ready(folder: Path) -> bool:
    """Raises `OSError` where there is no such version of them."""
    switched = set((folder / "cgroup.subtree_control").read_text(encoding="ascii").split())
    return switched >= _NEEDED and os.access(folder, os.W_OK)


def _prepare(folder: Path) -> bool:
    """Moves the gateway aside and switches the controllers on, in a group that is its own to arrange."""
    offered = set((folder / "cgroup.controllers").read_text(encoding="ascii").split())
    if not offered >= _NEEDED or not _is_delegated(folder):
        return False
    aside = folder / _GATEWAY
    aside.mkdir(exist_ok=True)
    try:
        (aside / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="ascii")
        (folder / "cgroup.subtree_control").write_text("+memory +pids\n", encoding="ascii")
    except OSError:
        # Others are in it too, or it was not ours after all.
        (folder / "cgroup.procs").write_text(f"{os.getpid()}\n", encoding="ascii")
        with suppress(OSError):
            aside.rmdir()
        return False
    return True


def _is_delegated(folder: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False
