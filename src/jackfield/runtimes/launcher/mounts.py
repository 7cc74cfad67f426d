"""A file system with nothing in it but what the process may have: what is not there cannot be connected to either,
which no other layer holds against Unix sockets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from .kernel import CLONE_NEWNS, MS_BIND, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_REC, mount, pivot_root, unmount, unshare

# Any folder does: nobody else sees what is mounted on it.
_ROOT = "/tmp"  # noqa: S108
_MOST_FILES = 1000


def enter(paths: Iterable[str], cwd: str) -> None:
    """Needs a user namespace, or the rights of root. Paths that do not exist are left out. Raises `OSError`, and
    `KeyError` for a machine whose numbers are not known."""
    unshare(CLONE_NEWNS)
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    sources = {path: descriptor for path in {*paths, cwd} if (descriptor := _open(path)) is not None}
    mount("tmpfs", _ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    try:
        for path in sorted(sources, key=lambda path: path.count("/")):
            _bring(sources[path], path)
        pivot_root(_ROOT)
    except BaseException:
        unmount(_ROOT)
        raise
    finally:
        for descriptor in sources.values():
            os.close(descriptor)
    os.chdir(cwd)


def cover(folders: Iterable[str], size_mb: int, cwd: str) -> None:
    """Puts an empty file system of that size over each of the folders, for this process alone: also what is written
    there and then unlinked is bounded by it. Raises `OSError`."""
    unshare(CLONE_NEWNS)
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    for folder in folders:
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=700,size={size_mb}m,nr_inodes={_MOST_FILES}")
    os.chdir(cwd)


def _open(path: str) -> int | None:
    """What `_ROOT` is about to hide can be reached by what was opened before."""
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None


def _bring(descriptor: int, path: str) -> None:
    """What came with a folder above it is there already."""
    place = _ROOT + os.path.abspath(path)
    if os.path.lexists(place):
        return
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(place)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    mount(f"/proc/self/fd/{descriptor}", place, "none", MS_BIND | MS_REC)
