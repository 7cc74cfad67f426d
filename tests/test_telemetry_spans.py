"""Spans: the names of OpenTelemetry's conventions, the caller's trace as parent, nothing paid when off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import (
    enduser_attributes,
    gen_ai_attributes,
    http_attributes,
    server_attributes,
)
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import SpanKind, StatusCode

from jackfield.errors import ConfigError
from jackfield.settings import TelemetrySettings
from jackfield.telemetry.otel import OtelSpans, open_otlp
from jackfield.telemetry.spans import SPAN_NAMES, NoSpans, Span, open_span_sink

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EXCHANGE = Span(
    "chat gpt-4o",
    1_000,
    9_000,
    {
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 7,
        "route": None,
        "plugin": "guard",
    },
    kind="server",
    children=(
        Span("auth", 1_100, 1_200),
        Span("attempt", 2_000, 8_000, {"upstream": "local"}, error="upstream_timeout", kind="client"),
    ),
    traceparent=TRACEPARENT,
)

Emit = Callable[[Span], dict[str, ReadableSpan]]


@pytest.fixture
def emit() -> Emit:
    exporter = InMemorySpanExporter()
    sink = OtelSpans(SimpleSpanProcessor(exporter), "gateway-7")

    def emit_one(span: Span) -> dict[str, ReadableSpan]:
        sink.emit(span)
        sink.close()
        return {made.name: made for made in exporter.get_finished_spans()}

    return emit_one


def test_the_table_holds_names_that_the_conventions_know() -> None:
    modules = (gen_ai_attributes, server_attributes, http_attributes, error_attributes, enduser_attributes)
    known = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    assert set(SPAN_NAMES.values()) <= known


def test_attributes_are_translated_and_absent_ones_left_out(emit: Emit) -> None:
    exchange = emit(EXCHANGE)["chat gpt-4o"]
    assert dict(exchange.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 7,
        "jackfield.plugin": "guard",
    }
    assert exchange.resource.attributes["service.name"] == "gateway-7"


def test_times_kinds_and_errors_are_kept(emit: Emit) -> None:
    made = emit(EXCHANGE)
    exchange, attempt = made["chat gpt-4o"], made["attempt"]
    assert (exchange.start_time, exchange.end_time, exchange.kind) == (1_000, 9_000, SpanKind.SERVER)
    assert exchange.status.status_code is StatusCode.UNSET
    assert (attempt.kind, attempt.status.status_code) == (SpanKind.CLIENT, StatusCode.ERROR)
    assert (attempt.attributes or {})["error.type"] == "upstream_timeout"


def test_the_callers_trace_is_the_parent_and_phases_are_children(emit: Emit) -> None:
    made = emit(EXCHANGE)
    exchange, auth = made["chat gpt-4o"], made["auth"]
    assert exchange.parent is not None
    assert auth.parent is not None
    assert f"{exchange.parent.trace_id:032x}-{exchange.parent.span_id:016x}" == TRACEPARENT[3:-3]
    assert exchange.parent.is_remote
    assert auth.parent.span_id == exchange.context.span_id
    assert {span.context.trace_id for span in made.values()} == {exchange.parent.trace_id}


@pytest.mark.parametrize("traceparent", [None, "", "nonsense", "00-0-0-00"])
def test_without_a_valid_parent_a_trace_begins_here(emit: Emit, traceparent: str | None) -> None:
    (made,) = emit(Span("x", 1, 2, traceparent=traceparent)).values()
    assert made.parent is None


def test_a_caller_that_does_not_sample_is_heeded(emit: Emit) -> None:
    assert emit(Span("x", 1, 2, traceparent=TRACEPARENT[:-1] + "0")) == {}


def test_secrets_in_attributes_are_masked(emit: Emit) -> None:
    (made,) = emit(Span("x", 1, 2, {"user": "Bearer hidden-value"})).values()
    assert dict(made.attributes or {}) == {"enduser.id": "Bearer ***"}


def test_without_an_endpoint_spans_go_nowhere_and_nothing_is_imported() -> None:
    sink = open_span_sink(TelemetrySettings())
    sink.emit(EXCHANGE)
    sink.close()
    assert isinstance(sink, NoSpans)
    assert not sink.enabled
    code = "import sys, jackfield.telemetry.spans; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert told.stdout == "[]\n"


def test_an_endpoint_without_the_extra_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jackfield.telemetry.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"telemetry.otlp_endpoint: needs the 'otel' extra .*jackfield\[otel\]"):
        open_span_sink(TelemetrySettings(otlp_endpoint="http://127.0.0.1:4318"))


async def test_spans_arrive_at_a_collector() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = open_otlp(f"http://127.0.0.1:{port}", "jackfield")
    sink.emit(EXCHANGE)
    async with asyncio.timeout(20):
        await asyncio.to_thread(sink.close)
        head = await arrived.get()
    assert head.startswith(b"POST /v1/traces HTTP/1.1")
    server.close()
    await server.wait_closed()
