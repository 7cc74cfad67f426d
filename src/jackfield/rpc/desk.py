"""What the other side asks for, and how far we are with it.

Most of it is answered without waiting. So one task begins one piece of work after the other, in the order in which they
came, and only a piece that waits takes the task for itself, to its end; another task goes on with the rest. Each piece
keeps the task that it began in: what code does with its task (time-outs, task groups) means what it says.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from functools import partial
from typing import Any, Protocol

from jackfield.errors import JackfieldError
from jackfield.rpc import messages
from jackfield.rpc.streams import Outlet
from jackfield.telemetry.text import escape_halves

MOST_ANSWERS = 256
# Of what was asked for and is not answered, in bytes.
MOST_ASKED = 64 * 1024 * 1024
LONGEST_ERROR = 4000
_END_S = 1.0

_ANSWERING: ContextVar[tuple[Desk, int] | None] = ContextVar("jackfield_answering", default=None)


class Handler(Protocol):
    """What answers. Each method runs in the context of the call that the request came out of, else in none."""

    def answer(self, method: str, params: Any) -> Awaitable[Any]: ...

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]: ...

    def hear(self, method: str, params: Any) -> None: ...


class Line(Protocol):
    """The way back to the other side."""

    @property
    def is_writable(self) -> bool: ...

    def encode_reply(self, message: list[Any]) -> bytes:
        """Raises `ValueError` for what cannot be sent."""

    def write(self, data: bytes) -> None: ...

    def flush(self) -> None:
        """Sends what was written. While the desk is busy it is the one to say so."""

    async def hold(self, data: bytes) -> None:
        """Writes when there is room again. Raises `ValueError` for what cannot be kept for who does not read."""


class Work:
    """A call of theirs, or a stream where there is an `outlet`."""

    __slots__ = ("begin", "cancelled", "number", "outlet", "parent", "size", "task")

    def __init__(
        self, number: int, parent: int | None, begin: Callable[[], Any], size: int, outlet: Outlet | None = None
    ) -> None:
        self.number, self.parent, self.begin, self.size, self.outlet = number, parent, begin, size, outlet
        self.task: asyncio.Task[None] | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """What has not begun never will."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()


