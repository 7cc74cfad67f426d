"""Two peers in one process, as if a socket were between them."""

from __future__ import annotations

import asyncio
from typing import Any


class Wire(asyncio.Transport):
    """One end: what is written here is received there, in a later turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._here: asyncio.Protocol | None = None
        self._there: Wire | None = None
        self._closing = self._reading = False
        self._held: list[bytes] = []

    def join(self, here: asyncio.Protocol, there: Wire) -> None:
        self._here, self._there, self._reading = here, there, True
        here.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._closing and self._there is not None:
            self._loop.call_soon(self._there._receive, bytes(data))

    def _receive(self, data: bytes) -> None:
        if self._here is None or self._closing:
            return
        if self._reading:
            self._here.data_received(data)
        else:
            self._held.append(data)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._there._held)) if self._there is not None else 0

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        held, self._held = self._held, []
        for data in held:
            self._loop.call_soon(self._receive, data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        if self._here is not None:
            self._loop.call_soon(self._here.connection_lost, error)
        if self._there is not None:
            self._loop.call_soon(self._there._close, None)


def join_in_memory(one: asyncio.Protocol, other: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    here, there = Wire(loop), Wire(loop)
    here.join(one, there)
    there.join(other, here)
