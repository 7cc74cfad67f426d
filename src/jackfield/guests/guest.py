"""The host's hold on one guest: its session, what was agreed with it, and what it asks and says.

The code is a stranger's: that something was checked there counts for nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from jackfield.clock import Clock
from jackfield.errors import PluginError, PluginTimeout, SessionDenied
from jackfield.guests.answering import answer
from jackfield.guests.faults import as_raised, deny
from jackfield.guests.lines import LONGEST_LINE, Lines
from jackfield.guests.protocol import Description, Enabled, Healthy, Load, Loaded
from jackfield.guests.registered import Registered
from jackfield.guests.ring_share import RingShare
from jackfield.runtimes.base import Answerer, Diagnosis, Session
from jackfield.sdk.plugin import Health, Plugin
from jackfield.telemetry.text import describe_error

# A step has less than the host gives it, so that the plugin is told of by the name of its step.
STEP_S = 9.0
GRACE_S = 1.0

OpenSession = Callable[[Answerer], Session]


class Guest:
    """`Answerer` for one guest. It is described as soon as it is there, and loaded once a plugin has taken it: then
    again in every process that is started for it."""

    session: Session

    def __init__(self, who: str, open_session: OpenSession, clock: Clock, share: RingShare | None = None) -> None:
        self._who, self._share, self._lines = who, share, Lines(clock)
        self.description: Description | None = None
        self.loaded: Loaded | None = None
        self.enabled = False
        self.deaf: frozenset[tuple[str, str]] = frozenset()
        self._places: list[Session] = []
        self._owner: Plugin[Any] | None = None
        self._returned: Callable[[], None] = lambda: None
        self._asked: Load | None = None
        self._registered: Registered | None = None
        self._loading = False
        self._problem: str | None = None
        self._turn = asyncio.Lock()
        self.session = open_session(self)

    async def start(self) -> None:
        """Raises `SessionLost` with its last words, and what its module raises."""
        try:
            await self.session.start()
        except BaseException:
            await self.session.stop(0)
            raise

    async def stop(self, grace_s: float = GRACE_S) -> None:
        await self.session.stop(grace_s)

    # Calling

    async def call(self, method: str, params: Any, deadline_s: float, into: Any = Any) -> Any:
        """Raises what its code raised."""
        try:
            return await self.session.call(method, params, deadline_s=deadline_s, into=into)
        except SessionDenied as denied:
            raise as_raised(denied) from None

    async def stream(self, method: str, params: Any, deadline_s: float) -> AsyncGenerator[Any, None]:
        items: Any = self.session.stream(method, params, deadline_s=deadline_s)
        try:
            async with aclosing(items):
                async for item in items:
                    yield item
        except SessionDenied as denied:
            raise as_raised(denied) from None

    # Its life

    async def load(self, owner: Plugin[Any], asked: Load, returned: Callable[[], None]) -> Loaded:
        """Takes it for a plugin; `returned` is called whenever a process that was lost serves again. Raises what its
        code raises."""
        self._owner, self._asked, self._returned = owner, asked, returned
        self._registered = Registered(owner.services, self.call)
        if "mcp:connect" in asked.granted:
            owner.services.mcp.watch(self._tell_mounted)
        for place in self._here():
            await self._load(place)
        assert self.loaded is not None, "no process of it runs"
        return self.loaded

    async def run(self, step: str) -> None:
        """A step of its life, in every process."""
        self.enabled = step == "enable"
        for place in self._here():
            told = await self._step(place, step, into=Enabled | None if self.enabled else Any)
            self.deaf = told.deaf if told is not None and self.enabled else frozenset()

    async def health(self) -> Health:
        for place in self._here():
            found: Healthy = await self._step(place, "health", into=Healthy)
            if not found.ok:
                return Health(ok=False, detail=found.detail)
        return Health()

    def _here(self) -> list[Session]:
        """The processes that there are now."""
        self._places = [place for place in self._places if place.diagnose().state in ("starting", "running")]
        return self._places

    async def _step(self, place: Session, method: str, params: Any = None, into: Any = Any) -> Any:
        try:
            return await place.call(method, params, deadline_s=STEP_S, into=into)
        except SessionDenied as denied:
            raise as_raised(denied) from None
        except PluginTimeout as error:
            raise PluginTimeout(f"{method} did not end within {STEP_S:g} s", plugin=error.plugin) from error

    async def _load(self, place: Session) -> None:
        """One process after the other: what one registers is not another's."""
        async with self._turn:
            await self._load_alone(place)

    async def _load_alone(self, place: Session) -> None:
        assert self._registered is not None
        self._loading, self._problem = True, None
        self._registered.begin()
        try:
            self.loaded = await self._step(place, "load", msgspec.to_builtins(self._asked), into=Loaded)
        finally:
            self._loading = False
        if self._problem is not None:
            raise ValueError(self._problem)
        if len(self._places) == 1:
            await self._registered.take_away_stale()

    # Answerer

    async def on_start(self, session: Session) -> None:
        described: Description = await self._step(session, "describe", into=Description)
        if self.description is not None and described != self.description:
            raise ValueError("it is not what it was when it was started first")
        self.description = described
        if session not in self._places:
            self._places.append(session)
        if self._owner is None:
            return
        await self._load(session)
        if self.enabled:
            await self._step(session, "enable")
        self._returned()
        self._owner.report(True, "")

    def on_loss(self, diagnosis: Diagnosis) -> None:
        if self._owner is None:
            return
        gone = f"its process is gone: {diagnosis.exit or diagnosis.state}"
        if diagnosis.state == "failed":
            gone += "; it is not started again: reload it with --force, or disable and enable it"
        self._owner.report(False, gone)

    async def answer(self, method: str, params: Any) -> Any:
        if self._owner is None or self._registered is None:
            raise deny(ValueError("services are there when the plugin is loaded"))
        try:
            if self._share is not None and method.startswith("rings."):
                return await self._share.answer(method, params)
            return await answer(self._owner.services, self._registered, method, params)
        except Exception as error:
            raise deny(error) from error

    def hear(self, method: str, params: Any) -> None:
        """A boundary: what is wrong with what the code tells is the plugin's problem."""
        registered = self._registered
        if self._owner is None or registered is None:
            return
        told: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
        try:
            self._hear(self._owner, registered, method, told)
        except Exception as error:  # noqa: BLE001 - the boundary of the docstring
            self._note(f"{method[:100]}: {describe_error(error)}"[:LONGEST_LINE])

    def _hear(self, owner: Plugin[Any], registered: Registered, method: str, told: Mapping[str, Any]) -> None:
        if method == "log":
            self._lines.write(owner.log, told)
        elif method == "progress":
            registered.progress(told)
        elif method == "report":
            owner.report(bool(told.get("ok")), str(told.get("detail", ""))[:LONGEST_LINE])
        elif method == "tools.register":
            registered.add_tool(told)
        elif method == "tools.unregister":
            registered.remove_tool(str(told.get("name")))
        elif method == "events.on":
            registered.listen(str(told.get("type")))
        elif method == "events.off":
            registered.ignore(str(told.get("type")))
        elif method == "events.emit":
            owner.services.events.emit(told.get("type", ""), told.get("data", {}))

    def _note(self, problem: str) -> None:
        """While it loads the first keeps the plugin out; later there is nobody to tell but the log."""
        if self._loading:
            self._problem = self._problem or problem
        elif self._owner is not None:
            self._lines.write(self._owner.log, {"level": "error", "text": problem})

    def _tell_mounted(self) -> None:
        assert self._owner is not None
        self.session.tell("mounted", {"mounted": msgspec.to_builtins(self._owner.services.mcp.mounted())})

    async def end(self) -> None:
        """Its process ends whatever it says to that."""
        try:
            await self.run("unload")
        except PluginError as error:
            if self._owner is not None:
                self._owner.log.warning("plugin_unload_failed", reason=error.message)
        finally:
            await self.stop()
