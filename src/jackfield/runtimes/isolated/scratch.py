"""The folder that an isolated process may write into: empty when it starts, gone when it ended."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import structlog

from jackfield.runtimes.limits import MB
from jackfield.telemetry.text import describe_error

MOST_FILES = 1000
_BLOCK = 512
_TRIES = 100
_NAME = re.compile(r"(\d+)-\d+")
_numbers = count(1)

log = structlog.get_logger("jackfield.runtimes")


class Scratch:
    """A folder of its own in `parent`, of at most so many files, and so many megabytes."""

    def __init__(self, parent: Path, limit_mb: int) -> None:
        self.folder = parent.resolve() / f"{os.getpid()}-{next(_numbers)}"
        self._limit_mb = limit_mb
        # Who gives up waiting for the thread that makes it does not end that thread.
        self._lock = threading.Lock()

    async def make(self) -> None:
        """Raises `OSError`."""
        await asyncio.to_thread(self._make)

    def _make(self) -> None:
        with self._lock:
            remove_tree(self.folder)
            _remove_left(self.folder.parent)
            # The last of the others may leave just then, and take the parent with it.
            for _ in range(_TRIES):
                self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with suppress(FileNotFoundError):
                    self.folder.mkdir(mode=0o700)
                    return
            raise FileNotFoundError(errno.ENOENT, "is removed again and again", str(self.folder.parent))

    def inspect(self) -> str | None:
        """What is wrong with what is there."""
        return inspect_tree(self.folder, self._limit_mb)

    async def remove(self) -> None:
        """Never raises: what cannot be removed is told, and found again by the next start."""
        try:
            await asyncio.to_thread(self._remove)
        except OSError as error:
            log.warning("scratch_not_removed", folder=str(self.folder), error=describe_error(error))

    def _remove(self) -> None:
        with self._lock:
            remove_tree(self.folder)
            _remove_empty(self.folder.parent)


def sweep_scratch(root: Path) -> None:
    """Removes what gateways that were killed left in the folders of plugins, and what of these is empty. Takes its
    time: not for the event loop."""
    with suppress(OSError):
        for parent in root.iterdir():
            _remove_left(parent)
            _remove_empty(parent)


def _remove_left(parent: Path) -> None:
    """Others that start now do the same."""
    with suppress(OSError):
        for left in filter(_is_left, parent.iterdir()):
            remove_tree(left)


def _remove_empty(parent: Path) -> None:
    with suppress(OSError):
        parent.rmdir()


def inspect_tree(root: Path, limit_mb: int) -> str | None:
    """What is wrong with what is there."""
    size = 0
    try:
        for number, blocks in enumerate(_measure_files(root)):
            if number >= MOST_FILES:
                return f"more than {MOST_FILES:,} files"
            size += blocks * _BLOCK
    except OSError as error:
        return f"files that cannot be looked at: {error.strerror}"
    return f"more than {limit_mb} MB of files" if size > limit_mb * MB else None


def _measure_files(root: Path) -> Iterator[int]:
    """The blocks of each. Raises `OSError` for what is shut or nested too deep to be seen."""
    folders = [str(root)]
    while folders:
        # What the process removes meanwhile is passed over.
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    yield entry.stat(follow_symlinks=False).st_blocks
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)


def _is_left(folder: Path) -> bool:
    """Whether it is of a gateway that lives no more: one that was killed had no time to remove it."""
    made = _NAME.fullmatch(folder.name)
    if made is None:
        return False
    try:
        os.kill(int(made[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        # It lives, and is somebody else's.
        return False
    return False


def remove_tree(root: Path) -> None:
    """With all that is in it, however deep it is nested and whatever its rights are; links are not followed. What it
    holds may be a stranger's, who is gone: what is nested is moved up first, so no path gets long and nothing recurs.
    """
    if root.is_symlink() or not root.is_dir():
        root.unlink(missing_ok=True)
        return
    names = count()
    while folders := list(_clear(root)):
        for folder in folders:
            for inner in _clear(folder):
                os.rename(inner, _find_free(root, names))
            os.rmdir(folder)
    os.rmdir(root)


def _clear(folder: Path) -> Iterator[Path]:
    """Removes what is in it, but for the folders, which it names."""
    os.chmod(folder, 0o700)
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                yield folder / entry.name
            else:
                os.unlink(entry.path)


def _find_free(root: Path, names: Iterator[int]) -> Path:
    return next(place for place in (root / f"{number}" for number in names) if not os.path.lexists(place))
