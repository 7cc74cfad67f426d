"""The plugin's side in Python: a program as of `runtimes.guest`, served over gRPC after go-plugin's handshake."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import uvloop
from grpc import aio

from jackfield.errors import JackfieldError, SessionDenied
from jackfield.rpc.codec import WrongShape, convert
from jackfield.runtimes.grpc.calls import RPCS
from jackfield.runtimes.grpc.connection import BROKER, OPEN_SESSION
from jackfield.runtimes.grpc.conversation import CONVERSE
from jackfield.runtimes.grpc.desk import CALL_KEY, CODE_KEY, OPTIONS, find
from jackfield.runtimes.grpc.errands import SERVICE
from jackfield.runtimes.grpc.generated import handshake_pb2 as wire
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.guest_calls import PATHS, SERVED, Served
from jackfield.runtimes.grpc.guest_errands import SENT, Sent
from jackfield.runtimes.grpc.handshake import COOKIE, CORE_VERSION, PROTOCOL_VERSION
from jackfield.runtimes.grpc.peer import HEALTH, SHUTDOWN
from jackfield.runtimes.grpc.tls import NAME, Certificate, make_certificate

# Where a plugin listens that is started by hand: `unix:/path`, or `host:port`.
LISTEN = "JACKFIELD_LISTEN"
_ADDRESS_S = 5.0
# The broker's stream never ends by itself.
_GRACE_S = 0.05
_MOST_TELLS = 10_000

if TYPE_CHECKING:
    _GenericHandler = grpc.GenericRpcHandler[Any, Any]
else:
    _GenericHandler = grpc.GenericRpcHandler

_HOOK = SERVED["hook"]
_CALL: ContextVar[str | None] = ContextVar("jackfield_grpc_call", default=None)


class GrpcRpc:
    """What the program asks its host by. What it tells goes in its order, and before what it asks for or answers
    later."""

    def __init__(self) -> None:
        self._calls: dict[str, Any] = {}
        self._told: deque[tuple[str, Any, str | None]] = deque(maxlen=_MOST_TELLS)
        self._telling: asyncio.Task[None] | None = None

    def connect(self, channel: aio.Channel) -> None:
        for method, sent in SENT.items():
            self._calls[method] = channel.unary_unary(
                f"/{SERVICE}/{sent.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=sent.reply.FromString,
            )

    async def call(self, method: str, params: Any = None, *, into: Any = Any) -> Any:
        """Raises `SessionDenied` with the words and the code of what the host raised."""
        await self.flush()
        answer = await self._send(self._find(method), method, params, _CALL.get())
        try:
            return answer if into is Any else convert(answer, into)
        except WrongShape as error:
            raise SessionDenied(f"the answer is not understood: {error}") from error

    def _find(self, method: str) -> Sent:
        found = SENT.get(method)
        if found is None or not self._calls:
            raise SessionDenied(f"there is no {method[:100]} over gRPC" if found is None else "no session is open")
        return found

    async def _send(self, sent: Sent, method: str, params: Any, call: str | None) -> Any:
        metadata = ((CALL_KEY, call),) if call is not None else ()
        try:
            return sent.read(await self._calls[method](sent.write(params or {}), metadata=metadata))
        except aio.AioRpcError as error:
            code = find(error.trailing_metadata(), CODE_KEY) or error.code().name.lower()
            raise SessionDenied(error.details() or code, told=code) from error

    def tell(self, method: str, params: Any = None) -> None:
        self._find(method)
        self._told.append((method, params, _CALL.get()))
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._told:
                method, params, call = self._told.popleft()
                await self._send(SENT[method], method, params, call)
        except SessionDenied as error:
            print(f"the host was not told: {error}", file=sys.stderr)
        finally:
            self._telling = None
            if self._told:
                self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def flush(self) -> None:
        while (telling := self._telling) is not None and telling is not asyncio.current_task():
            await asyncio.wait([telling])


class Guest:
    """Serves one program until its host has it end."""

    def __init__(self, program: object) -> None:
        self._program, self.rpc = program, GrpcRpc()
        self._progress: dict[str, asyncio.Queue[Any]] = {}
        self._addresses: dict[int, asyncio.Future[str]] = {}
        self._over = asyncio.Event()
        self._own: Certificate | None = None
        self._host = b""
        self._channel: aio.Channel | None = None

    async def serve(self, environ: Mapping[str, str]) -> None:
        """Raises `PermissionError` where it was neither started by a host nor told where to listen."""
        server = aio.server(options=OPTIONS)
        server.add_generic_rpc_handlers((_Handlers(self),))
        if (listen := environ.get(LISTEN)) is not None:
            server.add_insecure_port(listen)
            await server.start()
        else:
            await self._greet(server, environ)
        await self._over.wait()
        await server.stop(_GRACE_S)
        if self._channel is not None:
            await self._channel.close(None)

    async def _greet(self, server: aio.Server, environ: Mapping[str, str]) -> None:
        if environ.get(COOKIE[0]) != COOKIE[1]:
            raise PermissionError(f"this is a plugin: Jackfield starts it, or {LISTEN} says where it listens")
        self._own, self._host = make_certificate(), environ["PLUGIN_CLIENT_CERT"].encode()
        path = Path(environ["PLUGIN_UNIX_SOCKET_DIR"]) / f"plugin{uuid.uuid4().hex[:12]}"
        credentials = grpc.ssl_server_credentials(
            [(self._own.key, self._own.certificate)], root_certificates=self._host, require_client_auth=True
        )
        server.add_secure_port(f"unix:{path}", credentials)
        await server.start()
        certificate = base64.b64encode(self._own.der).decode().rstrip("=")
        print(f"{CORE_VERSION}|{PROTOCOL_VERSION}|unix|{path}|grpc|{certificate}", flush=True)

    # What go-plugin has

    async def take_addresses(self, requests: AsyncIterator[wire.ConnInfo], context: Any) -> AsyncIterator[Any]:
        async for told in requests:
            found = self._address(told.service_id)
            if not found.done():
                found.set_result(told.address)
        if False:
            yield

    def _address(self, number: int) -> asyncio.Future[str]:
        return self._addresses.setdefault(number, asyncio.get_running_loop().create_future())

    async def check_health(self, request: Any, context: Any) -> wire.HealthCheckResponse:
        return wire.HealthCheckResponse(status=wire.HealthCheckResponse.SERVING)

    async def shut_down(self, request: Any, context: Any) -> wire.Empty:
        asyncio.get_running_loop().call_soon(self._over.set)
        return wire.Empty()

    async def open_session(self, request: pb.OpenSessionRequest, context: Any) -> pb.Empty:
        former, self._channel = self._channel, await self._dial(request)
        self.rpc.connect(self._channel)
        if former is not None:
            await former.close(None)
        return pb.Empty()

    async def _dial(self, request: pb.OpenSessionRequest) -> aio.Channel:
        if request.address or self._own is None:
            return aio.insecure_channel(f"unix:{request.address}", options=OPTIONS)
        async with asyncio.timeout(_ADDRESS_S):
            address = await asyncio.shield(self._address(request.broker_id))
        credentials = grpc.ssl_channel_credentials(self._host, self._own.key, self._own.certificate)
        options = (*OPTIONS, ("grpc.ssl_target_name_override", NAME))
        return aio.secure_channel(f"unix:{address}", credentials, options=options)

    # Calls

    async def answer(self, name: str, served: Served, data: bytes, context: Any) -> bytes:
        _CALL.set(find(context.invocation_metadata(), CALL_KEY))
        try:
            params = served.read(served.request.FromString(data))
            method = self._find(name)
            answer = method(params, self.rpc)
            reply = served.write(await answer if answer is not None else None)
            await self.rpc.flush()
            encoded: bytes = reply.SerializeToString()
            return encoded
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the host is told
            await _abort(context, error)

    async def follow(self, name: str, served: Served, data: bytes, context: Any) -> AsyncIterator[bytes]:
        """Its progress, and then the answer."""
        _CALL.set(find(context.invocation_metadata(), CALL_KEY))
        request = served.request.FromString(data)
        events: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._find(name)(served.read(request), _Listening(self.rpc, events)))
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (told := await events.get()) is not None:
                progress = pb.Progress(fraction=told["fraction"], message=told["message"])
                yield pb.ToolEvent(progress=progress).SerializeToString()
            answer = served.write(task.result())
            await self.rpc.flush()
            yield answer.SerializeToString()
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the host is told
            await _abort(context, error)
        finally:
            task.cancel()

    async def produce(self, name: str, served: Served, data: bytes, context: Any) -> AsyncIterator[bytes]:
        _CALL.set(find(context.invocation_metadata(), CALL_KEY))
        items = self._find(name)(served.read(served.request.FromString(data)), self.rpc)
        try:
            async for item in items:
                yield served.write(item).SerializeToString()
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the host is told
            await _abort(context, error)
        finally:
            await items.aclose()

    async def converse(self, requests: AsyncIterator[pb.HookRequest], context: Any) -> None:
        running: dict[str, asyncio.Task[None]] = {}
        turn, loop = asyncio.Lock(), asyncio.get_running_loop()
        end = SERVED["over"]
        try:
            async for request in requests:
                kind = request.WhichOneof("kind")
                if kind == "hook":
                    task = loop.create_task(self._reply(request, context, turn))
                    running[request.call] = task
                    task.add_done_callback(partial(_forget, running, request.call))
                elif kind == "cancelled" and request.call in running:
                    running.pop(request.call).cancel()
                elif kind == "end" and (ended := self._find("over")(end.read(request.end), self.rpc)) is not None:
                    await ended
        finally:
            for task in running.values():
                task.cancel()

    async def _reply(self, request: pb.HookRequest, context: Any, turn: asyncio.Lock) -> None:
        _CALL.set(request.call)
        reply = pb.HookReply(call=request.call)
        try:
            answer = await self._find("hook")(_HOOK.read(request.hook), self.rpc)
            reply.outcome.CopyFrom(_HOOK.write(answer))
            await self.rpc.flush()
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the host is told
            reply.failure.CopyFrom(pb.Failure(code=_code_of(error), message=str(error) or type(error).__name__))
        await asyncio.shield(self._write(reply, context, turn))

    async def _write(self, reply: pb.HookReply, context: Any, turn: asyncio.Lock) -> None:
        """One at a time. Whoever is no longer there needs none."""
        async with turn:
            with suppress(aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError):
                await context.write(reply)

    def _find(self, name: str) -> Any:
        found = getattr(self._program, name, None)
        if found is None:
            raise LookupError(f"no method {name}")
        return found


class _Listening:
    """The way to the host for one tool call: its progress goes with its answer."""

    def __init__(self, rpc: GrpcRpc, events: asyncio.Queue[Any]) -> None:
        self._rpc, self._events = rpc, events
        self.call = rpc.call

    def tell(self, method: str, params: Any = None) -> None:
        if method == "progress":
            self._events.put_nowait(params)
        else:
            self._rpc.tell(method, params)


class _Handlers(_GenericHandler):
    def __init__(self, guest: Guest) -> None:
        self._known = {
            BROKER: grpc.stream_stream_rpc_method_handler(
                guest.take_addresses, wire.ConnInfo.FromString, wire.ConnInfo.SerializeToString
            ),
            HEALTH: grpc.unary_unary_rpc_method_handler(
                guest.check_health,
                wire.HealthCheckRequest.FromString,
                wire.HealthCheckResponse.SerializeToString,
            ),
            SHUTDOWN: grpc.unary_unary_rpc_method_handler(
                guest.shut_down, wire.Empty.FromString, wire.Empty.SerializeToString
            ),
            OPEN_SESSION: grpc.unary_unary_rpc_method_handler(
                guest.open_session, pb.OpenSessionRequest.FromString, pb.Empty.SerializeToString
            ),
        }
        self._known[CONVERSE] = grpc.stream_stream_rpc_method_handler(
            guest.converse, pb.HookRequest.FromString, pb.HookReply.SerializeToString
        )
        self._known |= {path: _bind(guest, name) for path, name in PATHS.items()}

    def service(self, handler_call_details: Any) -> Any:
        return self._known.get(handler_call_details.method)


def _bind(guest: Guest, name: str) -> Any:
    served, kind = SERVED[name], RPCS[name].kind

    async def answer(data: bytes, context: Any) -> bytes:
        return await guest.answer(name, served, data, context)

    async def yield_all(data: bytes, context: Any) -> AsyncIterator[bytes]:
        run = guest.follow if kind == "follow" else guest.produce
        async for item in run(name, served, data, context):
            yield item

    if kind == "call":
        return grpc.unary_unary_rpc_method_handler(answer)
    return grpc.unary_stream_rpc_method_handler(yield_all)


def _forget(running: dict[str, asyncio.Task[None]], call: str, task: asyncio.Task[None]) -> None:
    if running.get(call) is task:
        del running[call]


def _code_of(error: Exception) -> str:
    return error.code if isinstance(error, JackfieldError) else type(error).__name__


async def _abort(context: Any, error: Exception) -> NoReturn:
    code = _code_of(error)
    status = grpc.StatusCode.INVALID_ARGUMENT if code == "invalid_config" else grpc.StatusCode.UNKNOWN
    await context.abort(status, str(error) or type(error).__name__, ((CODE_KEY, code),))
    raise AssertionError("it was aborted")


def run(program: object) -> None:
    """Returns when the host has it end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Guest(program).serve(os.environ))
