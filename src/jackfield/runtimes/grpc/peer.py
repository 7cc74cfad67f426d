"""The gateway's calls of one process of a plugin, over its channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import Context, copy_context
from typing import Any

import grpc
from grpc import aio

from jackfield.errors import JackfieldError, SessionDenied, SessionLost, Unavailable
from jackfield.rpc.calls import CLOSED, MOST_CALLS
from jackfield.rpc.codec import WrongShape, convert
from jackfield.rpc.desk import LONGEST_ERROR, Handler
from jackfield.runtimes.deadlines import finish_call
from jackfield.runtimes.grpc.calls import RPCS, Rpc, read_progress
from jackfield.runtimes.grpc.conversation import Conversation
from jackfield.runtimes.grpc.desk import CALL_KEY, CODE_KEY, find
from jackfield.runtimes.grpc.generated import handshake_pb2
from jackfield.runtimes.grpc.values import fields_of

SHUTDOWN = "/plugin.GRPCController/Shutdown"
HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = handshake_pb2.HealthCheckResponse.SERVING
# How long it may take until we hear why a connection was lost.
_REASON_S = 1.0
_MOST_TELLS, _TELL_S = 256, 30.0
# A message that one of the two sides does not take ends the stream, and with it what others wait for: what is large has
# a call of its own, and so has its answer. Many servers take 4 MB.
MOST_IN_STREAM = 1024 * 1024
_LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})


class Asked:
    """A call of ours that is not yet answered. `children` are what came out of it."""

    __slots__ = ("children", "context", "rpc")

    def __init__(self) -> None:
        self.context = copy_context()
        self.children: set[asyncio.Task[Any]] = set()
        self.rpc: Any = None


class GrpcPeer:
    """What `rpc.calls.Peer` is over a byte stream."""

    def __init__(self, who: str, handler: Handler, on_gone: Callable[[str], None]) -> None:
        self._who, self._handler, self._on_gone = who, handler, on_gone
        self._loop = asyncio.get_running_loop()
        self._channel: aio.Channel | None = None
        self._asked: dict[str, Asked] = {}
        self._calls: dict[str, Any] = {}
        # For hooks, where the plugin says that it takes them so.
        self._conversation: Conversation | None = None
        self._told: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[str] = self._loop.create_future()
        self._next = 0
        self._base = Context()
        self.dropped = self.heard = 0

    def open(self, channel: aio.Channel) -> None:
        self._channel = channel
        for method, rpc in RPCS.items():
            make = channel.unary_unary if rpc.kind == "call" else channel.unary_stream
            self._calls[method] = make(
                rpc.path,
                request_serializer=_serialize,
                response_deserializer=rpc.reply.FromString,
            )
        self._calls["$ping"] = channel.unary_unary(
            HEALTH, request_serializer=_serialize, response_deserializer=handshake_pb2.HealthCheckResponse.FromString
        )

    @property
    def waiting(self) -> int:
        return len(self._asked)

    # What comes out of calls

    def find_context(self, call: str | None) -> Context:
        asked = self._asked.get(call) if call is not None else None
        return (asked.context if asked is not None else self._base).copy()

    def keep_child(self, call: str | None, task: asyncio.Task[Any]) -> None:
        if call is not None and (asked := self._asked.get(call)) is not None:
            asked.children.add(task)
            task.add_done_callback(asked.children.discard)

    # Asking

    async def call(self, method: str, params: Any, *, into: Any = Any, deadline_s: float | None = None) -> Any:
        rpc = self._find(method)
        request = rpc.write(params)
        work = self._ask(method, rpc, request, params)
        answer = await (work if deadline_s is None else finish_call(self._who, method, work, deadline_s))
        return self._convert(answer, into)

    async def _ask(self, method: str, rpc: Rpc, request: Any, params: Any) -> Any:
        number, asked = self._begin()
        try:
            if method == "hook" and self._conversation is not None and request.ByteSize() <= MOST_IN_STREAM:
                asked.rpc = self._conversation.ask(number, request)
            else:
                asked.rpc = self._calls[method](request, metadata=((CALL_KEY, number),))
            if rpc.kind == "follow":
                return await self._follow(rpc, asked, request.call)
            reply = await asked.rpc
            self.heard += 1
            answer = rpc.read(reply)
            if method == "describe":
                self._converse(reply)
            elif method == "load":
                await asked.context.run(self._loop.create_task, self._enlist(answer, params))
            return answer
        except aio.AioRpcError as error:
            raise await self._translate(error) from error
        except asyncio.CancelledError:
            self._raise_if_gone()
            raise
        except ValueError as error:
            raise self._denied(f"its answer is not understood: {error}") from error
        finally:
            self._end(number)

    def _converse(self, description: Any) -> None:
        if description.converses and self._conversation is None and self._channel is not None:
            self._conversation = Conversation(self._who, self._channel)

    async def _enlist(self, loaded: dict[str, Any], params: Any) -> None:
        """Asks and tells for it what it would ask and tell by itself. Raises what the host raises."""
        if loaded["config"] is None:
            loaded["config"] = fields_of(params).get("config", {})
        for spec in loaded["tools"]:
            self._handler.hear("tools.register", spec)
        for kind in loaded["subscriptions"]:
            self._handler.hear("events.on", {"type": kind})
        for task in loaded["tasks"]:
            await self._handler.answer("scheduler.schedule", task)

    async def _follow(self, rpc: Rpc, asked: Asked, call: str) -> Any:
        async for event in asked.rpc:
            self.heard += 1
            if (answer := rpc.read(event)) is not None:
                return answer
            asked.context.copy().run(self._handler.hear, "progress", read_progress(event, call))
        raise self._denied("it ended without an answer")

    async def stream(
        self, method: str, params: Any, *, into: Any = Any, deadline_s: float | None = None
    ) -> AsyncGenerator[Any, None]:
        rpc = self._find(method)
        if rpc.kind != "stream":
            raise self._denied(f"no method {method[:100]} that streams")
        request = rpc.write(params)
        number, asked = self._begin()
        try:
            asked.rpc = self._calls[method](request, metadata=((CALL_KEY, number),))
            while True:
                item = await self._take(method, asked.rpc, deadline_s)
                if not isinstance(item, rpc.reply):
                    # The end has a value of its own.
                    return
                self.heard += 1
                yield self._convert(rpc.read(item), into)
        except aio.AioRpcError as error:
            raise await self._translate(error) from error
        except asyncio.CancelledError:
            self._raise_if_gone()
            raise
        finally:
            self._end(number)

    async def _take(self, method: str, rpc: Any, deadline_s: float | None) -> Any:
        return await finish_call(self._who, method, rpc.read(), deadline_s or 3600.0)

    def tell(self, method: str, params: Any) -> bool:
        """Whether it was sent."""
        if self._failed.done() or self._channel is None or method not in RPCS or len(self._told) >= _MOST_TELLS:
            self.dropped += 1
            return False
        if method == "over" and self._conversation is not None:
            is_told = self._conversation.end(RPCS[method].write(params))
            self.dropped += not is_told
            return is_told
        # It is on its way before what is called next.
        call = self._calls[method](RPCS[method].write(params), timeout=_TELL_S)
        task = self._loop.create_task(self._finish(call))
        self._told.add(task)
        task.add_done_callback(self._told.discard)
        return True

    async def _finish(self, call: Any) -> None:
        try:
            await call
        except aio.AioRpcError:
            # Nobody waits for it.
            return

    async def ping(self) -> None:
        if self._failed.done():
            raise self._lost()
        call = self._calls["$ping"]
        try:
            reply = await call(handshake_pb2.HealthCheckRequest(service="plugin"))
        except aio.AioRpcError as error:
            raise await self._translate(error) from error
        except asyncio.CancelledError:
            self._raise_if_gone()
            raise
        self.heard += 1
        if reply.status != _SERVING:
            raise self._denied("it says that it does not serve")

    def _find(self, method: str) -> Rpc:
        found = RPCS.get(method)
        if found is None:
            raise self._denied(f"no method {method[:100]} over gRPC")
        return found

    def _begin(self) -> tuple[str, Asked]:
        if self._failed.done() or self._channel is None:
            raise self._lost()
        if len(self._asked) >= MOST_CALLS:
            raise Unavailable(f"plugin {self._who} has {MOST_CALLS:,} calls under way already")
        self._next += 1
        number, asked = str(self._next), Asked()
        self._asked[number] = asked
        return number, asked

    def _end(self, number: str) -> None:
        asked = self._asked.pop(number)
        if asked.rpc is not None and not asked.rpc.done():
            asked.rpc.cancel()
        for task in list(asked.children):
            task.cancel()

    # Errors

    async def _translate(self, error: aio.AioRpcError) -> JackfieldError:
        told = find(error.trailing_metadata(), CODE_KEY)
        if told is None and error.code() in _LOST:
            return await self._explain_loss(error)
        code = told or error.code().name.lower()
        return SessionDenied((error.details() or code)[:LONGEST_ERROR], plugin=self._who, told=code[:100])

    async def _explain_loss(self, error: aio.AioRpcError) -> SessionLost:
        await asyncio.wait([self._failed], timeout=_REASON_S)
        if self._failed.done():
            return self._lost()
        return SessionLost(f"plugin {self._who}: {error.details() or CLOSED}"[:LONGEST_ERROR], plugin=self._who)

    def _raise_if_gone(self) -> None:
        """A call that is cancelled because everything ends is lost; else whoever waits for it has gone."""
        task = asyncio.current_task()
        if self._failed.done() and (task is None or not task.cancelling()):
            raise self._lost() from None

    def _lost(self) -> SessionLost:
        reason = self._failed.result() if self._failed.done() else "it is not connected"
        return SessionLost(f"plugin {self._who}: {reason}", plugin=self._who)

    def _denied(self, words: str) -> SessionDenied:
        return SessionDenied(words, plugin=self._who)

    def _convert(self, value: Any, into: Any) -> Any:
        if into is Any:
            return value
        try:
            return convert(value, into)
        except WrongShape as error:
            raise self._denied(f"its answer is not understood: {error}") from error

    # Ending

    def lose(self, reason: str) -> None:
        """The connection is gone, without our having closed it."""
        if not self._failed.done():
            self._on_gone(reason)

    def fail(self, reason: str) -> None:
        if self._failed.done():
            return
        self._failed.set_result(reason)
        for asked in list(self._asked.values()):
            if asked.rpc is not None:
                asked.rpc.cancel()
            for task in list(asked.children):
                task.cancel()

    async def shut_down(self, grace_s: float) -> None:
        """Asks the process to end. It may be gone before it has answered."""
        if self._channel is None:
            return
        call = self._channel.unary_unary(
            SHUTDOWN, request_serializer=_serialize, response_deserializer=handshake_pb2.Empty.FromString
        )
        try:
            await call(handshake_pb2.Empty(), timeout=grace_s)
        except aio.AioRpcError:
            return

    def close(self) -> None:
        """The connection ends with `aclose`: until then the process can be told to end."""

    async def aclose(self, reason: str) -> None:
        self.fail(reason)
        for task in list(self._told):
            task.cancel()
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            await conversation.aclose()
        channel, self._channel = self._channel, None
        # Each of them holds the channel, and so gRPC's own threads.
        self._calls.clear()
        if channel is not None:
            await channel.close(None)


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
