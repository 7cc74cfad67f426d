"""What survives every ordered pair of formats, the same one twice included: a client speaks the one, its upstream the
other. Requests cross from the first to the second, answers the other way; each is read again by the format it was
written in."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from jackfield.errors import UpstreamRejected
from jackfield.wire import format_named
from jackfield.wire.base import WireFormat
from jackfield.wire.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    Image,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from jackfield.wire.collect import StreamCollector, replay

from .golden_cases import cases, decoded, encoded

NAMES = ("openai_chat", "openai_responses", "anthropic_messages")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALLS = [("call_1", "weather", {"city": "Oslo"}), ("call_2", "time", {"city": "Rome"})]
RESULTS = [("call_1", "grey"), ("call_2", "noon")]
RULES = ["Be brief.", "Be kind.", "Be right."]
URL, PIXEL = "https://example.org/a.png", "iVBORw0KGgo="

Body = dict[str, Any]
pytestmark = pytest.mark.parametrize(("client", "upstream"), list(product(NAMES, NAMES)))


def chat(*messages: Body, **more: Any) -> Body:
    return {"model": "m", "messages": [*messages], **more}


def responses(*items: Body, **more: Any) -> Body:
    return {"model": "m", "input": [*items], **more}


def messages(*turns: Body, **more: Any) -> Body:
    return {"model": "m", "max_tokens": 9000, "messages": [*turns], **more}


def user(content: Any) -> Body:
    return {"role": "user", "content": content}


def rule(text: str) -> Body:
    return {"role": "system", "content": text}


TOOL_RESULTS = {
    "openai_chat": chat(
        user("Both?"),
        {
            "role": "assistant",
            "tool_calls": [
                {"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
                for i, name, given in CALLS
            ],
        },
        *({"role": "tool", "tool_call_id": i, "content": text} for i, text in RESULTS),
    ),
    "openai_responses": responses(
        user("Both?"),
        *(
            {"type": "function_call", "call_id": i, "name": name, "arguments": json.dumps(given)}
            for i, name, given in CALLS
        ),
        *({"type": "function_call_output", "call_id": i, "output": text} for i, text in RESULTS),
    ),
    "anthropic_messages": messages(
        user("Both?"),
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": i, "name": name, "input": given} for i, name, given in CALLS],
        },
        user([{"type": "tool_result", "tool_use_id": i, "content": text} for i, text in RESULTS]),
    ),
}
SYSTEMS = {
    "openai_chat": chat(*map(rule, RULES), user("Hi")),
    "openai_responses": responses(rule(RULES[1]), rule(RULES[2]), user("Hi"), instructions=RULES[0]),
    "anthropic_messages": messages(user("Hi"), system=[{"type": "text", "text": text} for text in RULES]),
}
IMAGES = {
    "openai_chat": chat(
        user(
            [
                {"type": "image_url", "image_url": {"url": URL}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                {"type": "text", "text": "What?"},
            ]
        )
    ),
    "openai_responses": responses(
        user(
            [
                {"type": "input_image", "image_url": URL, "detail": "auto"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
                {"type": "input_text", "text": "What?"},
            ]
        )
    ),
    "anthropic_messages": messages(
        user(
            [
                {"type": "image", "source": {"type": "url", "url": URL}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "text", "text": "What?"},
            ]
        )
    ),
}
SAMPLING: Body = {"temperature": 0.5, "top_p": 0.25, "stream": True}
SAMPLED = {
    "openai_chat": chat(user("Hi"), max_completion_tokens=77, user="ann", **SAMPLING),
    "openai_responses": responses(user("Hi"), max_output_tokens=77, user="ann", **SAMPLING),
    "anthropic_messages": messages(user("Hi"), metadata={"user_id": "ann"}, **SAMPLING) | {"max_tokens": 77},
}
TOOLS = {
    "openai_chat": chat(
        user("Hi"),
        tools=[{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        parallel_tool_calls=False,
    ),
    "openai_responses": responses(
        user("Hi"),
        tools=[{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": False}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
    ),
    "anthropic_messages": messages(
        user("Hi"),
        tools=[{"name": "f", "description": "d", "input_schema": SCHEMA}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    ),
}
FORMS = {
    "openai_chat": chat(
        user("Hi"), response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    ),
    "openai_responses": responses(user("Hi"), text={"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}),
    "anthropic_messages": messages(user("Hi"), output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
}


def crossed(given: dict[str, Body], client: str, upstream: str) -> ChatRequest:
    """The client's request as its upstream reads it; nothing of it may be lost."""
    source, target = format_named(client), format_named(upstream)
    written = target.encode_request(source.decode_request(json.dumps(given[client]).encode()))
    assert written.dropped == ()
    request = target.decode_request(written.body)
    assert isinstance(request, ChatRequest)
    return request


def parts_of(request: ChatRequest, kind: type[Any]) -> list[Any]:
    return [part for message in request.messages for part in message.parts if isinstance(part, kind)]


