"""Bytes between a socket of this process's own, which gRPC's library uses, and one that a plugin knows, with TLS on it.

gRPC for Python has a TLS that takes no P-521 keys, which are what go-plugin makes; the standard library's does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import cast

from jackfield.runtimes.grpc.handshake import Address
from jackfield.runtimes.grpc.tls import NAME

MOST_CONNECTIONS = 64
CONNECT_S = 5.0

Dial = Callable[["End"], Awaitable[object]]


class End(asyncio.Protocol):
    """One of two that pass on to each other what comes in, each no faster than the other is rid of it."""

    def __init__(self, other: End | None = None) -> None:
        self._other = other
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._other is not None:
            self._other.join(self)

    def join(self, other: End) -> None:
        """The other one is connected too."""
        self._other = other
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            other.write(data)
        if self._transport is not None:
            self._transport.resume_reading()
            if self._transport.is_closing():
                other.close()

    def data_received(self, data: bytes) -> None:
        if self._other is None or self._other._transport is None:
            self._waiting.append(data)
            if self._transport is not None:
                self._transport.pause_reading()
            return
        self._other.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._other.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Relay:
    """Takes connections at one side and dials the other for each. `on_refused` is told why nobody answers there."""

    def __init__(self, dial: Dial, on_refused: Callable[[str], None] = lambda reason: None) -> None:
        self._dial, self._on_refused = dial, on_refused
        self._server: asyncio.Server | None = None
        self._dialling: set[asyncio.Task[None]] = set()
        self._ends: set[End] = set()

    async def listen(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Owns the listener from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(partial(_Near, self), sock=listener, ssl=tls)

    def meet(self, near: End) -> None:
        if len(self._ends) >= 2 * MOST_CONNECTIONS:
            near.abort()
            return
        task = asyncio.get_running_loop().create_task(self._pair(near))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _pair(self, near: End) -> None:
        far = _Far(self, near)
        self._ends |= {near, far}
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._dial(far)
        except (OSError, TimeoutError) as error:
            near.abort()
            self._on_refused(f"where it listened it cannot be reached: {error or 'it does not answer'}")

    def forget(self, end: End) -> None:
        self._ends.discard(end)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._dialling:
            task.cancel()
        for end in list(self._ends):
            end.abort()


class _Near(End):
    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._relay.meet(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._relay.forget(self)


class _Far(End):
    def __init__(self, relay: Relay, near: End) -> None:
        super().__init__(near)
        self._relay = relay

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._relay.forget(self)


class OwnPlace:
    """A Unix socket that only this process can connect to: its name is gone as soon as it is bound, and what is left
    leads through this process's own descriptors."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        os.unlink(path)
        self.address = f"/proc/self/fd/{self._descriptor}"

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        listener.listen(MOST_CONNECTIONS)
    except BaseException:
        listener.close()
        raise
    return listener


def dial_path(path: str) -> Dial:
    async def dial(far: End) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: far, path)

    return dial


def dial_address(address: Address, tls: ssl.SSLContext | None) -> Dial:
    async def dial(far: End) -> None:
        loop = asyncio.get_running_loop()
        name = NAME if tls is not None else None
        if address.port:
            await loop.create_connection(lambda: far, address.host, address.port, ssl=tls, server_hostname=name)
        else:
            await loop.create_unix_connection(lambda: far, address.host, ssl=tls, server_hostname=name)

    return dial
