"""A session over an object of this process: the same calls and the same rules, and nothing that could be lost.

A program's method is `async def name(self, params, rpc)`, an async generator for a stream; `def` where it is told.
It gets copies of what is sent to it, and nothing of the context that it is called in: on whose behalf it runs only the
host knows, by the call that what it asks for came out of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import structlog

from jackfield.errors import SessionLost
from jackfield.rpc.calls import Peer
from jackfield.rpc.memory import join_in_memory
from jackfield.runtimes.answers import Answers
from jackfield.runtimes.base import Answerer, Diagnosis, SessionState
from jackfield.runtimes.deadlines import finish_call, take_items
from jackfield.telemetry.text import describe_error

log = structlog.get_logger("jackfield.runtimes")


class Rpc:
    """What a program asks its host by."""

    __slots__ = ("_peer",)

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def call(self, method: str, params: Any = None) -> Any:
        """Raises `SessionDenied` with the words of what the host raised."""
        return await self._peer.call(method, params, self._peer.current())

    def tell(self, method: str, params: Any = None) -> None:
        self._peer.tell(method, params, self._peer.current())


class _Runner:
    """Answers what the host calls by the program's methods."""

    rpc: Rpc

    def __init__(self, plugin: str, program: object) -> None:
        self._plugin, self._program = plugin, program

    def _find(self, method: str) -> Any:
        found = None if method.startswith("_") else getattr(self._program, method, None)
        if not callable(found):
            raise LookupError(f"no method {method}")
        return found

    async def answer(self, method: str, params: Any) -> Any:
        return await self._find(method)(params, self.rpc)

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]:
        items: AsyncIterator[Any] = self._find(method)(params, self.rpc)
        return items

    def hear(self, method: str, params: Any) -> None:
        try:
            self._find(method)(params, self.rpc)
        except Exception as error:  # noqa: BLE001 - a boundary: nobody waits for it
            log.warning("plugin_not_heard", plugin=self._plugin, method=method[:100], error=describe_error(error))


class InProcessSession:
    """`Session`."""

    def __init__(self, plugin_id: str, program: object, answerer: Answerer) -> None:
        self._plugin, self._program, self._answerer = plugin_id, program, answerer
        self._state: SessionState = "new"
        self._starts = 0
        self._host: Peer | None = None
        self._guest: Peer | None = None

    async def start(self) -> None:
        if self._state not in ("new", "failed"):
            raise SessionLost(f"plugin {self._plugin} cannot be started: it is {self._state}", plugin=self._plugin)
        self._state = "starting"
        self._starts += 1
        runner = _Runner(self._plugin, self._program)
        self._host = Peer(self._plugin, Answers(self._plugin, self._answerer))
        self._guest = Peer(self._plugin, runner, wary=False)
        runner.rpc = Rpc(self._guest)
        join_in_memory(self._host, self._guest)
        try:
            await self._answerer.on_start(self)
        except BaseException:
            await self._end("failed")
            raise
        self._state = "running"

    def _peer(self) -> Peer:
        if self._host is None:
            raise SessionLost(f"plugin {self._plugin} does not run: it is {self._state}", plugin=self._plugin)
        return self._host

    async def call(self, method: str, params: Any = None, *, deadline_s: float) -> Any:
        return await finish_call(self._plugin, method, self._peer().call(method, params), deadline_s)

    def stream(self, method: str, params: Any = None, *, deadline_s: float) -> AsyncIterator[Any]:
        return take_items(self._plugin, self._peer(), method, params, deadline_s)

    def tell(self, method: str, params: Any = None) -> None:
        if self._host is not None:
            self._host.tell(method, params)

    async def ping(self, deadline_s: float) -> None:
        await finish_call(self._plugin, "ping", self._peer().ping(), deadline_s)

    async def stop(self, grace_s: float) -> None:
        await self._end("stopped")

    async def _end(self, state: SessionState) -> None:
        self._state = state
        host, guest, self._host, self._guest = self._host, self._guest, None, None
        for peer in (host, guest):
            if peer is not None:
                await peer.aclose("it was stopped")

    def diagnose(self) -> Diagnosis:
        return Diagnosis(state=self._state, starts=self._starts)