def test_parallel_tool_results(client: str, upstream: str) -> None:
    request = crossed(TOOL_RESULTS, client, upstream)
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in parts_of(request, ToolCall)]
    results = parts_of(request, ToolResult)
    assert calls == CALLS
    assert [(found.tool_call_id, "".join(part.text for part in found.parts)) for found in results] == RESULTS


def test_several_system_messages(client: str, upstream: str) -> None:
    request = crossed(SYSTEMS, client, upstream)
    told = [part.text for message in request.messages if message.role == "system" for part in message.parts]
    assert told == RULES
    assert [message.text() for message in request.messages if message.role == "user"] == ["Hi"]


def test_image_urls(client: str, upstream: str) -> None:
    images = parts_of(crossed(IMAGES, client, upstream), Image)
    assert [(image.url, image.data) for image in images] == [(URL, None), (None, PIXEL)]
    assert images[1].media_type == "image/png"


def test_sampling_parameters(client: str, upstream: str) -> None:
    request = crossed(SAMPLED, client, upstream)
    assert (request.temperature, request.top_p, request.max_tokens) == (0.5, 0.25, 77)
    assert (request.user, request.stream) == ("ann", True)


def test_tools_and_the_choice_among_them(client: str, upstream: str) -> None:
    request = crossed(TOOLS, client, upstream)
    (tool,) = request.tools
    assert (tool.name, tool.description, tool.schema()) == ("f", "d", SCHEMA)
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.name) == ("tool", "f")
    assert request.parallel_tool_calls is False


def test_the_form_of_the_answer(client: str, upstream: str) -> None:
    wanted = crossed(FORMS, client, upstream).response_format
    assert wanted is not None
    assert json.loads(bytes(wanted.schema)) == SCHEMA


ANSWER = ChatResponse(
    id="id_1",
    model="m",
    created=7,
    choices=(
        Choice(
            message=Message(
                role="assistant",
                parts=(
                    Thinking(text="Hm."),
                    Text(text="Let me see."),
                    *(ToolCall(id=i, name=name, arguments=json.dumps(given)) for i, name, given in CALLS),
                ),
            ),
            finish_reason="tool_calls",
        ),
    ),
    usage=Usage(input=9, output=5, cached=4),
)


def whole(source: WireFormat, target: WireFormat) -> ChatResponse:
    found = source.decode_response(source.encode_response(ANSWER).body)
    answer = target.decode_response(target.encode_response(found).body)
    assert isinstance(answer, ChatResponse)
    return answer


def streamed(source: WireFormat, target: WireFormat) -> ChatResponse:
    sent = encoded(source.stream_encoder(model="m", usage=True), list(replay(ANSWER)))
    events = decoded(source.stream_decoder(), sent)
    received = encoded(target.stream_encoder(model="m", usage=True), events)
    collector = StreamCollector()
    for event in decoded(target.stream_decoder(), received):
        collector.add(event)
    assert collector.finished
    return collector.response()


@pytest.mark.parametrize("cross", [whole, streamed])
def test_an_answer(client: str, upstream: str, cross: Callable[[WireFormat, WireFormat], ChatResponse]) -> None:
    answer = cross(format_named(upstream), format_named(client))
    (choice,) = answer.choices
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in choice.message.tool_calls()]
    thoughts = [part.text for part in choice.message.parts if isinstance(part, Thinking)]
    assert (calls, thoughts, answer.text()) == (CALLS, ["Hm."], "Let me see.")
    assert choice.finish_reason == "tool_calls"
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output, answer.usage.cached) == (9, 5, 4)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504, 529])
def test_an_error(client: str, upstream: str, status: int) -> None:
    source, target = format_named(upstream), format_named(client)
    sent = source.encode_error(UpstreamRejected(status, "because"), "req_1")
    _, message = source.decode_error(sent)
    received = target.encode_error(UpstreamRejected(status, message), "req_2")
    assert target.decode_error(received)[1] == "because"


def test_an_error_in_the_middle_of_a_stream(client: str, upstream: str) -> None:
    source, target = format_named(upstream), format_named(client)
    encoder = source.stream_encoder(model="m", usage=True)
    begun = b"".join(encoder.encode(event) for event in list(replay(ANSWER))[:3])
    events = decoded(source.stream_decoder(), begun + encoder.fail(UpstreamRejected(529, "because")))
    received = encoded(target.stream_encoder(model="m", usage=True), events)
    collector = StreamCollector()
    for event in decoded(target.stream_decoder(), received):
        collector.add(event)
    assert collector.failure is not None
    assert collector.failure.message == "because"


SHORT = {"openai_chat": "openai", "openai_responses": "responses", "anthropic_messages": "anthropic"}
SUBJECTS = ("request", "response", "stream")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_pair_has_golden_files(client: str, upstream: str, subject: str) -> None:
    if client == upstream:
        assert cases(client, subject)
    else:
        assert cases("cross", f"{SHORT[client]}_to_{SHORT[upstream]}_{subject}")
