"""A settled exchange as an OpenTelemetry span."""

from __future__ import annotations

from time import perf_counter_ns, time_ns

from jackfield.control.records import UsageRecord
from jackfield.pipeline.exchange import State
from jackfield.telemetry.masking import masked
from jackfield.telemetry.spans import Span, SpanSink

# How a hook ends that broke; what it decided is no error of its own.
_FAULTS = frozenset({"failed", "timeout", "quarantined"})


class SpanObserver:
    """Phases and hooks become children; times come from the monotonic clock, anchored at the end."""

    def __init__(self, sink: SpanSink) -> None:
        self._sink = sink

    def __call__(self, state: State, record: UsageRecord) -> None:
        now = time_ns()
        offset = now - perf_counter_ns()
        self._sink.emit(
            Span(
                name=masked(f"{state.operation} {record.model or ''}".strip()),
                start_ns=state.began + offset,
                end_ns=now,
                attributes=_attributes(state, record),
                error=record.error,
                kind="server",
                children=_phases(state, offset),
                traceparent=state.inbound.header("traceparent"),
                tracestate=state.inbound.header("tracestate"),
            )
        )


def _attributes(state: State, record: UsageRecord) -> dict[str, str | bool | int | float | tuple[str, ...] | None]:
    return {
        "operation": record.operation,
        "provider": record.provider,
        "model": record.model,
        "upstream_model": record.upstream_model,
        "upstream": record.upstream,
        "stream": record.stream,
        "finish_reasons": (record.finish_reason,) if record.finish_reason else None,
        "first_byte_s": None if record.first_byte_ms is None else record.first_byte_ms / 1000,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "cached_tokens": record.cached_tokens,
        "cache_write_tokens": record.cache_write_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "status": record.status,
        "route": record.route,
        "request_id": state.id,
        "plugin": record.plugin,
        "attempts": record.attempts,
        "cost_usd": state.cost_usd,
        "user": record.user,
    }


def _phases(state: State, offset: int) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = state.began
    for name, end in state.trace.marks:
        spans.append(Span(name=name, start_ns=start + offset, end_ns=end + offset))
        start = end
    hooks = (
        Span(
            name=f"{point} {plugin}.{hook}",
            start_ns=began + offset,
            end_ns=began + duration + offset,
            attributes={"plugin": plugin, "outcome": outcome},
            error=outcome if outcome in _FAULTS else None,
        )
        for point, plugin, hook, outcome, began, duration in state.trace.hooks
        if point != "response_chunk"
    )
    return (*spans, *hooks)
