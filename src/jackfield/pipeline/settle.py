"""The end of an exchange: its record, its trace, its metrics, and the `background` hooks."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Protocol

import msgspec

from jackfield.control.prices import PriceTable
from jackfield.control.recorder import Recorder
from jackfield.control.records import UsageRecord
from jackfield.errors import ClientGone
from jackfield.hooks.dispatch import notify
from jackfield.pipeline.exchange import State
from jackfield.sdk.context import Timings
from jackfield.wire.chat import NO_USAGE


class Meter(Protocol):
    """Counts finished exchanges for the metrics page."""

    def count(self, record: UsageRecord) -> None: ...


class Settler:
    """`observers` are told of every settled exchange, such as the exporter of spans."""

    def __init__(
        self,
        recorder: Recorder,
        prices: PriceTable,
        meter: Meter,
        worker: str,
        observers: tuple[Callable[[State, UsageRecord], None], ...] = (),
    ) -> None:
        self._recorder, self._prices, self._meter, self._worker = recorder, prices, meter, worker
        self._observers = observers

    def price(self, state: State) -> None:
        """Sets the cost, as soon as the usage is known."""
        if state.usage is None or state.served_by is None:
            return
        state.cost_nanousd = self._prices.cost_nanousd(state.served_by.provider, state.served_by.model, state.usage)
        if state.cost_nanousd is not None:
            state.cost_usd = state.cost_nanousd / 1e9

    async def settle(self, state: State) -> None:
        """Once for every exchange, whatever became of it. The record is kept before any hook runs."""
        if state.client_gone:
            state.error = state.error or ClientGone("the client closed the connection")
            state.status = 499
        state.trace.phase("response")
        if state.cost_nanousd is None:
            self.price(state)
        state.timings = timings(state)
        record = self.record(state)
        self._meter.count(record)
        self._recorder.trace(lambda: encode_trace(state, record))
        for observe in self._observers:
            observe(state, record)
        self._recorder.add(record)
        if state.row.background:
            await notify(state.row.background, state.view, state.trace)

    def record(self, state: State) -> UsageRecord:
        identity, served, usage, peek = state.identity, state.served_by, state.usage or NO_USAGE, state.peek
        spent = state.timings
        assert spent is not None
        return UsageRecord(
            id=state.id,
            at=state.at,
            namespace=identity.namespace if identity else "default",
            key_id=identity.credential if identity else None,
            app=identity.app if identity else None,
            user=identity.user if identity else None,
            operation=state.operation,
            route=state.route.name,
            client_format=state.client_format,
            model=peek.model if peek else None,
            provider=served.provider if served else None,
            upstream=served.upstream if served else None,
            upstream_model=served.model if served else None,
            stream=peek.stream if peek else False,
            status=state.status,
            error=state.error.code if state.error else None,
            plugin=state.decided_by,
            finish_reason=state.finish_reason,
            cached_answer=state.answer_cached,
            attempts=len(state.attempts),
            input_tokens=usage.input,
            cached_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
            output_tokens=usage.output,
            reasoning_tokens=usage.reasoning,
            cost_nanousd=state.cost_nanousd,
            total_ms=spent.total,
            first_byte_ms=spent.first_byte,
            upstream_ms=spent.upstream,
            hooks_ms=spent.hooks,
            request_bytes=len(state.inbound.body),
            response_bytes=state.response_bytes,
            worker=self._worker,
        )


def timings(state: State) -> Timings:
    first = state.first_byte_ns
    return Timings(
        total=(perf_counter_ns() - state.began) / 1e6,
        first_byte=None if first is None else (first - state.began) / 1e6,
        upstream=None if state.upstream_ns is None else state.upstream_ns / 1e6,
        hooks=state.trace.hooks_ns / 1e6,
    )


def encode_trace(state: State, record: UsageRecord) -> bytes:
    """The exchange as `GET /api/v1/traces` shows it."""
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
        "generation": state.snapshot.generation,
        "attempts": state.attempts,
        "phases": state.trace.phases(),
        "hooks": state.trace.calls(),
    }
    return msgspec.json.encode(body)
