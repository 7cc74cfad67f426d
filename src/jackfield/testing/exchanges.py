"""One exchange through the real pipeline, without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from jackfield.control.credentials import Credential
from jackfield.control.records import UsageRecord
from jackfield.hooks.table import BoundHook
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import State
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.context import Exchange
from jackfield.sdk.outcomes import Replace
from jackfield.testing.changes import Change
from jackfield.testing.scripted import Sent
from jackfield.testing.trial import Delivered, Seen, Trial, read_trial

KEY = "jf-trial-0123456789"
LEFT = "the client left"

CALLER = Credential(
    id="key_trial",
    name="trial",
    role="inference",
    app="trial",
    namespace="default",
    created_at=0.0,
    expires_at=None,
    revoked_at=None,
    models=(),
    last4="6789",
)


class OneCaller:
    """A directory that knows one key."""

    def identify(self, presented: str | bytes) -> Credential | None:
        text = presented.decode("utf-8", "replace") if isinstance(presented, bytes) else presented
        return CALLER if text == KEY else None


class Notebook:
    """A recorder that keeps records by exchange."""

    def __init__(self) -> None:
        self._records: dict[str, UsageRecord] = {}

    def add(self, record: UsageRecord) -> None:
        self._records[record.id] = record

    def trace(self, body: object) -> None:
        """A trial reads the trace itself."""

    def lose(self, count: int, reason: str) -> None:
        raise AssertionError(f"a record could not be made: {reason}")

    def take(self, exchange: str) -> UsageRecord | None:
        return self._records.pop(exchange, None)


class NoMeter:
    def count(self, record: UsageRecord) -> None:
        """Trials have no metrics page."""


def watch(hook: BoundHook, seen: list[Seen]) -> BoundHook:
    """The same hook; each of its calls is noted, with what it changed."""
    inner = hook.call

    async def call(exchange: Exchange, *given: Any) -> Any:
        key = (hook.point.name, hook.plugin, hook.name)
        try:
            answer = await inner(exchange, *given)
        except BaseException as error:
            seen.append(Seen(*key, error=error))
            raise
        change = Change(given_to(hook, exchange, answer, given), answer.value) if type(answer) is Replace else None
        seen.append(Seen(*key, answer=answer, change=change))
        return answer

    return rebind(hook, call)


def rebind(hook: BoundHook, call: Callable[..., Awaitable[Any]]) -> BoundHook:
    """The same hook, called by another way."""
    bound = copy(hook)
    bound.call = call
    return bound


def given_to(hook: BoundHook, exchange: Exchange, answer: Replace, given: tuple[Any, ...]) -> Any:
    """What a hook's replacement stands in the place of."""
    if given:
        return given[0]
    name = hook.point.name
    if name == "routing":
        replaced = answer.value if isinstance(answer.value, tuple) else (answer.value,)
        routed = all(hasattr(item, "upstream") for item in replaced)
        return exchange.candidates if routed else exchange.request
    found = {"ingress": "inbound", "attempt": "outgoing", "response_head": "head", "response_body": "response"}
    return getattr(exchange, found.get(name, "request"))


@dataclass(eq=False)
class Underway:
    """An exchange that has begun. `await trial()` for what came of it; `leave()` is a client that hangs up."""

    state: State
    pipeline: Pipeline
    notebook: Notebook
    seen: list[Seen]
    sent: list[Sent]
    stats: Callable[[], dict[str, Any]]
    leave_after: int | None = None
    delivered: Delivered = field(default_factory=Delivered)
    gone: bool = False
    _task: asyncio.Task[None] | None = None
    _trial: Trial | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"exchange {self.state.id}")

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    def leave(self) -> None:
        """The client hangs up: the exchange is cancelled where it is, and settled."""
        assert self._task is not None
        if not self._task.done():
            self.gone = True
            # Later, so that an exchange which has not had its first turn is settled all the same.
            asyncio.get_running_loop().call_soon(self._task.cancel, LEFT)

    async def trial(self) -> Trial:
        assert self._task is not None
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if not self._task.done():
                self.leave()
                await asyncio.wait((self._task,))
            raise
        if self._trial is None:
            record = self.notebook.take(self.state.id)
            self._trial = read_trial(self.state, self.delivered, self.seen, self.sent, record, self.stats())
        return self._trial

    async def _run(self) -> None:
        try:
            answer = await self.pipeline.run(self.state)
            await self._deliver(answer)
        except asyncio.CancelledError:
            if not self.gone:
                raise
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            self.state.client_gone = True
        finally:
            await self.pipeline.settle(self.state)

    async def _deliver(self, answer: Answer) -> None:
        """What a server would send, kept."""
        state, delivered = self.state, self.delivered
        delivered.status, delivered.headers = answer.head.status, answer.head.headers
        if answer.pieces is None:
            state.mark_first_byte()
            delivered.body, state.response_bytes = answer.body, len(answer.body)
            return
        delivered.streamed = True
        taken = 0
        try:
            async for piece in answer.pieces:
                state.mark_first_byte()
                state.response_bytes += len(piece)
                delivered.body += piece
                taken += 1
                if self.leave_after is not None and taken >= self.leave_after:
                    self.leave()
                    await asyncio.sleep(0)
        finally:
            await answer.close()
