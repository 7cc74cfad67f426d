"""One side of a conversation of calls: both sides ask, answer, tell and stream, over one byte stream.

The other side may be a stranger: what is no message ends the conversation, what it asks for is bounded in number and
rate, and what it does not read is not kept for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import Context, copy_context
from functools import partial
from typing import Any, cast

from jackfield.errors import JackfieldError, PluginTimeout, SessionDenied, SessionLost, Unavailable
from jackfield.rpc import messages
from jackfield.rpc.codec import JSON, Codec, WrongShape
from jackfield.rpc.desk import LONGEST_ERROR, Desk, Handler
from jackfield.rpc.framing import FrameReader, frame
from jackfield.rpc.pace import Pace
from jackfield.rpc.streams import CREDIT, Inlet
from jackfield.telemetry.text import describe_error

MOST_CALLS = 1000
# What is not yet sent of what may be dropped, in bytes.
TELL_LIMIT = 1024 * 1024
# What is kept of answers that the other side does not read, in bytes.
HELD_LIMIT = 64 * 1024 * 1024
# What is written within one turn of the loop is sent together, up to so many bytes.
TOGETHER = 64 * 1024
CLOSED = "the connection was closed"
_END_S = 1.0


class Asked:
    """A call, stream or ping of ours that is not yet answered; `into` is what the answer is to be."""

    __slots__ = ("context", "inlet", "into", "result")

    def __init__(self, result: asyncio.Future[Any], into: Any = Any, inlet: Inlet | None = None) -> None:
        self.context = copy_context()
        self.result, self.into, self.inlet = result, into, inlet

    def fail(self, error: Exception) -> None:
        if self.inlet is not None:
            self.inlet.end(error)
        elif not self.result.done():
            self.result.set_exception(error)


class Peer(asyncio.Protocol):
    """`who` is the plugin's id, which errors name. `on_gone` is called once, with the reason, when the connection ends
    without `close`; what is under way then waits for `fail`. Who is `wary` bounds what the other side may ask; the
    plugin's side need not be, of its host."""

    def __init__(
        self,
        who: str,
        handler: Handler,
        on_gone: Callable[[str], None] | None = None,
        *,
        wary: bool = True,
        codec: Codec = JSON,
    ) -> None:
        self._who, self._codec, self._wary = who, codec, wary
        self._on_gone = on_gone or self.fail
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._asked: dict[int, Asked] = {}
        self._desk = Desk(self, handler, self._find_context, wary=wary)
        self._transport: asyncio.Transport | None = None
        self._next = self._pings = self._held = self._unsent_size = 0
        self._unsent: list[bytes] = []
        self._gone: str | None = None
        self._broken: str | None = None
        self._closing = False
        self._writable: asyncio.Future[None] | None = None
        self._pace = Pace(self._loop, self._set_reading)
        self._base = Context()
        # The types that methods of ours want their `params` as, where they are not plain values.
        self.kinds: Mapping[str, Any] = {}
        self.dropped = 0
        # How many messages came in.
        self.heard = 0

    @property
    def waiting(self) -> int:
        """How many calls and streams of ours are not answered."""
        return len(self._asked) - self._pings

    def current(self) -> int | None:
        """The other side's call that the running code answers."""
        return self._desk.current()

    # Asking

    async def call(
        self, method: str, params: Any, parent: int | None = None, *, into: Any = Any, deadline_s: float | None = None
    ) -> Any:
        """The answer, as `into`. Raises `SessionDenied` with the other side's words, or where the answer is no `into`;
        `SessionLost`, `PluginTimeout`, and `ValueError` for what cannot be sent."""
        if self._writable is not None:
            deadline_s = await self._find_room(method, deadline_s)
        number, asked = self._ask(into)
        timer = None
        try:
            self._send([messages.CALL, number, parent, method, self._codec.pack(params)])
            if deadline_s is not None:
                # A timer that was cancelled may stay for long: it is to hold on to nothing of who asks.
                timer = self._loop.call_later(deadline_s, self._expire, asked, method, deadline_s, context=self._base)
            return await asked.result
        except (asyncio.CancelledError, PluginTimeout):
            self._cancel(number)
            raise
        finally:
            del self._asked[number]
            if timer is not None:
                timer.cancel()

    def _expire(self, asked: Asked, method: str, deadline_s: float) -> None:
        asked.fail(late_error(self._who, method, deadline_s))

    async def stream(
        self, method: str, params: Any, *, into: Any = Any, deadline_s: float | None = None
    ) -> AsyncGenerator[Any, None]:
        """Each item as `into`, and within the deadline; how long the taker takes does not count. To close it tells the
        other side that no more is wanted."""
        if self._writable is not None:
            await self._find_room(method, deadline_s)
        inlet = Inlet()
        number, asked = self._ask(into, inlet)
        late = partial(self._expire, asked, method, deadline_s or 0.0)
        over = False
        try:
            self._send([messages.STREAM, number, method, self._codec.pack(params), CREDIT])
            while True:
                try:
                    more, item = await inlet.take(deadline_s, late)
                except PluginTimeout:
                    raise
                except JackfieldError:
                    over = True
                    raise
                if not more:
                    over = True
                    return
                yield item
                if credit := inlet.credit():
                    self._send([messages.CREDIT, number, credit])
        finally:
            if not over:
                self._cancel(number)
            del self._asked[number]

    def tell(self, method: str, params: Any, parent: int | None = None) -> bool:
        """Whether it was sent: what the other side does not read is dropped, and counted."""
        packed = self._codec.pack(params)
        if self._gone is not None or self._transport is None or self._count_unsent() > TELL_LIMIT:
            self.dropped += 1
            return False
        self._send([messages.TELL, parent, method, packed])
        return True

    async def ping(self) -> None:
        number, asked = self._ask()
        self._pings += 1
        try:
            self._send([messages.PING, number])
            await asked.result
        finally:
            self._pings -= 1
            del self._asked[number]

    def _ask(self, into: Any = Any, inlet: Inlet | None = None) -> tuple[int, Asked]:
        if self._gone is not None:
            raise self._lost()
        if len(self._asked) >= MOST_CALLS:
            raise Unavailable(f"plugin {self._who} has {MOST_CALLS:,} calls under way already")
        self._next += 1
        asked = self._asked[self._next] = Asked(self._loop.create_future(), into, inlet)
        return self._next, asked

    def _cancel(self, number: int) -> None:
        """Tells the other side, and ends what came out of the call and is still under way."""
        if self._gone is None:
            self._send([messages.CANCEL, number])
        self._desk.cancel_children(number)

    def _find_context(self, parent: int | None) -> Context:
        asked = self._asked.get(parent) if parent is not None else None
        return (asked.context if asked is not None else self._base).copy()

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pace.stop()
        self._gone = self._gone or self._broken or CLOSED
        self.resume_writing()
        self._desk.cancel_all()
        if not self._closing:
            self._on_gone(self._gone)

    def fail(self, reason: str) -> None:
        """Ends everything under way of ours, for this reason, which later calls are told too."""
        self._gone = reason
        for asked in list(self._asked.values()):
            asked.fail(self._lost())
        self.resume_writing()

    def _lost(self) -> SessionLost:
        return SessionLost(f"plugin {self._who}: {self._gone}", plugin=self._who)

    def close(self) -> None:
        """What was written is still sent."""
        self._closing = True
        self.flush()
        if self._transport is not None:
            self._transport.close()

    async def aclose(self, reason: str) -> None:
        """Ends everything, on both sides. Bounded in time."""
        self.close()
        self.fail(reason)
        if tasks := self._desk.cancel_all():
            await asyncio.wait(tasks, timeout=_END_S)
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    @property
    def is_writable(self) -> bool:
        return self._writable is None

    async def _find_room(self, method: str, deadline_s: float | None) -> float | None:
        """What is left of the deadline when there is room again. Raises `PluginTimeout`."""
        began = self._loop.time()
        try:
            async with asyncio.timeout(deadline_s):
                await self._room()
        except TimeoutError as error:
            raise late_error(self._who, method, deadline_s or 0.0) from error
        return None if deadline_s is None else max(0.0, deadline_s - (self._loop.time() - began))

    async def _room(self) -> None:
        while self._writable is not None and self._gone is None:
            await asyncio.shield(self._writable)

    def _count_unsent(self) -> int:
        buffered = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return buffered + self._unsent_size

    def _send(self, message: list[Any]) -> None:
        """Raises `ValueError` for what cannot be sent."""
        self.write(frame(self._codec.encode(message)))

    def write(self, data: bytes) -> None:
        """With what else is written in this turn of the loop."""
        if not self._unsent and not self._desk.is_busy:
            self._loop.call_soon(self.flush)
        self._unsent.append(data)
        self._unsent_size += len(data)
        if self._unsent_size > TOGETHER:
            self.flush()

    def flush(self) -> None:
        unsent, self._unsent, self._unsent_size = self._unsent, [], 0
        if unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def encode_reply(self, message: list[Any]) -> bytes:
        """A message whose value, where it has one, is its third part. Raises `ValueError` for what cannot be sent."""
        if message[0] == messages.ANSWER or message[0] == messages.ITEM:
            message[2] = self._codec.pack(message[2])
        return frame(self._codec.encode(message))

    async def hold(self, data: bytes) -> None:
        """Writes when there is room again. Raises `ValueError` for what cannot be kept for who does not read."""
        if self._held + len(data) > HELD_LIMIT:
            raise ValueError(f"more than {HELD_LIMIT // 1024**2} MB of answers are not read")
        self._held += len(data)
        try:
            await self._room()
        finally:
            self._held -= len(data)
        self.write(data)

    def _set_reading(self, reading: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if reading:
            self._transport.resume_reading()
            self.data_received(b"")
        else:
            self._transport.pause_reading()

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._broken is not None:
            return
        self._reader.feed(data)
        try:
            while not self._pace.paused and (body := self._reader.take()) is not None:
                self.heard += 1
                message = self._codec.decode(body)
                if self._wary and not self._is_reply(message):
                    self._pace.count(len(body))
                _RECEIVERS[type(message)](self, message)
        except (ValueError, RecursionError) as error:
            self._break_off(error)

    def _is_reply(self, message: messages.Message) -> bool:
        return type(message) in messages.REPLIES and message.number in self._asked  # type: ignore[union-attr]

    def _break_off(self, error: Exception) -> None:
        self._broken = f"it did not keep to the protocol: {describe_error(error)}"
        if self._transport is not None:
            self._transport.abort()

    def _receive_asking(self, message: messages.Call | messages.Stream) -> None:
        try:
            params = self._codec.unpack(message.value, self.kinds.get(message.method, Any), wary=self._wary)
        except WrongShape as error:
            self._desk.refuse(message.number, f"{message.method}: {error}", "invalid_value")
            return
        size = len(memoryview(message.value))
        if type(message) is messages.Call:
            self._desk.take_call(message, params, size)
        elif type(message) is messages.Stream:
            self._desk.take_stream(message, params, size)

    def _receive_tell(self, message: messages.Tell) -> None:
        params = self._codec.unpack(message.value, Any, wary=self._wary)
        self._desk.take_tell(message.parent, message.method, params)

    def _receive_reply(self, message: messages.Answer | messages.Error | messages.Item | messages.End) -> None:
        """What came before it goes before it."""
        asked = self._asked.get(message.number)
        if asked is None:
            # What was cancelled is answered all the same: nobody waits for it.
            return
        reply = partial(self._reply_to, asked, message)
        if self._desk.is_busy:
            self._desk.put(reply)
        else:
            reply()

    def _reply_to(self, asked: Asked, message: Any) -> None:
        try:
            _REPLIES[type(message)](self, asked, message)
        except WrongShape as error:
            words = f"what it answered is not what was asked for: {error}"
            asked.fail(SessionDenied(words[:LONGEST_ERROR], plugin=self._who, told="invalid_value"))
        except ValueError as error:
            self._break_off(error)

    def _answer(self, asked: Asked, message: messages.Answer) -> None:
        if asked.inlet is None and not asked.result.done():
            asked.result.set_result(self._codec.unpack(message.value, asked.into, wary=self._wary))

    def _pong(self, asked: Asked, message: messages.Pong) -> None:
        if asked.inlet is None and not asked.result.done():
            asked.result.set_result(None)

    def _refused(self, asked: Asked, message: messages.Error) -> None:
        told = message.code[:LONGEST_ERROR]
        asked.fail(SessionDenied(message.words[:LONGEST_ERROR], plugin=self._who, told=told))

    def _item(self, asked: Asked, message: messages.Item) -> None:
        if asked.inlet is None:
            return
        if not asked.inlet.put(self._codec.unpack(message.value, asked.into, wary=self._wary)):
            raise ValueError("more was sent in a stream than was asked for")

    def _end(self, asked: Asked, message: messages.End) -> None:
        if asked.inlet is not None:
            asked.inlet.end()

    def _receive_cancel(self, message: messages.Cancel) -> None:
        self._desk.cancel(message.number)

    def _receive_credit(self, message: messages.Credit) -> None:
        self._desk.add_credit(message.number, message.more)

    def _receive_ping(self, message: messages.Ping) -> None:
        self._send([messages.PONG, message.number])


def late_error(who: str, what: str, deadline_s: float) -> PluginTimeout:
    return PluginTimeout(f"plugin {who}: {what} did not answer within {deadline_s:g} s", plugin=who)


_RECEIVERS: dict[type, Callable[[Peer, Any], None]] = {
    messages.Call: Peer._receive_asking,
    messages.Cancel: Peer._receive_cancel,
    messages.Tell: Peer._receive_tell,
    messages.Stream: Peer._receive_asking,
    messages.Credit: Peer._receive_credit,
    messages.Ping: Peer._receive_ping,
    **dict.fromkeys(messages.REPLIES, Peer._receive_reply),
}
_REPLIES: dict[type, Callable[[Peer, Asked, Any], None]] = {
    messages.Answer: Peer._answer,
    messages.Error: Peer._refused,
    messages.Item: Peer._item,
    messages.End: Peer._end,
    messages.Pong: Peer._pong,
}
