"""Two peers with a socket between them, or one and a stranger who writes what he likes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from jackfield.rpc.calls import Handler, Peer
from jackfield.rpc.codec import JSON, Codec
from jackfield.rpc.framing import FrameReader, frame


class Scripted:
    """Answers by functions; keeps what it hears."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        self._methods = methods
        self.heard: list[tuple[str, Any]] = []

    async def answer(self, method: str, params: Any) -> Any:
        self.heard.append((f"called {method}", params))
        return await self._methods[method](params)

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]:
        items: AsyncIterator[Any] = self._methods[method](params)
        return items

    def hear(self, method: str, params: Any) -> None:
        self.heard.append((method, params))


@asynccontextmanager
async def connected(
    one: Handler, other: Handler, *, wary: bool = True, codec: Codec = JSON
) -> AsyncIterator[tuple[Peer, Peer]]:
    """`wary` is the other one."""
    here, there = socket.socketpair()
    loop = asyncio.get_running_loop()
    peers = Peer("weather", one, codec=codec), Peer("weather", other, wary=wary, codec=codec)
    for end, peer in zip((here, there), peers, strict=True):
        end.setblocking(False)
        await loop.create_unix_connection(lambda peer=peer: peer, sock=end)
    try:
        yield peers
    finally:
        for peer in peers:
            await peer.aclose("the test is over")


class Stranger:
    """The other end of a peer's socket."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()

    async def send(self, *message: Any) -> None:
        await self._loop.sock_sendall(self.end, frame(JSON.encode(message)))

    async def send_raw(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.end, data)

    async def read(self) -> Any:
        """The next message; `None` where the peer has hung up."""
        while (body := self._reader.take()) is None:
            try:
                data = await self._loop.sock_recv(self.end, 65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._reader.feed(data)
        return msgspec.json.decode(body)


@asynccontextmanager
async def facing_a_stranger(handler: Handler) -> AsyncIterator[tuple[Peer, Stranger]]:
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    peer = Peer("weather", handler)
    await asyncio.get_running_loop().create_unix_connection(lambda: peer, sock=here)
    try:
        yield peer, Stranger(there)
    finally:
        await peer.aclose("the test is over")
        there.close()
