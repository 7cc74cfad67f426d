"""A session over a process of the plugin's own, which is started again when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import Context, ContextVar
from typing import Any, Protocol

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import SessionLost
from jackfield.rpc.codec import JSON, Codec
from jackfield.runtimes.answers import Answers
from jackfield.runtimes.base import Answerer, Diagnosis, SessionState
from jackfield.runtimes.child import Explain, start_child
from jackfield.runtimes.deadlines import finish_call
from jackfield.runtimes.launch import Launch, LaunchFailed
from jackfield.runtimes.limits import Limits
from jackfield.telemetry.text import describe_error

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
# A life that long was a good one: what went wrong before it is forgotten.
GOOD_S = 60.0
MOST_LOSSES = 5
LOAD = "$load"

log = structlog.get_logger("jackfield.runtimes")

# The process that is being made ready by the running code: until it is, nobody else may call it.
_READYING: ContextVar[Life | None] = ContextVar("jackfield_readying", default=None)


class Printed(Protocol):
    @property
    def last_words(self) -> str: ...


class Life(Protocol):
    """One process, as far as a session has to do with it; `ended` becomes how it ended. What runs elsewhere has no
    `pid`."""

    # A `Peer`, or what answers as one.
    peer: Any
    ended: asyncio.Future[str]
    layers: tuple[str, ...]

    @property
    def output(self) -> Printed: ...

    @property
    def pid(self) -> int | None: ...

    async def aclose(self, reason: str, grace_s: float) -> None: ...


class Program(msgspec.Struct, frozen=True):
    """What is run, and what its worker is told first. `layers` are defences of the runtime's own."""

    launch: Launch
    load: Mapping[str, Any]
    layers: tuple[str, ...] = ()
    explain: Explain = lambda words: None
    codec: Codec = JSON


