"""The folders of one process of a plugin: where it may write, and where it finds its host. They go with it."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import structlog

from jackfield.runtimes.isolated.scratch import inspect_tree, remove_tree
from jackfield.telemetry.text import describe_error

PREFIX = "jackfield-grpc-"
# A socket's path has 107 bytes, and go-plugin's own part of it is short.
_LONGEST = 70
_SHORT = "/tmp"  # noqa: S108 - the folder that is made in it is nobody else's
# Between being made and being held a folder looks as one that was left.
_YOUNG_S = 60.0

log = structlog.get_logger("jackfield.runtimes")


class Place:
    """`own` is the process's, to write in; `host` is what it may read; `program` what it may run; `private` is for
    sockets that nobody else finds. All is held while the gateway lives, so that what a killed one left can be told."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix=PREFIX))
        if len(str(self._root)) > _LONGEST:
            self._root.rmdir()
            self._root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_SHORT))
        self._hold = _hold(self._root)
        self.own, self.host = self._root / "own", self._root / "host"
        self.program, self.private = self._root / "program", self._root / "private"
        for folder in (self.own, self.host, self.program, self.private):
            folder.mkdir(mode=0o700)

    def inspect(self, limit_mb: int) -> str | None:
        """What is wrong with what the process wrote."""
        return inspect_tree(self.own, limit_mb)

    def remove(self) -> None:
        """Whatever the process left in it. Never raises; takes its time: not for the event loop."""
        _remove(self._root)
        descriptor, self._hold = self._hold, -1
        if descriptor >= 0:
            os.close(descriptor)


def sweep(now: float | None = None) -> None:
    """Removes what gateways that were killed have left. Takes its time: not for the event loop."""
    at = time.time() if now is None else now
    for parent in {tempfile.gettempdir(), _SHORT}:
        for found in Path(parent).glob(f"{PREFIX}*"):
            with suppress(OSError):
                _sweep(found, at)


def _sweep(folder: Path, now: float) -> None:
    """Raises `OSError` for one that is held, or none of ours."""
    descriptor = _hold(folder)
    try:
        seen = os.fstat(descriptor)
        if seen.st_uid == os.geteuid() and now - seen.st_mtime > _YOUNG_S:
            _remove(folder)
    finally:
        os.close(descriptor)


def _hold(folder: Path) -> int:
    """Raises `OSError` where another holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _remove(folder: Path) -> None:
    try:
        remove_tree(folder)
    except OSError as error:
        log.warning("place_not_removed", folder=str(folder), error=describe_error(error))
