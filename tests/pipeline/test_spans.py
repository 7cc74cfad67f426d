"""An exchange as OpenTelemetry sees it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import jackfield.app.gateway
from jackfield.telemetry.otel import OtelSpans
from jackfield.testing import Answer, Reply, until

from .conftest import OpenGate

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
PASSES = "@hook('pre_flight', on_failure='open')\nasync def look(self, exchange): ..."
FAILS = "@hook('pre_flight', on_failure='open')\nasync def look(self, exchange):\n    raise RuntimeError"


class Exported:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.sink = OtelSpans(SimpleSpanProcessor(self._exporter), "jackfield")

    async def server(self) -> ReadableSpan:
        """The only server span, once it is there."""
        found = await until(self._servers, bool)
        (span,) = found
        return span

    async def _servers(self) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.kind is SpanKind.SERVER]

    def below(self, span: ReadableSpan) -> dict[str, ReadableSpan]:
        spans = self._exporter.get_finished_spans()
        return {each.name: each for each in spans if each.parent and each.parent.span_id == span.context.span_id}


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    found = Exported()
    monkeypatch.setattr(jackfield.app.gateway, "open_span_sink", lambda settings: found.sink)
    return found


async def test_one_exchange_is_a_server_span_with_the_names_of_the_conventions(
    open_gate: OpenGate, exported: Exported
) -> None:
    gate = await open_gate({"a": PASSES}, models={"asked": "gpt-4o-mini"})
    gate.upstream.models = ("gpt-4o-mini",)
    called = await gate.chat(model="asked", headers=TRACEPARENT)
    span = await exported.server()
    record = await gate.record()
    told: dict[str, Any] = dict(span.attributes or {})
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "asked",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.request.stream": False,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": record["input_tokens"],
        "gen_ai.usage.output_tokens": record["output_tokens"],
        "http.response.status_code": 200,
        "http.route": "POST /v1/chat/completions",
        "jackfield.request_id": called.headers["x-request-id"],
        "jackfield.upstream": "openai",
        "jackfield.attempts": 1,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert told["jackfield.cost_usd"] == pytest.approx(record["cost_nanousd"] / 1e9)
    assert span.name == "chat asked"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in told


async def test_phases_and_hooks_are_its_children_within_its_time(open_gate: OpenGate, exported: Exported) -> None:
    gate = await open_gate({"a": PASSES, "b": FAILS})
    await gate.chat()
    span = await exported.server()
    children = exported.below(span)
    (trace,) = (await gate.gateway.admin("/api/v1/traces")).json["data"]
    phases = [phase["phase"] for phase in trace["phases"]]
    assert {"auth", "pre_flight", "attempt", "response"} <= set(phases)
    assert set(children) == {*phases, "pre_flight a.look", "pre_flight b.look"}
    for child in children.values():
        assert span.start_time <= child.start_time <= child.end_time <= span.end_time
    starts = [children[name].start_time for name in phases]
    assert starts == sorted(starts)
    passed, failed = children["pre_flight a.look"], children["pre_flight b.look"]
    assert (passed.attributes or {})["jackfield.outcome"] == "passed"
    assert passed.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "failed"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_exchange_that_failed_is_marked(open_gate: OpenGate, exported: Exported, stream: bool) -> None:
    gate = await open_gate({})
    gate.upstream.script(Answer.close_after(2, Reply(text="one two three")) if stream else Answer.status(503))
    await gate.chat(stream=stream)
    span = await exported.server()
    record = await gate.record()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == record["error"]
    assert (span.attributes or {})["error.type"] == record["error"]
    assert (span.attributes or {})["http.response.status_code"] == record["status"]


@pytest.mark.parametrize("header", ["nonsense", "00-0-0-01", "\xff\xfe", ""])
async def test_a_traceparent_that_is_none_begins_a_trace(open_gate: OpenGate, exported: Exported, header: str) -> None:
    gate = await open_gate({})
    assert (await gate.chat(headers={"traceparent": header})).status == 200
    span = await exported.server()
    assert span.parent is None


async def test_no_key_is_in_a_span(open_gate: OpenGate, exported: Exported) -> None:
    gate = await open_gate({})
    await gate.chat(model=gate.gateway.api_key)
    span = await exported.server()
    assert gate.gateway.api_key not in span.to_json()