class ProcessSession:
    """`Session`, supervised: lost, the process comes back after a pause that doubles; `on_start` then runs anew. After
    `MOST_LOSSES` in a row it stays away until `start`."""

    def __init__(
        self,
        plugin_id: str,
        program: Program,
        answerer: Answerer,
        clock: Clock,
        limits: Limits,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._plugin, self._program, self._answerer = plugin_id, program, answerer
        self._clock, self._limits, self._pause = clock, limits, pause
        self._state: SessionState = "new"
        self._child: Life | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._starts = self._losses = 0
        self._exit: str | None = None
        self._words = ""

    # Calling

    async def call(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> Any:
        return await self._peer().call(method, params, into=into, deadline_s=deadline_s)

    def stream(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> AsyncIterator[Any]:
        items: AsyncIterator[Any] = self._peer().stream(method, params, into=into, deadline_s=deadline_s)
        return items

    def tell(self, method: str, params: Any = None, *, sticky: str | None = None) -> None:
        """Dropped also where nobody is there."""
        if self._is_open():
            assert self._child is not None
            self._child.peer.tell(method, params)

    async def ping(self, deadline_s: float) -> None:
        await finish_call(self._plugin, "ping", self._peer().ping(), deadline_s)

    def _is_open(self) -> bool:
        if self._child is None:
            return False
        return self._state_now() == "running" or (self._state == "starting" and _READYING.get() is self._child)

    def _state_now(self) -> SessionState:
        """Between the end of a process and the turn in which we hear of it, too."""
        lost = self._state == "running" and (self._child is None or self._child.ended.done())
        return "waiting" if lost else self._state

    def _peer(self) -> Any:
        if not self._is_open():
            raise SessionLost(f"plugin {self._plugin} {self._whereabouts()}", plugin=self._plugin)
        assert self._child is not None
        return self._child.peer

    def _whereabouts(self) -> str:
        exit_ = self._exit_now()
        last = f"; its process ended before: {exit_}" if exit_ else ""
        known = {
            "new": "was not started",
            "starting": "is starting",
            "waiting": "is gone, and will be started again",
            "stopped": "was stopped",
            "failed": "is gone, and is not started again",
        }
        return known.get(self._state_now(), "is gone") + last

    def _exit_now(self) -> str | None:
        child = self._child
        return child.ended.result() if child is not None and child.ended.done() else self._exit

    def diagnose(self) -> Diagnosis:
        child = self._child
        words = child.output.last_words if child is not None else self._words
        layers = (*child.layers, *self._program.layers) if child is not None else ()
        return Diagnosis(
            state=self._state_now(),
            pid=child.pid if child is not None and not child.ended.done() else None,
            starts=self._starts,
            exit=self._exit_now(),
            last_words=words or self._words,
            layers=layers,
        )

    # Living

    async def start(self) -> None:
        if self._state not in ("new", "failed"):
            raise SessionLost(f"plugin {self._plugin} cannot be started: it {self._whereabouts()}", plugin=self._plugin)
        self._losses = 0
        try:
            await self._bring_up()
        except BaseException:
            self._state = "stopped" if self._is_stopped() else "failed"
            raise
        # Whoever starts it, it is not on their behalf that it comes back.
        self._supervisor = asyncio.create_task(self._supervise(), context=Context())

    async def _bring_up(self) -> None:
        """Raises `SessionLost`, and what `on_start` raises; the process is gone then."""
        self._state = "starting"
        self._starts += 1
        try:
            child = await self._open_child()
        except LaunchFailed as error:
            self._exit = f"{error}"
            raise SessionLost(f"plugin {self._plugin} could not be started: {error}", plugin=self._plugin) from error
        self._child = child
        try:
            await self._make_ready(child)
            if self._is_stopped():
                raise SessionLost(f"plugin {self._plugin} {self._whereabouts()}", plugin=self._plugin)
        except BaseException:
            await self._let_go("it did not come up")
            raise
        self._state = "running"

    async def _open_child(self) -> Life:
        """Raises `LaunchFailed`; nothing is left of it then."""
        program = self._program
        answers = Answers(self._plugin, self._answerer)
        return await start_child(
            self._plugin, program.launch, answers, self._clock, self._limits, program.explain, program.codec
        )

    async def _load_child(self, child: Life) -> None:
        load = child.peer.call(LOAD, dict(self._program.load))
        await finish_call(self._plugin, "loading", load, self._limits.start_s)

    async def _make_ready(self, child: Life) -> None:
        deadline_s = self._limits.start_s
        await self._load_child(child)
        token = _READYING.set(child)
        try:
            await finish_call(self._plugin, "starting", self._call_on_start(), deadline_s)
        finally:
            _READYING.reset(token)

    async def _call_on_start(self) -> None:
        await self._answerer.on_start(self)

    def _is_stopped(self) -> bool:
        """`stop` may come while we wait."""
        return self._state == "stopped"

    async def _let_go(self, reason: str, grace_s: float = 0.0) -> None:
        """Ends the process and keeps what is to be told of it. Who is cancelled meanwhile leaves the rest to who comes
        next."""
        child = self._child
        if child is None:
            return
        await child.aclose(f"its process is gone: {reason}", grace_s)
        self._child = None
        self._exit = child.ended.result() if child.ended.done() else "it could not be ended"
        self._words = child.output.last_words

    async def _supervise(self) -> None:
        while True:
            child, began = self._child, self._clock.monotonic()
            assert child is not None
            await asyncio.shield(child.ended)
            if self._clock.monotonic() - began >= GOOD_S:
                self._losses = 0
            await self._let_go("it ended")
            if not await self._come_back():
                return

    async def _come_back(self) -> bool:
        """Whether it did."""
        while True:
            self._losses += 1
            self._state = "failed" if self._losses >= MOST_LOSSES else "waiting"
            self._report_loss()
            if self._state == "failed":
                return False
            await self._pause(min(FIRST_PAUSE_S * 2 ** (self._losses - 1), LONGEST_PAUSE_S))
            try:
                await self._bring_up()
            except Exception as error:  # noqa: BLE001 - a boundary: a start that fails is one loss more
                log.warning("plugin_not_restarted", plugin=self._plugin, error=describe_error(error))
            else:
                return True

    def _report_loss(self) -> None:
        log.warning("plugin_lost", plugin=self._plugin, exit=self._exit, losses=self._losses, state=self._state)
        self._answerer.on_loss(self.diagnose())

    async def stop(self, grace_s: float) -> None:
        if self._state == "stopped" and self._child is None:
            return
        self._state = "stopped"
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])
        await self._let_go("it was stopped", grace_s)
