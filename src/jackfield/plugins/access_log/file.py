"""A file that lines are added to, by several processes at once, and that makes room for a new one when it is large."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODE = 0o600


class LogFile:
    """Blocking: for a thread. Former files are called `<name>.1` (the newest), `<name>.2`, and so on."""

    def __init__(self, path: Path, most_bytes: int, keep: int) -> None:
        self.path, self._most_bytes, self._keep = path, most_bytes, keep

    def check(self) -> None:
        """Makes its folder and the file. Raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(self._open())

    def append(self, lines: bytes) -> None:
        """Raises `OSError`; then some of the lines may have been written."""
        if not lines:
            return
        with self._locked():
            if self._is_full(len(lines)):
                self._make_room()
            # Opened anew for each batch: whoever else rotates the file, such as logrotate, is followed.
            file = self._open()
            try:
                _write_all(file, lines)
            finally:
                os.close(file)

    def _is_full(self, more: int) -> bool:
        """A device or pipe never is."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size > 0 and found.st_size + more > self._most_bytes

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)

    def _make_room(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            former = self._former(number)
            if former.exists():
                former.replace(self._former(number + 1))
        self.path.replace(self._former(1))

    def _former(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Of several workers one at a time adds to it."""
        lock = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
