"""A session over an object of this process: the same calls and the same rules, and nothing that could be lost.

The program gets copies of what is sent to it, and nothing of the context that it is called in: on whose behalf it runs
only the host knows, by the call that what it asks for came out of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import structlog

from jackfield.errors import SessionLost
from jackfield.rpc.binary import MSGPACK
from jackfield.rpc.calls import Peer
from jackfield.rpc.memory import join_in_memory
from jackfield.runtimes.answers import Answers
from jackfield.runtimes.base import Answerer, Diagnosis, SessionState
from jackfield.runtimes.deadlines import finish_call
from jackfield.runtimes.guest import Rpc, Runner

log = structlog.get_logger("jackfield.runtimes")


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
        runner = Runner(self._program, self._report)
        self._host = Peer(self._plugin, Answers(self._plugin, self._answerer), codec=MSGPACK)
        self._guest = Peer(self._plugin, runner, wary=False, codec=MSGPACK)
        self._guest.kinds = getattr(self._program, "kinds", {})
        runner.rpc = Rpc(self._guest)
        join_in_memory(self._host, self._guest)
        try:
            await self._answerer.on_start(self)
        except BaseException:
            await self._end("failed")
            raise
        self._state = "running"

    def _report(self, method: str, error: str) -> None:
        log.warning("plugin_not_heard", plugin=self._plugin, method=method, error=error)

    def _peer(self) -> Peer:
        if self._host is None:
            raise SessionLost(f"plugin {self._plugin} does not run: it is {self._state}", plugin=self._plugin)
        return self._host

    async def call(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> Any:
        return await self._peer().call(method, params, into=into, deadline_s=deadline_s)

    def stream(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> AsyncIterator[Any]:
        return self._peer().stream(method, params, into=into, deadline_s=deadline_s)

    def tell(self, method: str, params: Any = None, *, sticky: str | None = None) -> None:
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
