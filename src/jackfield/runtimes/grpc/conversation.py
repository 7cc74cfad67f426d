"""The hooks of a plugin over one stream that lasts as long as its connection: a call of its own for each of them costs
several times as much on both sides."""

from __future__ import annotations

import asyncio
from contextvars import Context
from functools import partial
from typing import Any

from grpc import aio

from jackfield.errors import SessionDenied
from jackfield.rpc.desk import LONGEST_ERROR
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb

CONVERSE = "/jackfield.plugin.v1.Hooks/Converse"
# Words that an exchange is over, while the plugin reads none.
MOST_ENDS = 256
# Replies that nobody waits for, beyond those to what was cancelled: more of them are a flood.
MOST_STRAYS = 100


class Conversation:
    """Opened by the first hook, and anew by the next one where the plugin has ended it."""

    def __init__(self, who: str, channel: aio.Channel) -> None:
        self._who, self._loop = who, asyncio.get_running_loop()
        self._make = channel.stream_stream(
            CONVERSE,
            request_serializer=pb.HookRequest.SerializeToString,
            response_deserializer=pb.HookReply.FromString,
        )
        self._waiting: dict[str, asyncio.Future[pb.Outcome]] = {}
        # What is not sent yet; gRPC takes one message at a time.
        self._unsent: dict[str, pb.HookRequest] = {}
        self._call: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._strays = 0

    def ask(self, number: str, hook: pb.HookCall) -> asyncio.Future[pb.Outcome]:
        """Whoever no longer waits for it cancels it. Raises what `aio` raises of a call."""
        answer: asyncio.Future[pb.Outcome] = self._loop.create_future()
        self._waiting[number] = answer
        answer.add_done_callback(partial(self._leave, number))
        self._send(number, pb.HookRequest(call=number, hook=hook))
        return answer

    def end(self, exchange: pb.ExchangeEnd) -> bool:
        """Whether it will be told, after what is on its way already."""
        if len(self._unsent) >= len(self._waiting) + MOST_ENDS:
            return False
        self._send(f"end {exchange.exchange}", pb.HookRequest(end=exchange))
        return True

    def _leave(self, number: str, answer: asyncio.Future[pb.Outcome]) -> None:
        was_told = self._waiting.pop(number, None) is not None and self._unsent.pop(number, None) is None
        if answer.cancelled() and was_told and self._call is not None:
            self._strays -= 1
            self._send(f"cancelled {number}", pb.HookRequest(call=number, cancelled=pb.Empty()))

    def _send(self, key: str, request: pb.HookRequest) -> None:
        self._unsent[key] = request
        if self._call is None:
            self._call, self._strays = self._make(None), 0
            self._reading = self._loop.create_task(self._read(self._call), context=Context())
        if self._writing is None:
            self._writing = self._loop.create_task(self._write(self._call), context=Context())

    async def _write(self, call: Any) -> None:
        try:
            while self._unsent and call is self._call:
                await call.write(self._unsent.pop(next(iter(self._unsent))))
        except (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError):
            # Why is told to who reads.
            return
        finally:
            self._writing = None
            if self._unsent and self._call is not None and self._call is not call:
                # What came after the stream was opened anew.
                self._writing = self._loop.create_task(self._write(self._call), context=Context())

    async def _read(self, call: Any) -> None:
        error: Exception = SessionDenied("it ended the stream of its hooks", plugin=self._who)
        try:
            async for reply in call:
                # gRPC gives `None` for what it cannot read.
                is_reply = isinstance(reply, pb.HookReply)
                if is_reply:
                    self._take(reply)
                if not is_reply or self._strays > MOST_STRAYS:
                    words = "it floods the stream of its hooks" if is_reply else "its reply is not understood"
                    error = SessionDenied(words, plugin=self._who)
                    call.cancel()
                    return
        except aio.AioRpcError as raised:
            error = raised
        finally:
            self._call = None
            self._unsent.clear()
            waiting, self._waiting = self._waiting, {}
            for answer in waiting.values():
                if not answer.done():
                    answer.set_exception(error)

    def _take(self, reply: pb.HookReply) -> None:
        answer = self._waiting.get(reply.call)
        if answer is None or answer.done():
            self._strays += 1
            return
        kind = reply.WhichOneof("kind")
        if kind == "outcome":
            answer.set_result(reply.outcome)
            return
        if kind is None:
            # An empty outcome lets the request pass; who says nothing has not done that.
            answer.set_exception(SessionDenied("its reply has neither an outcome nor a failure", plugin=self._who))
            return
        words, code = reply.failure.message or reply.failure.code, reply.failure.code or "unknown"
        answer.set_exception(SessionDenied(words[:LONGEST_ERROR], plugin=self._who, told=code[:100]))

    async def aclose(self) -> None:
        """After what waits has been cancelled."""
        if self._call is not None:
            self._call.cancel()
        tasks = [task for task in (self._reading, self._writing) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
