"""The end of an exchange: its record, its trace, its metrics, and the `background` hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog

from jackfield.control.prices import PriceTable
from jackfield.control.recorder import Recorder
from jackfield.control.records import UsageRecord
from jackfield.errors import ClientGone
from jackfield.hooks.dispatch import notify
from jackfield.hooks.table import BoundHook, Hooks
from jackfield.hooks.trace import PASSED, Trace
from jackfield.pipeline.exchange import State, measure
from jackfield.sdk.context import Attempt, Candidate
from jackfield.sdk.outcomes import Identity
from jackfield.telemetry.text import describe_error
from jackfield.wire.chat import Usage

LONGEST_NAME = 200
MOST_TOKENS = 1_000_000_000
# Of one exchange.
MOST_USD = 10_000

NOBODY = Identity()
NOWHERE = (None, None, None)
NO_TOKENS = Usage()

# Exchanges whose records are made together: what is done once for many is in the processor's caches for all but the
# first. None of them waits longer than this, nor do bodies of more than this in all.
TOGETHER = 32
WITHIN_S = 0.005
MOST_HELD = 1 << 20

log = structlog.get_logger("jackfield.usage")


class Meter(Protocol):
    """Counts finished exchanges for the metrics page."""

    def count(self, record: UsageRecord) -> None: ...


class Settler:
    """`observers` are told of every settled exchange, such as the exporter of spans, and `ended` of it alone.

    Belongs to one event loop. Records of exchanges that nobody else looks at are made some at a time, `together`:
    whoever reads records, traces or metrics calls `catch_up` first."""

    def __init__(
        self,
        recorder: Recorder,
        prices: PriceTable,
        meter: Meter,
        worker: str,
        observers: tuple[Callable[[State, UsageRecord], None], ...] = (),
        ended: Callable[[State], None] | None = None,
        *,
        together: int = TOGETHER,
    ) -> None:
        self._recorder, self._prices, self._meter, self._worker = recorder, prices, meter, worker
        self._observers, self._ended = observers, ended
        self._together = together
        self._waiting: list[State] = []
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None

    def price(self, state: State) -> None:
        """Sets the cost, as soon as the usage is known. One that cannot be is as good as none: a single wrong number
        would spoil every sum it is part of."""
        if state.usage is None:
            return
        if not is_countable(state.usage):
            log.warning("usage_is_nonsense", request=state.id, usage=repr(state.usage)[:200])
            state.usage = None
            return
        if (served := state.served_by) is None:
            return
        cost = None if state.stated_cost_usd is None else read_cost(state.stated_cost_usd, state.id)
        if cost is None:
            cost = self._prices.cost_nanousd(served.provider, served.model, state.usage)
        if cost is None:
            cost = _providers_own(state, served, state.usage)
        if cost is not None:
            state.cost_nanousd, state.cost_usd = cost, cost / 1e9

    def settle(self, state: State) -> Awaitable[None] | None:
        """Once for every exchange, whatever became of it. What is returned is to be awaited."""
        if state.client_gone:
            state.error = state.error or ClientGone("the client closed the connection")
            state.status = 499
        state.trace.phase("response")
        state.ended = True
        if state.cost_nanousd is None:
            self.price(state)
        if state.row.background:
            return self._settle_with(state, state.row.background)
        waiting = self._waiting
        waiting.append(state)
        self._held += len(state.body)
        if len(waiting) >= self._together or self._held >= MOST_HELD or self._observers:
            self.catch_up()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WITHIN_S, self._catch_up_in_time)
        self._tell_end(state)
        return None

    def catch_up(self) -> None:
        """Makes the records of all exchanges that have ended."""
        waiting, self._waiting, self._held = self._waiting, [], 0
        for state in waiting:
            try:
                record = self._note(state)
            except Exception as error:  # a boundary: counted as lost and reported, and keeps out no other
                log.exception("exchange_not_recorded", request=state.id)
                self._recorder.lose(1, describe_error(error))
                continue
            self._recorder.add(record)
            self._tell(state, record)

    def _catch_up_in_time(self) -> None:
        self._timer = None
        self.catch_up()

    def _tell_end(self, state: State) -> None:
        if self._ended is None:
            return
        try:
            self._ended(state)
        except Exception:  # a boundary: reported, and whoever is told of exchanges costs none its record
            log.exception("end_not_told", request=state.id)

    def _note(self, state: State) -> UsageRecord:
        """Makes the record, and counts and traces it."""
        record = self.record(state)
        self._meter.count(record)
        self._recorder.trace(partial(encode_trace, record, state.trace, state.attempts, state.snapshot.generation))
        return record

    def _tell(self, state: State, record: UsageRecord) -> None:
        for observe in self._observers:
            observe(state, record)

    async def _settle_with(self, state: State, hooks: Hooks) -> None:
        """The record is kept before any hook runs, but for hooks that replace it: then it is kept where none of them
        succeeded."""
        record = self._note(state)
        replacing = [hook for hook in hooks if hook.spec.replaces_record]
        if not replacing:
            self._recorder.add(record)
        self._tell(state, record)
        self._tell_end(state)
        if replacing:
            await self._leave_record(state, record, replacing)
        else:
            await notify(hooks, state.view, state.trace)

    async def _leave_record(self, state: State, record: UsageRecord, replacing: list[BoundHook]) -> None:
        replaced = False
        try:
            await notify(state.row.background, state.view, state.trace)
            replaced = any(_succeeded(hook, state.trace) for hook in replacing)
        finally:
            if not replaced:
                self._recorder.add(record)

    def record(self, state: State) -> UsageRecord:
        identity, served, peek, spent = state.identity or NOBODY, state.served_by, state.peek, measure(state)
        provider, upstream, model = (served.provider, served.upstream, served.model) if served else NOWHERE
        asked, stream = (storable(peek.model), peek.stream) if peek else (None, False)
        usage, error = state.usage or NO_TOKENS, state.error
        # In the record's order: with names, or one assignment after the other, it takes twice as long.
        return UsageRecord(
            state.id,
            state.at,
            identity.namespace,
            identity.credential,
            identity.app,
            storable(identity.user),
            state.operation,
            state.route.name,
            state.client_format,
            asked,
            provider,
            upstream,
            model,
            stream,
            state.status,
            None if error is None else storable(error.code),
            state.decided_by,
            state.finish_reason,
            state.answer_cached,
            len(state.attempts),
            usage.input,
            usage.cached,
            usage.cache_write,
            usage.output,
            usage.reasoning,
            state.cost_nanousd,
            spent.total,
            spent.first_byte,
            spent.upstream,
            spent.hooks,
            len(state.inbound.body),
            state.response_bytes,
            self._worker,
        )


def _providers_own(state: State, served: Candidate, usage: Usage) -> int | None:
    """By the prices that the provider itself tells."""
    link = state.snapshot.routes.links.get(served.upstream)
    return None if link is None or link.prices is None else link.prices.cost_nanousd(served.model, usage)


def read_cost(stated: object, request: str) -> int | None:
    """What a provider says that an exchange cost, in billionths of a dollar; `None` for what cannot be."""
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 <= stated <= MOST_USD:
        return round(stated * 1e9)
    log.warning("cost_is_nonsense", request=request, cost=repr(stated)[:100])
    return None


def is_countable(usage: Usage) -> bool:
    """Whether these are numbers of tokens; nothing else makes sure of it, whoever reported them."""
    read, cached, kept, made, thought = usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning
    return (
        type(read) is type(cached) is type(kept) is type(made) is type(thought) is int
        and 0 <= read <= MOST_TOKENS
        and 0 <= cached <= MOST_TOKENS
        and 0 <= kept <= MOST_TOKENS
        and 0 <= made <= MOST_TOKENS
        and 0 <= thought <= MOST_TOKENS
    )


def storable(text: str | None) -> str | None:
    """What a client, an upstream or a plugin called something, as the ledger can keep it: no longer than a name is, and
    without what no database takes."""
    if text is None or (len(text) <= LONGEST_NAME and text.isprintable()):
        return text
    return text[:LONGEST_NAME].encode("utf-8", "replace").decode().replace("\0", "?")


def _succeeded(hook: BoundHook, trace: Trace) -> bool:
    return any(call[:4] == ("background", hook.plugin, hook.name, PASSED) for call in trace.hooks)


def encode_trace(record: UsageRecord, trace: Trace, attempts: tuple[Attempt, ...], generation: int) -> bytes:
    """The exchange as `GET /api/v1/traces` shows it: from what is small, since it waits while the bodies go."""
    body: dict[str, Any] = {
        "id": record.id,
        "at": record.at,
        "route": record.route,
        "model": record.model,
        "upstream": record.upstream,
        "stream": record.stream,
        "status": record.status,
        "error": record.error,
        "plugin": record.plugin,
        "total_ms": record.total_ms,
        "first_byte_ms": record.first_byte_ms,
        "generation": generation,
        "attempts": attempts,
        "phases": trace.phases(),
        "hooks": trace.calls(),
    }
    return msgspec.json.encode(body)
