"""Several worker processes, each accepting connections from a socket of its own, and what becomes of them.

Workers are forked: the process that forks has read the settings and imported what they need, so that a worker is there
in a fraction of the time a new interpreter takes, and shares the memory.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait

import structlog

from jackfield.errors import ConfigError, JackfieldError, Unavailable
from jackfield.server.listening import listen_beside

# A worker that lived for less has not recovered from what ended the one before.
SOUND_LIFE_S = 10.0
PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
# Beyond the time that exchanges have to end: for closing the stores and for plugins to unload.
ENDING_S = 30.0
STOPPING = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger("jackfield.workers")

_forking = multiprocessing.get_context("fork")


class Place:
    """What a worker is given. Its number stays with the place when the worker is replaced. `lifeline` becomes readable
    when the supervisor is gone. `joins` is whether the gateway has served before this worker."""

    def __init__(
        self, number: int, listening: socket.socket, lifeline: int, told: Connection, *, joins: bool = False
    ) -> None:
        self.number, self.listening, self.lifeline, self._told = number, listening, lifeline, told
        self.joins = joins

    def report_up(self) -> None:
        self._told.send(None)

    def report_failure(self, reason: str) -> None:
        with suppress(OSError):
            self._told.send(reason)


Work = Callable[[Place], None]


class Worker:
    """A place and the process that fills it now, if any. `due` is when an empty place is to be filled."""

    def __init__(self, number: int, listening: socket.socket) -> None:
        self.number, self.listening = number, listening
        self._host, self._port = listening.getsockname()[:2]
        self.process: multiprocessing.process.BaseProcess | None = None
        self.told: Connection | None = None
        self.reason: str | None = None
        self.up = self.was_ever_up = False
        self.began = self.due = 0.0
        self.setbacks = 0

    def hear(self) -> None:
        """Takes in what the process reported, if it did."""
        if self.told is None or not self.told.poll():
            return
        with suppress(EOFError, OSError):
            self.reason = self.told.recv()
            self.up = self.up or self.reason is None
            self.was_ever_up = self.was_ever_up or self.up
        self.told.close()
        self.told = None

    def clear(self, now: float) -> float:
        """The process has ended: in how many seconds to try again. Connections wait for a successor that comes at once;
        else they are left to the other workers."""
        sound = self.up and now - self.began >= SOUND_LIFE_S
        self.setbacks = 0 if sound else self.setbacks + 1
        pause = PAUSES_S[min(max(0, self.setbacks - 1), len(PAUSES_S) - 1)]
        if pause:
            self.listening.close()
        self.process, self.up, self.due = None, False, now + pause
        return pause

    def listen(self) -> None:
        if self.listening.fileno() < 0:
            self.listening = listen_beside(self._host, self._port)


class Supervisor:
    """`run` returns when it was told to stop and every worker has ended."""

    def __init__(self, sockets: Sequence[socket.socket], work: Work, drain_s: float) -> None:
        self._workers = [Worker(number, each) for number, each in enumerate(sockets)]
        self._work = work
        self._ending_s = drain_s + ENDING_S
        self._stopping = False

    def run(self, came_up: Callable[[], None]) -> None:
        """Calls `came_up` once when all workers serve. Raises `ConfigError` or `Unavailable` where one cannot start, or
        where none is left that serves."""
        gc.collect()
        gc.freeze()
        self._lifeline, self._held = os.pipe()
        with _signals() as self._signalled:
            try:
                self._watch(came_up)
            finally:
                self._end_all()
                os.close(self._held)
                os.close(self._lifeline)

    def _watch(self, came_up: Callable[[], None]) -> None:
        announced = False
        while not self._stopping:
            now = time.monotonic()
            for worker in self._workers:
                if worker.process is None and worker.due <= now:
                    self._start(worker)
            self._await_change(min((w.due for w in self._workers if w.process is None), default=now + 60) - now)
            if self._stopping:
                return
            for worker in self._workers:
                worker.hear()
                if worker.process is not None and not worker.process.is_alive():
                    self._take_away(worker)
            if not announced and all(worker.up for worker in self._workers):
                announced = True
                came_up()

    def _await_change(self, seconds: float) -> None:
        """Until a worker reports or ends, a signal comes, or the time is up."""
        processes = [worker.process.sentinel for worker in self._workers if worker.process is not None]
        reports = [worker.told for worker in self._workers if worker.told is not None]
        wait([*processes, *reports, self._signalled], max(0.0, seconds))
        if self._read_signals():
            self._stopping = True

    def _read_signals(self) -> list[int]:
        with suppress(BlockingIOError):
            return [number for number in self._signalled.recv(64) if number in STOPPING]
        return []

    def _start(self, worker: Worker) -> None:
        worker.listen()
        worker.told, telling = _forking.Pipe(duplex=False)
        joins = any(each.was_ever_up for each in self._workers)
        place = Place(worker.number, worker.listening, self._lifeline, telling, joins=joins)
        worker.process = _forking.Process(target=self._become, args=(place,), name=f"jackfield-{worker.number}")
        worker.reason, worker.began = None, time.monotonic()
        # A signal for the new process is to find it ready to obey.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            worker.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        telling.close()

    def _become(self, place: Place) -> None:
        """In the new process: lets go of what is the supervisor's and the other workers', then works."""
        signal.set_wakeup_fd(-1)
        for number in STOPPING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        os.close(self._held)
        for worker in self._workers:
            if worker.number != place.number:
                worker.listening.close()
        try:
            self._work(place)
        except JackfieldError as error:
            place.report_failure(str(error))
            raise SystemExit(1) from None

    def _take_away(self, worker: Worker) -> None:
        assert worker.process is not None
        worker.process.join()
        worker.hear()
        code, was_up, reason = worker.process.exitcode, worker.up, worker.reason
        ended = reason or (f"ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}")
        pause = worker.clear(time.monotonic())
        if not worker.was_ever_up:
            raise ConfigError(reason) if reason else Unavailable(f"a worker {ended} before it served")
        if not was_up and not any(other.up for other in self._workers):
            raise Unavailable(f"no worker is left, and none can be started: {ended}")
        log.error("worker_ended", worker=worker.number, reason=ended, next_in_s=pause)

    def _end_all(self) -> None:
        """Tells every worker to stop, at once when told so a second time, and waits until they have."""
        for worker in self._workers:
            worker.listening.close()
        self._tell_all(signal.SIGTERM)
        until = time.monotonic() + self._ending_s
        while living := [w.process for w in self._workers if w.process is not None and w.process.is_alive()]:
            wait([*(process.sentinel for process in living), self._signalled], max(0.0, until - time.monotonic()))
            if signal.SIGINT in self._read_signals():
                self._tell_all(signal.SIGINT)
            if time.monotonic() >= until:
                log.error("workers_killed", count=len(living), after_s=self._ending_s)
                self._tell_all(signal.SIGKILL)
                until = time.monotonic() + ENDING_S

    def _tell_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.pid is not None and worker.process.is_alive():
                os.kill(worker.process.pid, number)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket on which each signal that tells to stop arrives as its number."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in STOPPING}
    wakeup = signal.set_wakeup_fd(writing.fileno())
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        reading.close()
        writing.close()
