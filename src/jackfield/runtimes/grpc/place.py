"""The folders of one process of a plugin: where it may write, and where it finds its host. They go with it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

# A socket's path has 107 bytes, and go-plugin's own part of it is short.
_LONGEST = 70
_SHORT = "/tmp"  # noqa: S108 - the folder that is made in it is nobody else's


class Place:
    """`own` is the process's, to write in; `host` is what it may read; `program` what it may run; `private` is for
    sockets that nobody else finds."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="jackfield-"))
        if len(str(self._root)) > _LONGEST:
            self._root.rmdir()
            self._root = Path(tempfile.mkdtemp(prefix="jackfield-", dir=_SHORT))
        self.own, self.host = self._root / "own", self._root / "host"
        self.program, self.private = self._root / "program", self._root / "private"
        for folder in (self.own, self.host, self.program, self.private):
            folder.mkdir(mode=0o700)

    def remove(self) -> None:
        """Whatever the process left in it."""
        shutil.rmtree(self._root, ignore_errors=True)
