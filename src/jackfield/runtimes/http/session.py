"""A session with a service over HTTP, which is already running or which is started where nothing answers.

A method is a path: `call("echo", …)` posts to `/echo`; what only reads is got. Such a service asks nothing of the host,
and its values are those of JSON.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import PluginError, PluginTimeout, SessionDenied, SessionLost
from jackfield.runtimes.base import Answerer, Diagnosis, SessionState
from jackfield.runtimes.http.errors import PROVIDER_UNAVAILABLE, TIMEOUT, Fault, ServiceFault, is_fault, read_fault
from jackfield.runtimes.http.files import Mark, read_mark
from jackfield.runtimes.http.lines import LineLog
from jackfield.runtimes.http.program import TERM_GRACE_S, Order, Program, start_program
from jackfield.runtimes.http.service import Service
from jackfield.runtimes.launch import LaunchFailed
from jackfield.telemetry.text import describe_error

# What the host asks for without changing anything.
READING = frozenset({"metadata", "health", "models"})
LARGEST = 16_777_216
MOST_TOLD = 100
POLL_S = 0.05

log = structlog.get_logger("jackfield.plugins")


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How patiently a service is kept. `crash_starts` starts within `crash_window_s` are a crash loop, which is over
    after `calm_s`, or when its files are seen to have changed, each `look_s`; so long a life also makes all losses
    before it forgotten."""

    probe_s: float = 5.0
    start_s: float = 30.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    jitter: float = 0.2
    crash_starts: int = 5
    crash_window_s: float = 60.0
    calm_s: float = 300.0
    look_s: float = 2.0
    grace_s: float = TERM_GRACE_S


PACE = Pace()


