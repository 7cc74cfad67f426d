"""One process of a plugin that is spoken with over gRPC."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from jackfield.clock import Clock
from jackfield.errors import ConfigError, JackfieldError
from jackfield.rpc.desk import Handler
from jackfield.runtimes.cgroups import LAYER, find_place
from jackfield.runtimes.child import Child, Explain
from jackfield.runtimes.grpc.connection import Connection
from jackfield.runtimes.grpc.handshake import LONGEST_LINE, Handshake, HandshakeRefused, find_line, read_line
from jackfield.runtimes.grpc.peer import GrpcPeer
from jackfield.runtimes.grpc.place import Place
from jackfield.runtimes.grpc.program import GrpcProgram, prepare
from jackfield.runtimes.grpc.tls import Certificate, make_certificate
from jackfield.runtimes.launch import Launched, LaunchFailed, read_report, spawn
from jackfield.runtimes.limits import Limits

TLS_LAYER = "mutual_tls"


class GrpcChild(Child):
    def __init__(
        self, who: str, launched: Launched, handler: Handler, clock: Clock, limits: Limits, place: Place
    ) -> None:
        super().__init__(who, launched, handler, clock, limits)
        self._handler, self._place = handler, place
        self._connection: Connection | None = None
        self._printed = bytearray()
        self._line: asyncio.Future[str] = self._loop.create_future()
        self.output.reader = self._look_for_line
        self.inspect = partial(place.inspect, limits.scratch_mb)

    def _make_peer(self, who: str, handler: Handler) -> Any:
        self._grpc = GrpcPeer(who, handler, self._on_gone)
        return self._grpc

    def _look_for_line(self, data: bytes) -> None:
        self._printed += data
        line = find_line(bytes(self._printed))
        if line is None and len(self._printed) <= LONGEST_LINE:
            return
        self.output.reader = None
        if self._line.done():
            return
        if line is None:
            self._line.set_exception(HandshakeRefused("it printed much, and no handshake"))
            return
        self._line.set_result(line)
        # It is no word for people.
        self.output.forget()

    async def come_up(self, report: int, own: Certificate, explain: Explain) -> None:
        """Raises `LaunchFailed`."""
        self._explain = explain
        self._launched.socket.close()
        layers = (*await read_report(report), TLS_LAYER)
        self.layers = (*layers, LAYER) if self._group is not None else layers
        self._begin_to_look()
        try:
            async with asyncio.timeout(self._limits.start_s):
                shaken = await self._shake_hands()
                self._connection = Connection(self._grpc, self._handler, self.output, self._place)
                await self._connection.open(shaken.address, own, shaken.certificate)
        except TimeoutError:
            raise LaunchFailed(self._tell(f"it was not there within {self._limits.start_s:g} s")) from None
        except (HandshakeRefused, JackfieldError, OSError) as error:
            raise LaunchFailed(self._tell(str(error))) from error

    async def _shake_hands(self) -> Handshake:
        await asyncio.wait([self._line, self.ended], return_when=asyncio.FIRST_COMPLETED)
        if not self._line.done():
            raise HandshakeRefused(f"it ended before it said where it listens: {self.ended.result()}")
        return read_line(self._line.result(), self._place.own)

    def _tell(self, reason: str) -> str:
        words = self.output.last_words
        return f"{reason}; its last words: {words[-500:]}" if words else reason

    async def aclose(self, reason: str, grace_s: float) -> None:
        self.peer.fail(reason)
        if grace_s > 0 and not self.ended.done():
            await self._grpc.shut_down(grace_s)
        await super().aclose(reason, grace_s)
        self._line.cancel()
        if self._line.done() and not self._line.cancelled():
            self._line.exception()
        if self._connection is not None:
            await self._connection.aclose()
        self._launched.socket.close()
        await asyncio.to_thread(self._place.remove)


async def start_grpc_child(
    who: str, program: GrpcProgram, handler: Handler, clock: Clock, limits: Limits, explain: Explain
) -> GrpcChild:
    """Raises `LaunchFailed`; nothing is left of it then."""
    place = await asyncio.to_thread(Place)
    own = make_certificate()
    try:
        launched, report = spawn(await asyncio.to_thread(prepare, program, place, own, limits))
    except BaseException as error:
        await asyncio.to_thread(place.remove)
        if isinstance(error, ConfigError):
            raise LaunchFailed(str(error)) from error
        raise
    child = GrpcChild(who, launched, handler, clock, limits, place)
    child.enclose(find_place())
    try:
        await child.come_up(report, own, explain)
        if LAYER in program.minimum and LAYER not in child.layers:
            raise LaunchFailed(f"what is demanded of the sandbox cannot be had here: {LAYER} (no group can be made)")
    except BaseException:
        await child.aclose("it did not start", 0)
        raise
    return child
