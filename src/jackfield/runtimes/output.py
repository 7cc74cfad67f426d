"""What a process prints: read as it comes, the end of it kept. Who prints without measure is read from more slowly."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

KEPT = 8 * 1024
LINES = 40
# 64 KB each 5 ms are 13 MB a second.
_PIECE = 64 * 1024
_REST_S = 0.005
_MOST_AT_THE_END = 16


class Output:
    """Owns the descriptor, which does not block. `total` is how many bytes came; `reader` is shown each piece."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.reader: Callable[[bytes], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._kept = bytearray()
        self._rest: asyncio.TimerHandle | None = None
        self._open = True
        self.total = 0
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if self._take():
            self._rest = self._loop.call_later(_REST_S, self._go_on)

    def _go_on(self) -> None:
        self._rest = None
        self._loop.add_reader(self._descriptor, self._read)

    def _take(self) -> bool:
        """Whether there was something."""
        try:
            data = os.read(self._descriptor, _PIECE)
        except OSError:
            return False
        self.add(data)
        return bool(data)

    def add(self, data: bytes) -> None:
        """What it printed, also by another way than the descriptor."""
        self.total += len(data)
        self._kept += data[-KEPT:]
        del self._kept[:-KEPT]
        if self.reader is not None:
            self.reader(data)

    def forget(self) -> None:
        """What it printed until now is not to be told."""
        self._kept.clear()

    @property
    def last_words(self) -> str:
        lines = self._kept.decode("utf-8", "replace").replace("\0", "").splitlines()
        return "\n".join(lines[-LINES:]).strip()

    def close(self) -> None:
        """Reads what the process left, and no more than a pipe holds: another may still have its other end."""
        if not self._open:
            return
        self._open = False
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._descriptor)
        for _ in range(_MOST_AT_THE_END):
            if not self._take():
                break
        os.close(self._descriptor)
