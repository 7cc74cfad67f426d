"""One side of a conversation of calls: both sides ask, answer, tell and stream, over one byte stream.

The other side may be a stranger: what is no message ends the conversation, what it asks for is bounded in number and
rate, and what it does not read is not kept for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol, cast

from jackfield.errors import JackfieldError, SessionDenied, SessionLost, Unavailable
from jackfield.rpc import messages
from jackfield.rpc.codec import decode_message, encode_message, pack, unpack
from jackfield.rpc.framing import FrameReader, frame
from jackfield.rpc.pace import Pace
from jackfield.rpc.streams import CREDIT, Inlet, Outlet
from jackfield.telemetry.text import describe_error, escape_halves

MOST_CALLS = 1000
MOST_ANSWERS = 256
# What is not yet sent of what may be dropped, in bytes.
TELL_LIMIT = 1024 * 1024
# What is kept of answers that the other side does not read, in bytes.
HELD_LIMIT = 64 * 1024 * 1024
LONGEST_ERROR = 4000
CLOSED = "the connection was closed"
_END_S = 1.0

_ANSWERING: ContextVar[tuple[Peer, int] | None] = ContextVar("jackfield_answering", default=None)


class Handler(Protocol):
    """What answers. Each method runs in the context of the call that the request came out of, else in none."""

    async def answer(self, method: str, params: Any) -> Any: ...

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]: ...

    def hear(self, method: str, params: Any) -> None: ...


class Asked:
    """A call, stream or ping of ours that is not yet answered."""

    __slots__ = ("context", "inlet", "result")

    def __init__(self, result: asyncio.Future[Any], inlet: Inlet | None = None) -> None:
        self.context = copy_context()
        self.result, self.inlet = result, inlet

    def fail(self, error: Exception) -> None:
        if self.inlet is not None:
            self.inlet.end(error)
        elif not self.result.done():
            self.result.set_exception(error)


class Answering:
    """A call or stream of theirs that we work on."""

    __slots__ = ("outlet", "parent", "task")

    def __init__(self, parent: int | None, outlet: Outlet | None = None) -> None:
        self.parent, self.outlet = parent, outlet
        self.task: asyncio.Task[None] | None = None


class Peer(asyncio.Protocol):
    """`who` is the plugin's id, which errors name. `on_gone` is called once, with the reason, when the connection ends
    without `close`; what is under way then waits for `fail`. Who is `wary` bounds what the other side may ask; the
    plugin's side need not be, of its host."""

    def __init__(
        self, who: str, handler: Handler, on_gone: Callable[[str], None] | None = None, *, wary: bool = True
    ) -> None:
        self._who, self._handler, self._wary = who, handler, wary
        self._on_gone = on_gone or self.fail
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._asked: dict[int, Asked] = {}
        self._answering: dict[int, Answering] = {}
        self._transport: asyncio.Transport | None = None
        self._next = self._pings = self._held = 0
        self._gone: str | None = None
        self._broken: str | None = None
        self._closing = False
        self._writable: asyncio.Future[None] | None = None
        self._pace = Pace(self._loop, self._set_reading)
        self._base = Context()
        self.dropped = 0
        # How many messages came in.
        self.heard = 0

    @property
    def waiting(self) -> int:
        """How many calls and streams of ours are not answered."""
        return len(self._asked) - self._pings

    def current(self) -> int | None:
        """The other side's call that the running code answers."""
        answering = _ANSWERING.get()
        return answering[1] if answering is not None and answering[0] is self else None

    # Asking

    async def call(self, method: str, params: Any, parent: int | None = None) -> Any:
        """Raises `SessionDenied` with the other side's words, `SessionLost`, and `ValueError` for what cannot be
        sent."""
        packed = pack(params)
        await self._room()
        number, asked = self._ask()
        try:
            self._send([messages.CALL, number, parent, method, packed])
            return await asked.result
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            del self._asked[number]

    async def stream(self, method: str, params: Any) -> AsyncGenerator[Any, None]:
        """To close it tells the other side that no more is wanted."""
        packed = pack(params)
        await self._room()
        inlet = Inlet()
        number, _ = self._ask(inlet)
        over = False
        try:
            self._send([messages.STREAM, number, method, packed, CREDIT])
            while True:
                try:
                    more, item = await inlet.take()
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
        packed = pack(params)
        if self._gone is not None or self._transport is None or self._unsent() > TELL_LIMIT:
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

    def _ask(self, inlet: Inlet | None = None) -> tuple[int, Asked]:
        if self._gone is not None:
            raise self._lost()
        if len(self._asked) >= MOST_CALLS:
            raise Unavailable(f"plugin {self._who} has {MOST_CALLS:,} calls under way already")
        self._next += 1
        asked = self._asked[self._next] = Asked(self._loop.create_future(), inlet)
        return self._next, asked

    def _cancel(self, number: int) -> None:
        """Tells the other side, and ends what came out of the call and is still under way."""
        if self._gone is None:
            self._send([messages.CANCEL, number])
        for answering in list(self._answering.values()):
            if answering.parent == number and answering.task is not None:
                answering.task.cancel()

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pace.stop()
        self._gone = self._gone or self._broken or CLOSED
        self.resume_writing()
        for answering in list(self._answering.values()):
            if answering.task is not None:
                answering.task.cancel()
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
        if self._transport is not None:
            self._transport.close()

    async def aclose(self, reason: str) -> None:
        """Ends everything, on both sides. Bounded in time."""
        self.close()
        self.fail(reason)
        tasks = [answering.task for answering in self._answering.values() if answering.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_S)
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    async def _room(self) -> None:
        while self._writable is not None and self._gone is None:
            await asyncio.shield(self._writable)

    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _send(self, message: list[Any]) -> None:
        """Raises `ValueError` for what cannot be sent."""
        self._write(frame(encode_message(message)))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

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
                self._receive(body)
        except (ValueError, RecursionError) as error:
            self._broken = f"it did not keep to the protocol: {describe_error(error)}"
            if self._transport is not None:
                self._transport.abort()

    def _receive(self, body: bytes) -> None:
        message, tagged = decode_message(body)
        messages.check_message(message)
        kind = message[0]
        if tagged and (at := messages.VALUE_AT.get(kind)) is not None:
            message[at] = unpack(message[at])
        if self._wary and (kind not in _REPLIES or message[1] not in self._asked):
            self._pace.count(len(body))
        _RECEIVERS[kind](self, *message[1:])

    def _receive_call(self, number: int, parent: int | None, method: str, params: Any) -> None:
        self._begin(number, Answering(parent), self._answer(number, method, params))

    def _receive_stream(self, number: int, method: str, params: Any, credit: int) -> None:
        outlet = Outlet(credit)
        self._begin(number, Answering(None, outlet), self._produce(number, outlet, method, params))

    def _begin(self, number: int, answering: Answering, work: Any) -> None:
        if number in self._answering:
            work.close()
            raise ValueError("an id was used twice")
        if self._wary and len(self._answering) >= MOST_ANSWERS:
            work.close()
            self._send([messages.ERROR, number, f"{MOST_ANSWERS} calls are under way already", "unavailable"])
            return
        self._answering[number] = answering
        task = self._loop.create_task(work, context=self._context(answering.parent))
        answering.task = task
        # One that is cancelled before its first step never reaches its own end.
        task.add_done_callback(lambda _: self._answering.pop(number, None))

    def _context(self, parent: int | None) -> Context:
        asked = self._asked.get(parent) if parent is not None else None
        return (asked.context if asked is not None else self._base).copy()

    async def _answer(self, number: int, method: str, params: Any) -> None:
        _ANSWERING.set((self, number))
        try:
            reply = [messages.ANSWER, number, pack(await self._handler.answer(method, params))]
            await self._reply(reply)
        except asyncio.CancelledError:
            self._reply_error(number, "the call was cancelled", "cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the asker is told
            self._reply_error(number, _words(error), _code(error))

    async def _produce(self, number: int, outlet: Outlet, method: str, params: Any) -> None:
        _ANSWERING.set((self, number))
        items = self._handler.produce(method, params)
        try:
            async for item in items:
                await outlet.spend()
                await self._reply([messages.ITEM, number, pack(item)])
            await self._reply([messages.END, number])
        except asyncio.CancelledError:
            self._reply_error(number, "the stream was cancelled", "cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the asker is told
            self._reply_error(number, _words(error), _code(error))
        finally:
            if (aclose := getattr(items, "aclose", None)) is not None:
                await aclose()

    async def _reply(self, message: list[Any]) -> None:
        """Raises `ValueError` for what cannot be sent, or not be kept for who does not read."""
        data = frame(encode_message(message))
        if self._writable is not None:
            if self._held + len(data) > HELD_LIMIT:
                raise ValueError(f"more than {HELD_LIMIT // 1024**2} MB of answers are not read")
            self._held += len(data)
            try:
                await self._room()
            finally:
                self._held -= len(data)
        self._write(data)

    def _reply_error(self, number: int, words: str, code: str) -> None:
        self._send([messages.ERROR, number, escape_halves(words)[:LONGEST_ERROR], code])

    def _receive_tell(self, parent: int | None, method: str, params: Any) -> None:
        """Through the loop, as calls and answers go: so it keeps its place among them."""
        self._loop.call_soon(self._hear, method, params, context=self._context(parent))

    def _hear(self, method: str, params: Any) -> None:
        self._handler.hear(method, params)

    def _receive_answer(self, number: int, value: Any = None) -> None:
        """What was cancelled is answered all the same: nobody waits for it."""
        asked = self._asked.get(number)
        if asked is not None and asked.inlet is None and not asked.result.done():
            asked.result.set_result(value)

    def _receive_error(self, number: int, words: str, code: str) -> None:
        if (asked := self._asked.get(number)) is not None:
            asked.fail(SessionDenied(words[:LONGEST_ERROR], plugin=self._who))

    def _receive_item(self, number: int, value: Any) -> None:
        asked = self._asked.get(number)
        if asked is not None and asked.inlet is not None and not asked.inlet.put(value):
            raise ValueError("more was sent in a stream than was asked for")

    def _receive_end(self, number: int) -> None:
        if (asked := self._asked.get(number)) is not None and asked.inlet is not None:
            asked.inlet.end()

    def _receive_cancel(self, number: int) -> None:
        answering = self._answering.get(number)
        if answering is not None and answering.task is not None:
            answering.task.cancel()

    def _receive_credit(self, number: int, more: int) -> None:
        answering = self._answering.get(number)
        if answering is not None and answering.outlet is not None:
            answering.outlet.add(more)

    def _receive_ping(self, number: int) -> None:
        self._send([messages.PONG, number])


_REPLIES = frozenset({messages.ANSWER, messages.ERROR, messages.ITEM, messages.END, messages.PONG})
_RECEIVERS: tuple[Callable[..., None], ...] = (
    Peer._receive_call,
    Peer._receive_answer,
    Peer._receive_error,
    Peer._receive_cancel,
    Peer._receive_tell,
    Peer._receive_stream,
    Peer._receive_item,
    Peer._receive_end,
    Peer._receive_credit,
    Peer._receive_ping,
    Peer._receive_answer,
)


def _words(error: BaseException) -> str:
    """What the asker is told: an exception's own text, else its name."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - its text is a stranger's code too
        return type(error).__name__


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, JackfieldError) else type(error).__name__
