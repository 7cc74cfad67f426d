"""What a trace tells of an exchange, and who takes it. OpenTelemetry is imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from jackfield.errors import ConfigError
from jackfield.settings import TelemetrySettings

Value = str | bool | int | float | tuple[str, ...]

# Our names, and OpenTelemetry's for generative AI; any other becomes `jackfield.<name>`.
SPAN_NAMES: Mapping[str, str] = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "upstream_model": "gen_ai.response.model",
    "stream": "gen_ai.request.stream",
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "response_id": "gen_ai.response.id",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "first_byte_s": "gen_ai.response.time_to_first_chunk",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "server_address": "server.address",
    "server_port": "server.port",
    "status": "http.response.status_code",
    "route": "http.route",
    "user": "enduser.id",
    "error": "error.type",
}
# OpenTelemetry's word for an operation where it is not ours.
OPERATION_NAMES: Mapping[str, str] = {
    "chat": "chat",
    "embeddings": "embeddings",
    "count_tokens": "count_tokens",
}


class Span(msgspec.Struct, frozen=True):
    """A finished exchange, or a phase of one among its `children`. `error` is the code of what went wrong."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value | None] = {}
    error: str | None = None
    kind: Literal["server", "client", "internal"] = "internal"
    children: tuple[Span, ...] = ()
    traceparent: str | None = None
    tracestate: str | None = None


class SpanSink(Protocol):
    @property
    def enabled(self) -> bool:
        """Whether it is worth building a span at all."""

    def emit(self, span: Span) -> None:
        """Never waits, never raises."""

    def close(self) -> None:
        """Sends what is left, for a bounded time; blocks, so call it from a thread."""


class NoSpans:
    """Takes spans nowhere."""

    enabled = False

    def emit(self, span: Span) -> None:
        return

    def close(self) -> None:
        return


def open_span_sink(settings: TelemetrySettings) -> SpanSink:
    """Raises `ConfigError` where an endpoint is set and the `otel` extra is not installed."""
    if settings.otlp_endpoint is None:
        return NoSpans()
    try:
        from jackfield.telemetry.otel import open_otlp
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"needs the 'otel' extra ({error.name} is missing): pip install 'jackfield[otel]'",
            field="telemetry.otlp_endpoint",
        ) from error
    return open_otlp(settings.otlp_endpoint, settings.service_name)