class HttpSession:
    """`Session`, supervised: lost, it is looked for, and started, again after a pause that doubles; `on_start` then
    runs anew. `order` is how it is started, `None` where it is not ours to start; `may_start` is asked each time."""

    def __init__(
        self,
        plugin_id: str,
        service: Service,
        answerer: Answerer,
        clock: Clock,
        order: Order | None = None,
        *,
        pace: Pace = PACE,
        may_start: Callable[[], bool] = lambda: True,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._plugin, self.service, self._answerer = plugin_id, service, answerer
        self._clock, self._order, self._pace, self._may_start, self._pause = clock, order, pace, may_start, pause
        self._state: SessionState = "new"
        self._program: Program | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[str] | None = None
        self._told: set[asyncio.Task[Any]] = set()
        self._calls: set[asyncio.Future[Any]] = set()
        self._started: deque[float] = deque(maxlen=pace.crash_starts)
        self._starts = self._losses = 0
        self._exit: str | None = None
        self._words = ""
        self._mark: Mark = frozenset()
        # Why it is not there, as far as that is known.
        self.problem = ""
        self._first: asyncio.Future[Exception | None] | None = None

    # Calling

    async def call(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> Any:
        """There is one service: all is sticky."""
        self._refuse_unless_open()
        body = encode_params(params)
        asking = self.service.get(method, deadline_s) if method in READING else None
        answer = await self._finish(method, asking or self.service.post(method, body, deadline_s), deadline_s)
        return answer if into is Any else self._convert(answer, into)

    def _convert(self, answer: Any, into: Any) -> Any:
        try:
            return msgspec.convert(answer, into)
        except msgspec.ValidationError as error:
            raise SessionDenied(f"its answer is none: {error}", plugin=self._plugin) from error

    async def _finish(self, method: str, asking: Awaitable[Any], deadline_s: float) -> Any:
        """The answer, or what it came to; the end of the session ends it too."""
        task = asyncio.ensure_future(asking)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        try:
            return await asyncio.shield(task)
        except ServiceFault as error:
            raise self._explain(method, error.fault, deadline_s) from error
        except asyncio.CancelledError:
            asking_task = asyncio.current_task()
            if task.cancelled() and not (asking_task is not None and asking_task.cancelling()):
                raise self._gone() from None
            task.cancel()
            raise

    def _explain(self, method: str, fault: Fault, deadline_s: float) -> PluginError:
        plugin = self._plugin
        if not fault.reached:
            self.lose(fault.message)
        if not fault.stated and fault.code == TIMEOUT and fault.status == 504:
            return PluginTimeout(f"plugin {plugin}: {method} did not answer within {deadline_s:g} s", plugin=plugin)
        if not fault.stated and fault.code == PROVIDER_UNAVAILABLE:
            return SessionLost(f"plugin {plugin}: {fault.message}", plugin=plugin)
        if not fault.stated and fault.message.startswith("status 404"):
            return SessionDenied(f"there is no method {method!r:.100}", plugin=plugin, told=fault.code)
        return SessionDenied(fault.message, plugin=plugin, told=fault.code)

    async def stream(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> AsyncIterator[Any]:
        """One JSON value a line."""
        self._refuse_unless_open()
        rest, pieces = b"", self.service.lines(method, encode_params(params), deadline_s)
        try:
            while (piece := await self._finish(method, _next(pieces), deadline_s)) is not None:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield self._convert(self._read_item(line), into)
            if rest.strip():
                yield self._convert(self._read_item(rest), into)
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    def _read_item(self, line: bytes) -> Any:
        try:
            item = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise SessionDenied(f"it streamed what is not JSON: {line[:100]!r}", plugin=self._plugin) from error
        if is_fault(item):
            raise SessionDenied(read_fault(500, line).message, plugin=self._plugin)
        return item

    def tell(self, method: str, params: Any = None, *, sticky: str | None = None) -> None:
        if self._state != "running" or len(self._told) >= MOST_TOLD:
            return
        task = asyncio.create_task(self._tell(method, encode_params(params)))
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def _tell(self, method: str, body: bytes) -> None:
        try:
            await self.service.post(method, body, self._pace.probe_s)
        except ServiceFault as error:
            log.debug("plugin_not_told", plugin=self._plugin, method=method, error=str(error))

    async def ping(self, deadline_s: float) -> None:
        await self.call("health", deadline_s=deadline_s)

    def _refuse_unless_open(self) -> None:
        if self._state not in ("running", "starting"):
            raise self._gone()

    def _gone(self) -> SessionLost:
        where = {
            "new": "was not started",
            "waiting": "is gone, and will be looked for again",
            "stopped": "was stopped",
            "failed": "is gone, and is not started again",
        }.get(self._state, "is gone")
        last = f"; its process ended before: {self._exit}" if self._exit else ""
        return SessionLost(f"plugin {self._plugin} {where}{last}", plugin=self._plugin)

    def diagnose(self) -> Diagnosis:
        program = self._program
        words = program.output.last_words if program is not None else self._words
        return Diagnosis(
            state=self._state,
            pid=program.pid if program is not None and not program.ended.done() else None,
            starts=self._starts,
            exit=self._exit,
            last_words=words or self._words,
            layers=program.layers if program is not None else (),
        )

    # Living

    async def start(self) -> None:
        """Raises `SessionLost` with `endpoint_unreachable` or `command_failed`, and what `on_start` raises."""
        if self._state not in ("new", "failed"):
            raise SessionLost(f"plugin {self._plugin} cannot be started: it is {self._state}", plugin=self._plugin)
        self._losses = 0
        self._started.clear()
        try:
            await self._bring_up()
        except BaseException:
            self._state = "stopped" if self._is_stopped() else "failed"
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name=f"keep-{self._plugin}")

    async def keep(self, wait_s: float) -> Exception | None:
        """As `start`, for what may come up later: it is looked for until `stop` is called. What the first try came to,
        or that it still goes on after `wait_s`."""
        self._first = asyncio.get_running_loop().create_future()
        self._state = "waiting"
        self._supervisor = asyncio.create_task(self._keep(), name=f"keep-{self._plugin}")
        await asyncio.wait([self._first], timeout=wait_s)
        if self._first.done():
            return self._first.result()
        told = f"starting: it was not ready within {wait_s:g} s, and may be later"
        return SessionLost(told, plugin=self._plugin)

    @property
    def has_program(self) -> bool:
        return self._program is not None and not self._program.ended.done()

    def yield_program(self) -> Program | None:
        """Its program, which it does not end any more."""
        program, self._program = self._program, None
        return program

    def adopt(self, program: Program) -> None:
        """A program that was started for another session with the same service."""
        self._program = program
        program.ended.add_done_callback(self._on_end)

    def _on_end(self, ended: asyncio.Future[str]) -> None:
        if self._program is not None and self._program.ended is ended:
            self.lose(ended.result())

    def revive(self) -> None:
        """Looks for it again after `stop`."""
        if self._is_stopped() and self._supervisor is None:
            self._state, self._losses = "waiting", 0
            self._started.clear()
            self._supervisor = asyncio.create_task(self._keep(), name=f"keep-{self._plugin}")

    def lose(self, reason: str) -> None:
        """For who finds that nobody is there, or that what is there hangs."""
        if self._state == "running" and self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    def _is_stopped(self) -> bool:
        return self._state == "stopped"

    async def _bring_up(self) -> None:
        self._state = "starting"
        await self._find_or_start()
        try:
            await self._answerer.on_start(self)
            if self._is_stopped():
                raise self._gone()
        except BaseException as error:
            if self._program is not None and (self._supervisor is None or not isinstance(error, PluginError)):
                await self._let_go()
            raise
        self._lost = asyncio.get_running_loop().create_future()
        self._exit, self.problem = None, ""
        self._state = "running"
        if self._program is not None:
            self._program.ended.add_done_callback(self._on_end)

    async def _find_or_start(self) -> None:
        """Already running comes first: a program is started only where nobody answers."""
        fault = await self.service.answers("metadata", self._pace.probe_s)
        if fault is None:
            return
        told = f"endpoint_unreachable: nothing answers at {self.service.endpoint}: {fault.message}"
        if self._program is not None and not self._program.ended.done():
            await self._await_ready(self._program)
            return
        await self._let_go()
        if self._order is None or fault.reached:
            raise SessionLost(told, plugin=self._plugin)
        if not self._may_start():
            raise SessionLost(f"{told}; another worker of the gateway is to start it", plugin=self._plugin)
        await self._start_program(self._order)

    async def _start_program(self, order: Order) -> None:
        self._refuse_crash_loop()
        self._starts += 1
        self._started.append(self._clock.monotonic())
        lines = LineLog(self._plugin, self._clock)
        try:
            self._program = await start_program(order, lines.feed)
        except LaunchFailed as error:
            self._exit = str(error)
            await self._note_files()
            raise SessionLost(f"command_failed: {error}", plugin=self._plugin) from error
        log.info("plugin_started", plugin=self._plugin, pid=self._program.pid, command=order.argv[0])
        try:
            await self._await_ready(self._program)
        except BaseException:
            await self._let_go()
            raise

    def _refuse_crash_loop(self) -> None:
        now = self._clock.monotonic()
        while self._started and now - self._started[0] > self._pace.calm_s:
            self._started.popleft()
        first = self._started[0] if len(self._started) == self._pace.crash_starts else None
        if first is not None and self._started[-1] - first <= self._pace.crash_window_s:
            told = f"crash_loop: {len(self._started)} starts within {self._started[-1] - first:.0f} s"
            words = f"; its last words: {self._words[-500:]}" if self._words else ""
            raise CrashLoop(f"{told}; it ended last with {self._exit}{words}", plugin=self._plugin)

    async def _await_ready(self, program: Program) -> None:
        deadline = self._clock.monotonic() + self._pace.start_s
        while not program.ended.done():
            if await self.service.answers("metadata", self._pace.probe_s) is None:
                return
            if self._clock.monotonic() >= deadline:
                told = f"it did not answer at {self.service.endpoint} within {self._pace.start_s:g} s"
                raise SessionLost(f"command_failed: {told}{self._say_last(program)}", plugin=self._plugin)
            await asyncio.wait([program.ended], timeout=POLL_S)
        self._exit = program.ended.result()
        raise SessionLost(f"command_failed: {self._exit}{self._say_last(program)}", plugin=self._plugin)

    def _say_last(self, program: Program) -> str:
        words = program.output.last_words
        return f"; its last words: {words[-500:]}" if words else ""

    async def _let_go(self, grace_s: float = 0.0) -> None:
        """Ends the program, where it is ours, and keeps what is to be told of it."""
        program = self._program
        if program is None:
            return
        # Whoever is cancelled here leaves it to the next, who waits for its end as well.
        await program.stop(grace_s)
        self._program = None
        self._exit = program.ended.result() if program.ended.done() else "it could not be ended"
        self._words = program.output.last_words
        await self._note_files()

    async def _note_files(self) -> None:
        """As they are when it has ended, since it may write there itself."""
        if self._order is not None and not self._is_stopped():
            self._mark = await asyncio.to_thread(read_mark, self._order.cwd)

    async def _supervise(self) -> None:
        while True:
            began = self._clock.monotonic()
            assert self._lost is not None
            reason = await self._lost
            if self._clock.monotonic() - began >= self._pace.calm_s:
                self._losses = 0
            self._end_calls()
            await self._let_go()
            log.warning("plugin_lost", plugin=self._plugin, reason=reason, exit=self._exit)
            self._state, self.problem = "waiting", f"endpoint_unreachable: it is gone: {reason}"
            self._answerer.on_loss(self.diagnose())
            await self._come_back()

    async def _keep(self) -> None:
        if not await self._try_once():
            await self._come_back()
        await self._supervise()

    async def _come_back(self) -> None:
        """Returns when it is there again."""
        while not self._is_stopped():
            pace = self._pace
            spread = random.uniform(1 - pace.jitter, 1 + pace.jitter)  # noqa: S311 - so that not all come at once
            await self._rest(min(pace.first_pause_s * 2 ** min(self._losses, 16), pace.longest_pause_s) * spread)
            self._losses += 1
            if await self._try_once():
                return

    async def _rest(self, seconds: float) -> None:
        """Who is left alone for a crash loop is tried at once when somebody has changed its files: it may be mended."""
        order = self._order
        while order is not None and self._state == "failed" and seconds > 0:
            await self._pause(min(seconds, self._pace.look_s))
            seconds -= self._pace.look_s
            if await asyncio.to_thread(read_mark, order.cwd) != self._mark:
                self._losses = 0
                self._started.clear()
                return
        if seconds > 0:
            await self._pause(seconds)

    async def _try_once(self) -> bool:
        """Whether it is there. A boundary: a start that fails is one loss more, whatever it failed with."""
        failure: Exception | None = None
        before = self.problem
        try:
            await self._bring_up()
        except Exception as error:  # noqa: BLE001 - the boundary of the docstring
            failure = error
            self._state = "failed" if isinstance(error, CrashLoop) else "waiting"
            self.problem = error.message if isinstance(error, PluginError) else describe_error(error)
            if self.problem != before:
                log.warning("plugin_not_up", plugin=self._plugin, reason=self.problem)
            self._answerer.on_loss(self.diagnose())
        if self._first is not None and not self._first.done():
            self._first.set_result(failure)
        return failure is None

    def _end_calls(self) -> None:
        for task in (*self._calls, *self._told):
            task.cancel()

    async def stop(self, grace_s: float) -> None:
        if self._is_stopped() and self._program is None:
            return
        self._state = "stopped"
        self._end_calls()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])
        await self._let_go(grace_s)


class CrashLoop(SessionLost):
    """It was started too often: it is left alone for a while."""


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


def encode_params(params: Any) -> bytes:
    """Raises `ValueError` for what cannot be sent."""
    try:
        body = msgspec.json.encode(params)
    except TypeError as error:
        raise ValueError(f"a value of type {_culprit(params)} cannot be sent") from error
    except (OverflowError, UnicodeError, RecursionError) as error:
        raise ValueError(f"a value cannot be sent: {error}") from error
    if len(body) > LARGEST:
        raise ValueError(f"{len(body):,} bytes: at most {LARGEST:,} are passed on")
    return body


def _culprit(value: Any) -> str:
    """The type of the first thing in it that JSON does not have."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for one in inner:
        if not isinstance(one, str | int | float | bool | dict | list | tuple | None):
            return type(one).__name__
        if (found := _culprit(one)) != "object" or not isinstance(one, str | int | float | bool | None):
            return found
    return type(value).__name__