class Desk:
    """`find_context` is told the call of ours that something came out of. A `wary` desk bounds how much may lie on
    it."""

    def __init__(
        self, line: Line, handler: Handler, find_context: Callable[[int | None], Context], *, wary: bool
    ) -> None:
        self._line, self._handler, self._find_context, self._wary = line, handler, find_context, wary
        self._loop = asyncio.get_running_loop()
        self._works: dict[int, Work] = {}
        self._size = 0
        self._queue: deque[Work | Callable[[], None]] = deque()
        self._task: asyncio.Task[None] | None = None

    def current(self) -> int | None:
        """The other side's call that the running code answers."""
        answering = _ANSWERING.get()
        return answering[1] if answering is not None and answering[0] is self else None

    # What comes in

    @property
    def is_busy(self) -> bool:
        """Whether what comes in now has to wait for its turn."""
        return self._task is not None

    def put(self, step: Work | Callable[[], None]) -> None:
        self._queue.append(step)
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    def take_call(self, message: messages.Call, params: Any, size: int) -> None:
        begin = partial(self._handler.answer, message.method, params)
        self._take(Work(message.number, message.parent, begin, size))

    def take_stream(self, message: messages.Stream, params: Any, size: int) -> None:
        outlet = Outlet(message.credit)
        begin = partial(self._produce, message.number, outlet, message.method, params)
        self._take(Work(message.number, None, begin, size, outlet))

    def take_tell(self, parent: int | None, method: str, params: Any) -> None:
        self.put(partial(self._find_context(parent).run, self._handler.hear, method, params))

    def _take(self, work: Work) -> None:
        number = work.number
        if number in self._works:
            raise ValueError("an id was used twice")
        if self._wary and len(self._works) >= MOST_ANSWERS:
            self.refuse(number, f"{MOST_ANSWERS} calls are under way already", "unavailable")
            return
        if self._wary and self._size + work.size > MOST_ASKED:
            self.refuse(number, f"calls with {MOST_ASKED // 1024**2} MB are under way already", "unavailable")
            return
        self._size += work.size
        self._works[number] = work
        self.put(work)

    def _drop(self, work: Work) -> None:
        if self._works.get(work.number) is work:
            del self._works[work.number]
            self._size -= work.size

    def cancel(self, number: int) -> None:
        if (work := self._works.get(number)) is not None:
            work.cancel()

    def cancel_children(self, parent: int) -> None:
        """What came out of a call of ours and is still under way."""
        for work in list(self._works.values()):
            if work.parent == parent:
                work.cancel()

    def add_credit(self, number: int, more: int) -> None:
        work = self._works.get(number)
        if work is not None and work.outlet is not None:
            work.outlet.add(more)

    def cancel_all(self) -> list[asyncio.Task[None]]:
        """The tasks that are to end now."""
        works = list(self._works.values())
        for work in works:
            work.cancel()
        return [work.task for work in works if work.task is not None]

    # Working

    async def _work(self) -> None:
        queue = self._queue
        while queue:
            step = queue.popleft()
            if not isinstance(step, Work):
                self._do(step)
            elif step.cancelled:
                self._drop(step)
            elif (rest := self._begin(step)) is not None:
                # From here on this task is that work's alone.
                step.task = self._task
                self._task = self._loop.create_task(self._work()) if queue else None
                self._line.flush()
                await rest
                self._drop(step)
                return
        self._task = None
        self._line.flush()

    def _do(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - a boundary: nobody waits for it, and what comes after goes on
            self._loop.call_exception_handler({"message": "what was told was not heard", "exception": error})

    def _begin(self, work: Work) -> Coroutine[Any, Any, None] | None:
        """The rest of it, where it waits."""
        context = self._find_context(work.parent)
        try:
            coroutine, pending = context.run(self._start, work)
        except StopIteration as done:
            return self._finish(work, done.value)
        except BaseException as error:  # noqa: BLE001 - a boundary: it is what the asker is told
            self._fail(work, error)
            return None
        return self._go_on(work, context, coroutine, pending)

    def _start(self, work: Work) -> tuple[Any, Any]:
        _ANSWERING.set((self, work.number))
        coroutine = work.begin()
        return coroutine, coroutine.send(None)

    async def _go_on(self, work: Work, context: Context, coroutine: Any, pending: Any) -> None:
        try:
            value = await _Steps(context, coroutine, pending)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - a boundary: it is what the asker is told
            self._fail(work, error)
            return
        if (rest := self._finish(work, value)) is not None:
            await rest

    def _finish(self, work: Work, value: Any) -> Coroutine[Any, Any, None] | None:
        reply = [messages.ANSWER, work.number, value] if work.outlet is None else [messages.END, work.number]
        try:
            data = self._line.encode_reply(reply)
        except Exception as error:  # noqa: BLE001 - a boundary: what cannot be sent is what the asker is told
            self._fail(work, error)
            return None
        if not self._line.is_writable:
            return self._hold(work, data)
        self._line.write(data)
        self._drop(work)
        return None

    async def _hold(self, work: Work, data: bytes) -> None:
        try:
            await self._line.hold(data)
        except ValueError as error:
            self._fail(work, error)

    def _fail(self, work: Work, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.refuse(work.number, "it was cancelled", "cancelled")
        else:
            self.refuse(work.number, _words(error), _code(error))
        self._drop(work)

    def refuse(self, number: int, words: str, code: str) -> None:
        message = [messages.ERROR, number, escape_halves(words)[:LONGEST_ERROR], escape_halves(code)[:100]]
        self._line.write(self._line.encode_reply(message))

    async def _produce(self, number: int, outlet: Outlet, method: str, params: Any) -> None:
        items = self._handler.produce(method, params)
        line = self._line
        try:
            async for item in items:
                await outlet.spend()
                data = line.encode_reply([messages.ITEM, number, item])
                if line.is_writable:
                    line.write(data)
                else:
                    await line.hold(data)
        finally:
            if (aclose := getattr(items, "aclose", None)) is not None:
                await aclose()


class _Steps:
    """The rest of a coroutine that has begun to wait, in the context that it began in."""

    __slots__ = ("_context", "_coroutine", "_pending")

    def __init__(self, context: Context, coroutine: Any, pending: Any) -> None:
        self._context, self._coroutine, self._pending = context, coroutine, pending

    def __await__(self) -> Generator[Any, Any, Any]:
        run, coroutine, pending = self._context.run, self._coroutine, self._pending
        while True:
            try:
                value = yield pending
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - forwarded whole to the coroutine that it is meant for
                step = partial(coroutine.throw, thrown)
            else:
                step = partial(coroutine.send, value)
            try:
                pending = run(step)
            except StopIteration as done:
                return done.value
            except GeneratorExit as last:
                raise RuntimeError("GeneratorExit") from last


def _words(error: BaseException) -> str:
    """What the asker is told: an exception's own text, else its name."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - its text is a stranger's code too
        return type(error).__name__


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, JackfieldError) else type(error).__name__
