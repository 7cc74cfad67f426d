"""Spans to OpenTelemetry. Imported only where an endpoint is set, since it comes with the `otel` extra."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jackfield import __version__
from jackfield.telemetry.masking import masked
from jackfield.telemetry.spans import SPAN_NAMES, Span, Value

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_CLOSE_MS = 5_000


def open_otlp(endpoint: str, service_name: str) -> OtelSpans:
    """The endpoint is the collector's base address; spans go to `/v1/traces` below it."""
    url = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint}/v1/traces"
    return OtelSpans(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)), service_name)


class OtelSpans:
    """The processor batches in a thread of its own and drops what its bounded queue cannot hold."""

    enabled = True

    def __init__(self, processor: SpanProcessor, service_name: str) -> None:
        resource = Resource.create({"service.name": service_name, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("jackfield", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def emit(self, span: Span) -> None:
        carrier = {"traceparent": span.traceparent or "", "tracestate": span.tracestate or ""}
        parent = self._propagator.extract(carrier, Context()) if span.traceparent else Context()
        self._emit_below(parent, span)

    def close(self) -> None:
        self._provider.force_flush(_CLOSE_MS)
        self._provider.shutdown()

    def _emit_below(self, parent: Context, span: Span) -> None:
        made = self._tracer.start_span(
            span.name,
            context=parent,
            kind=_KINDS[span.kind],
            attributes=_translate(span),
            start_time=span.start_ns,
        )
        if span.error is not None:
            made.set_status(Status(StatusCode.ERROR, span.error))
        inside = set_span_in_context(made, parent)
        for child in span.children:
            self._emit_below(inside, child)
        made.end(end_time=span.end_ns)


def _translate(span: Span) -> dict[str, Value]:
    attributes = {
        SPAN_NAMES.get(name, f"jackfield.{name}"): masked(value) if isinstance(value, str) else value
        for name, value in span.attributes.items()
        if value is not None
    }
    if span.error is not None:
        attributes.setdefault("error.type", span.error)
    return attributes
