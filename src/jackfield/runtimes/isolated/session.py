"""A plugin in as many processes as it is given, as one session."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from jackfield.clock import Clock
from jackfield.errors import SessionLost
from jackfield.runtimes.base import Answerer, Diagnosis, Session, SessionState
from jackfield.runtimes.isolated.process import IsolatedProcess, Pause
from jackfield.runtimes.isolated.program import GuestProgram
from jackfield.runtimes.limits import Limits

__all__ = ["GuestProgram", "IsolatedSession", "current_process"]

# Of so many exchanges it is known where they are.
MOST_STICKY = 10_000
# What one of them is, in the order of what all of them are then.
_BEST_FIRST: tuple[SessionState, ...] = ("running", "starting", "waiting", "failed", "stopped", "new")

_PROCESS: ContextVar[int | None] = ContextVar("jackfield_process", default=None)


def current_process() -> int | None:
    """In what an `Answerer` does: the number of the process that asks, from 1 on, which it keeps when it comes back."""
    return _PROCESS.get()


class IsolatedSession:
    """`Session` over `workers` processes, and `spares` that are ready to take the place of one that is lost. Each call
    goes to the least busy. `on_start` runs for each process, with a session that reaches that one alone. With `scratch`
    each may write, into a folder of its own there."""

    def __init__(
        self,
        plugin_id: str,
        program: GuestProgram,
        answerer: Answerer,
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        minimum: tuple[str, ...] = (),
        workers: int = 1,
        spares: int = 0,
        scratch: Path | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._plugin, self._answerer, self._workers = plugin_id, answerer, workers
        self._processes = [
            IsolatedProcess(
                plugin_id,
                program,
                _OneOf(self, number, answerer),
                clock,
                limits,
                minimum=minimum,
                scratch=scratch,
                pause=pause,
            )
            for number in range(1, workers + spares + 1)
        ]
        # Those that calls go to; where one is lost, another takes its place.
        self._active = self._processes[:workers]
        self._lost: IsolatedProcess | None = None
        self._sticky: OrderedDict[str, IsolatedProcess] = OrderedDict()

    # Calling

    async def call(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> Any:
        return await self._choose(sticky).call(method, params, deadline_s=deadline_s, into=into)

    def stream(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> AsyncIterator[Any]:
        return self._choose(sticky).stream(method, params, deadline_s=deadline_s, into=into)

    def tell(self, method: str, params: Any = None, *, sticky: str | None = None) -> None:
        if len(self._processes) == 1 or sticky is None:
            for process in self._processes:
                process.tell(method, params)
        elif (place := self._sticky.pop(sticky, None)) is not None:
            place.tell(method, params)

    async def ping(self, deadline_s: float) -> None:
        """All of them that calls go to."""
        await asyncio.gather(*(process.ping(deadline_s) for process in self._active))

    def _choose(self, sticky: str | None) -> IsolatedProcess:
        if len(self._processes) == 1:
            return self._active[0]
        if sticky is None:
            return self._find_idlest()
        place = self._sticky.get(sticky)
        if place is None or not place.is_running:
            place = self._sticky[sticky] = self._find_idlest()
            if len(self._sticky) > MOST_STICKY:
                self._sticky.popitem(last=False)
        return place

    def _find_idlest(self) -> IsolatedProcess:
        """One that does not run where none does: it says why."""
        if not all(process.is_running for process in self._active):
            self._replace_lost()
        running = [process for process in self._active if process.is_running]
        return min(running or self._active, key=lambda process: process.waiting)

    def _replace_lost(self) -> None:
        ready = [process for process in self._processes if process.is_running and process not in self._active]
        for at, process in enumerate(self._active):
            if ready and not process.is_running:
                self._active[at] = ready.pop(0)

    # Living

    async def start(self) -> None:
        """Raises what the first raises that does not start; none is left then."""
        state = self.diagnose().state
        if state not in ("new", "failed"):
            raise SessionLost(f"plugin {self._plugin} cannot be started: it is {state}", plugin=self._plugin)
        try:
            done = await asyncio.gather(*(process.start() for process in self._processes), return_exceptions=True)
            if errors := [error for error in done if isinstance(error, BaseException)]:
                raise errors[0]
        except BaseException:
            await asyncio.gather(*(process.give_up() for process in self._processes))
            raise
        self._active = self._processes[: self._workers]

    async def stop(self, grace_s: float) -> None:
        await asyncio.gather(*(process.stop(grace_s) for process in self._processes))

    def lose(self, number: int) -> None:
        self._lost = self._processes[number - 1]
        self._answerer.on_loss(self.diagnose())

    def diagnose(self) -> Diagnosis:
        """The state is that of the best of them; what it says of an end is of the one that was lost last."""
        found = [process.diagnose() for process in self._processes]
        states = {each.state for each in found}
        lost = (self._lost or self._active[0]).diagnose()
        pids = tuple(each.pid for each in found if each.pid is not None)
        return Diagnosis(
            state=next(state for state in _BEST_FIRST if state in states),
            pid=pids[0] if pids else None,
            pids=pids,
            starts=sum(each.starts for each in found),
            exit=lost.exit,
            last_words=lost.last_words,
            layers=next((each.layers for each in found if each.layers), ()),
        )


class _OneOf:
    """The `Answerer` of one process of several."""

    def __init__(self, whole: IsolatedSession, number: int, answerer: Answerer) -> None:
        self._whole, self._number, self._answerer = whole, number, answerer

    async def answer(self, method: str, params: Any) -> Any:
        _PROCESS.set(self._number)
        return await self._answerer.answer(method, params)

    def hear(self, method: str, params: Any) -> None:
        _PROCESS.set(self._number)
        self._answerer.hear(method, params)

    async def on_start(self, session: Session) -> None:
        _PROCESS.set(self._number)
        await self._answerer.on_start(session)

    def on_loss(self, diagnosis: Diagnosis) -> None:
        self._whole.lose(self._number)
