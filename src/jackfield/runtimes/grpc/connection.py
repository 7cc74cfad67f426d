"""What there is between the gateway and one place that a plugin listens at: the channel, the broker, and `Host`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from contextvars import Context
from pathlib import Path
from typing import Any

from grpc import aio

from jackfield.errors import SessionLost
from jackfield.rpc.desk import Handler
from jackfield.runtimes.grpc.desk import OPTIONS, Desk
from jackfield.runtimes.grpc.generated import handshake_pb2 as wire
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.handshake import Address
from jackfield.runtimes.grpc.peer import GrpcPeer
from jackfield.runtimes.grpc.place import Place
from jackfield.runtimes.grpc.relay import OwnPlace, Relay, bind, dial_address, dial_path
from jackfield.runtimes.grpc.tls import Certificate, client_context, server_context
from jackfield.runtimes.output import Output

BROKER = "/plugin.GRPCBroker/StartStream"
STDIO = "/plugin.GRPCStdio/StreamStdio"
OPEN_SESSION = "/jackfield.plugin.v1.Plugin/OpenSession"
BROKER_ID = 1
_PIECE = 64 * 1024
_REST_S = 0.005
_END_S = 1.0


class Connection:
    """`peer` calls over it once it is open."""

    def __init__(self, peer: GrpcPeer, handler: Handler, output: Output | None, place: Place) -> None:
        self._peer, self._output, self._place = peer, output, place
        self._desk = Desk(handler, peer)
        self._relays: list[Relay] = []
        self._places: list[OwnPlace] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, address: Address, own: Certificate | None, theirs: bytes) -> None:
        """With TLS where there is a certificate of our own; without it there is no broker either, and the plugin is
        told where `Host` is. Raises `SessionLost`, and `OSError` for a certificate that is none."""
        services = await self._serve(own, theirs)
        tls = client_context(own, theirs) if own is not None else None
        path = self._place.private / "plugin"
        await self._relay(Relay(dial_address(address, tls), self._peer.lose), bind(path), None)
        channel = aio.insecure_channel(f"unix:{self._own(path)}", options=OPTIONS)
        self._peer.open(channel)
        await self._peer.ping()
        if own is not None:
            self._spawn(self._broker(channel, services))
        if self._output is not None:
            self._spawn(self._read_output(channel, self._output))
        await self._open_session(channel, "" if own is not None else f"{services}")

    async def _serve(self, own: Certificate | None, theirs: bytes) -> Path:
        """Where the plugin finds `Host`."""
        path = self._place.private / "host"
        await self._desk.listen(path)
        services = self._place.host / "services"
        tls = server_context(own, theirs) if own is not None else None
        await self._relay(Relay(dial_path(self._own(path))), bind(services), tls)
        return services

    async def _relay(self, relay: Relay, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._relays.append(relay)
        await relay.listen(listener, tls)

    def _own(self, path: Path) -> str:
        place = OwnPlace(path)
        self._places.append(place)
        return place.address

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, context=Context()))

    async def _open_session(self, channel: aio.Channel, address: str) -> None:
        call = channel.unary_unary(
            OPEN_SESSION,
            request_serializer=pb.OpenSessionRequest.SerializeToString,
            response_deserializer=pb.Empty.FromString,
        )
        try:
            await call(pb.OpenSessionRequest(broker_id=BROKER_ID, address=address))
        except aio.AioRpcError as error:
            raise SessionLost(f"it took no session: {error.details()}") from error

    async def _broker(self, channel: aio.Channel, services: Path) -> None:
        """Says where `Host` is listened for; what the plugin listens for is not asked for."""
        stream = channel.stream_stream(
            BROKER,
            request_serializer=wire.ConnInfo.SerializeToString,
            response_deserializer=wire.ConnInfo.FromString,
        )
        call = stream(None)
        try:
            await call.write(wire.ConnInfo(service_id=BROKER_ID, network="unix", address=str(services)))
            async for _ in call:
                continue
        except (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError):
            # What of it has been said counts; that the connection is gone is seen elsewhere.
            return

    async def _read_output(self, channel: aio.Channel, output: Output) -> None:
        """go-plugin passes on by this what the process prints later."""
        call = channel.unary_stream(
            STDIO, request_serializer=wire.Empty.SerializeToString, response_deserializer=wire.StdioData.FromString
        )(wire.Empty())
        taken = 0
        try:
            async for data in call:
                output.add(data.data)
                taken += len(data.data)
                if taken >= _PIECE:
                    taken = 0
                    await asyncio.sleep(_REST_S)
        except aio.AioRpcError:
            # Not everyone has it, and nobody for longer than the connection.
            return

    async def aclose(self) -> None:
        """The channel is the peer's to close."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_END_S)
        await self._desk.aclose()
        for relay in self._relays:
            relay.close()
        for place in self._places:
            place.close()
