"""Work that would hold up the event loop: reading and running strangers' code while requests are served."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from jackfield.priority import stand_back

T = TypeVar("T")

# How long a thread may keep the interpreter while the event loop wants it; Python's own 5 ms are felt by requests.
TURN_S = 0.0005
# The system's own turns are longer still: a thread that stands back gives way as soon as the loop wants the processor,
# and gets a quarter of one that is wanted whole, so that what it does is done in time.
NICENESS = 5

# Threads that wait for the next call. To start one takes the loop as long as the new thread takes to get a turn.
_idle: list[SimpleQueue[Callable[[], None]]] = []
MOST_IDLE = 1


async def run_aside(call: Callable[[], T], seconds: float) -> T:
    """Runs `call` in a thread that does nothing else meanwhile. Raises what it raises, or `TimeoutError`; a thread
    cannot be ended, so one that is late is left to itself, and does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            with _short_turns:
                result = call()
        except BaseException as error:  # noqa: BLE001 - handed over whole to who waits
            _tell(loop, done, partial(done.set_exception, _bearable(error)))
        else:
            _tell(loop, done, partial(done.set_result, result))

    _find_thread().put(work)
    async with asyncio.timeout(seconds):
        return await done


def _find_thread() -> SimpleQueue[Callable[[], None]]:
    try:
        return _idle.pop()
    except IndexError:
        calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=_work_off, args=(calls,), name="jackfield-aside", daemon=True).start()
        return calls


def _work_off(calls: SimpleQueue[Callable[[], None]]) -> None:
    """One call after the other. Between two of them nothing of the former is held."""
    stand_back(NICENESS)
    while True:
        calls.get()()
        if len(_idle) >= MOST_IDLE:
            return
        _idle.append(calls)


class _ShortTurns:
    """While any thread works aside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._working:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(TURN_S, self._usual))
            self._working += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                sys.setswitchinterval(self._usual)


_short_turns = _ShortTurns()


def _bearable(error: BaseException) -> BaseException:
    """A future cannot carry a `StopIteration`."""
    return RuntimeError(str(error)) if isinstance(error, StopIteration) else error


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], tell: Callable[[], None]) -> None:
    def deliver() -> None:
        if not done.done():
            tell()

    try:
        loop.call_soon_threadsafe(deliver)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more
