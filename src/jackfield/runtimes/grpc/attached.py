"""A plugin that runs already: nothing is started for it, and nothing ended. There is no handshake and no TLS, so it can
be on this machine only."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jackfield.errors import JackfieldError
from jackfield.rpc.desk import Handler
from jackfield.runtimes.grpc.connection import Connection
from jackfield.runtimes.grpc.handshake import Address, HandshakeRefused, read_local
from jackfield.runtimes.grpc.peer import GrpcPeer
from jackfield.runtimes.grpc.place import Place
from jackfield.runtimes.launch import LaunchFailed
from jackfield.runtimes.limits import Limits

UNIX = "unix:"
LOOK_S = 1.0


class Silence:
    """What it prints others read."""

    last_words = ""


class Attached:
    """`Life`: it ended when it can be reached no longer."""

    layers: tuple[str, ...] = ()
    pid = None
    output = Silence()

    def __init__(self, who: str, handler: Handler, limits: Limits) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.peer = GrpcPeer(who, handler, self._on_gone)
        self._limits, self._place = limits, Place()
        self._connection = Connection(self.peer, handler, None, self._place)
        self._looking: asyncio.Task[None] | None = None

    async def connect(self, address: Address) -> None:
        """Raises `LaunchFailed`."""
        try:
            async with asyncio.timeout(self._limits.start_s):
                await self._connection.open(address, None, b"")
        except (JackfieldError, OSError, TimeoutError) as error:
            raise LaunchFailed(f"at {address} it cannot be reached: {error}") from error
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        """Nobody tells us when it goes."""
        while not self.ended.done():
            await asyncio.sleep(LOOK_S)
            try:
                async with asyncio.timeout(self._limits.hang_s):
                    await self.peer.ping()
            except (JackfieldError, TimeoutError) as error:
                self._on_gone(f"it cannot be reached any more: {error}")

    def _on_gone(self, reason: str) -> None:
        if not self.ended.done():
            self.peer.fail(reason)
            self.ended.set_result(reason)

    async def aclose(self, reason: str, grace_s: float) -> None:
        self._on_gone(reason)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await self.peer.aclose(reason)
        await self._connection.aclose()
        await asyncio.to_thread(self._place.remove)


async def attach(who: str, address: str, handler: Handler, limits: Limits) -> Attached:
    """Raises `LaunchFailed`; nothing is left of it then."""
    try:
        place = read_address(address)
    except HandshakeRefused as error:
        raise LaunchFailed(str(error)) from error
    attached = Attached(who, handler, limits)
    try:
        await attached.connect(place)
    except BaseException:
        await attached.aclose("it could not be reached", 0)
        raise
    return attached


def read_address(text: str) -> Address:
    """`unix:/path`, or `host:port` on this machine. Raises `HandshakeRefused`."""
    if not text.startswith(UNIX):
        return read_local(text)
    path = Path(text.removeprefix(UNIX))
    if not path.is_absolute():
        raise HandshakeRefused(f"{text!r} is no absolute path")
    return Address(str(path))
