"""The echo provider says what it was told, and misbehaves as scripted."""

from __future__ import annotations

import base64
import json
import math
import struct
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.plugins.echo import Echo
from jackfield.sdk import (
    ChatProvider,
    ChatRequest,
    EmbeddingsProvider,
    EmbeddingsRequest,
    Message,
    PluginConfig,
    Text,
    Upstream,
    UpstreamBroken,
    UpstreamRejected,
)
from jackfield.wire.chat import Thinking, ToolCall, ToolResult
from jackfield.wire.collect import StreamCollector

ECHO = Echo("echo", PluginConfig())
PLAIN = Upstream(name="echo")


def ask(text: str, **fields: Any) -> ChatRequest:
    message = Message(role="user", parts=(Text(text=text),))
    return ChatRequest(model="m", messages=(message,), **fields)


def script(**fields: Any) -> ChatRequest:
    return ask("echo: " + json.dumps(fields))


async def stream(request: ChatRequest, upstream: Upstream = PLAIN) -> StreamCollector:
    collector = StreamCollector()
    async for event in ECHO.stream(request, upstream):
        collector.add(event)
    return collector


def test_it_is_a_provider_in_process() -> None:
    assert isinstance(ECHO, ChatProvider)
    assert isinstance(ECHO, EmbeddingsProvider)


async def test_it_repeats_the_last_user_message() -> None:
    response = await ECHO.complete(ask("hello there"), PLAIN)
    assert response.text() == "hello there"
    assert response.choices[0].finish_reason == "stop"
    assert response.model == "m"
    assert response.usage is not None
    assert (response.usage.input, response.usage.output) == (3, 3)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
@settings(max_examples=40)
async def test_a_stream_tells_the_same_as_a_whole_answer(text: str) -> None:
    request = ask(text if not text.startswith("echo:") else "x")
    whole = await ECHO.complete(request, PLAIN)
    streamed = await stream(request)
    assert streamed.finished
    assert streamed.response() == whole


async def test_a_scripted_answer_has_all_its_parts_streamed_or_not() -> None:
    calls = [{"name": "look", "arguments": {"at": "it"}}, {"name": "wait"}]
    request = script(text="Said this.", thinking="Thought that.", tool_calls=calls)
    whole = await ECHO.complete(request, PLAIN)
    assert [type(part) for part in whole.choices[0].message.parts] == [Thinking, Text, ToolCall, ToolCall]
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.usage is not None
    assert 0 < whole.usage.reasoning < whole.usage.output
    told = (await stream(request)).response().choices[0].message
    assert told.parts == whole.choices[0].message.parts


@pytest.mark.parametrize("reason", ["length", "content_filter", "refusal"])
async def test_the_finish_reason_can_be_told(reason: str) -> None:
    request = script(text="x", finish_reason=reason)
    assert (await ECHO.complete(request, PLAIN)).choices[0].finish_reason == reason
    assert (await stream(request)).response().choices[0].finish_reason == reason


async def test_an_upstreams_options_are_the_default_of_every_script() -> None:
    upstream = Upstream(name="echo", options={"text": "always this"})
    assert (await ECHO.complete(ask("hello"), upstream)).text() == "always this"
    assert (await ECHO.complete(script(text="but this"), upstream)).text() == "but this"


async def test_a_scripted_status_is_an_error_of_the_upstream() -> None:
    request = script(status=429, message="slow down", retry_after_s=7)
    for answer in (ECHO.complete(request, PLAIN), stream(request)):
        with pytest.raises(UpstreamRejected) as rejection:
            await answer
        assert (rejection.value.status, rejection.value.retry_after_s) == (429, 7)
        assert rejection.value.message == "slow down"


async def test_a_stream_breaks_off_after_as_many_pieces_as_scripted() -> None:
    collector = StreamCollector()

    async def read() -> None:
        async for event in ECHO.stream(script(text="one two three", break_after=2), PLAIN):
            collector.add(event)

    with pytest.raises(UpstreamBroken):
        await read()
    assert collector.response().text() == "one two "
    assert not collector.finished
    with pytest.raises(UpstreamBroken):
        await ECHO.complete(script(break_after=0), PLAIN)


async def test_a_stream_also_breaks_off_after_its_last_piece() -> None:
    for break_after in (0, 3):
        with pytest.raises(UpstreamBroken):
            await stream(script(text="one two three", break_after=break_after))


async def test_a_scripted_wait_is_waited() -> None:
    began = time.monotonic()
    await ECHO.complete(script(text="x", first_byte_ms=10, delay_ms=10), PLAIN)
    assert time.monotonic() - began >= 0.02


def after(request: ChatRequest, *messages: Message) -> ChatRequest:
    return msgspec.structs.replace(request, messages=(*request.messages, *messages))


async def test_a_script_of_several_turns_is_said_turn_by_turn() -> None:
    call = {"tool_calls": [{"name": "look"}]}
    request = script(delay_ms=0, turns=[call, {"text": "It gave {results}."}])
    first = (await ECHO.complete(request, PLAIN)).choices[0]
    assert (first.finish_reason, first.message.tool_calls()[0].name) == ("tool_calls", "look")
    results = tuple(ToolResult(tool_call_id="call", parts=(Text(text=text),)) for text in ("this", "that"))
    request = after(request, first.message, Message(role="tool", parts=results))
    assert (await ECHO.complete(request, PLAIN)).text() == "It gave this; that."
    assert (await stream(request)).response().text() == "It gave this; that."


async def test_the_last_turn_is_said_again_and_a_new_question_begins_anew() -> None:
    upstream = Upstream(name="echo", options={"turns": [{"text": "one"}, {"text": "two"}]})
    said = Message(role="assistant", parts=(Text(text="said"),))
    request = ask("hello")
    assert [(await ECHO.complete(after(request, *[said] * turn), upstream)).text() for turn in range(3)] == [
        "one",
        "two",
        "two",
    ]
    again = after(request, said, said, *ask("and now?").messages)
    assert (await ECHO.complete(again, upstream)).text() == "one"


WRONG = [
    'echo: {"turns": [{"txt": "typo"}]}',
    "echo: not json",
    "echo: []",
    'echo: {"txt": "typo"}',
    'echo: {"status": 200}',
    'echo: {"first_byte_ms": 1e9}',
    'echo: {"break_after": -1}',
    'echo: {"finish_reason": "bored"}',
    'echo: {"retry_after_s": -1}',
    'echo: {"retry_after_s": 1e400}',
    "echo:",
]


@pytest.mark.parametrize("text", WRONG)
async def test_what_is_no_script_is_refused_as_the_callers_fault(text: str) -> None:
    with pytest.raises(UpstreamRejected, match="echo: not a script") as rejection:
        await ECHO.complete(ask(text), PLAIN)
    assert rejection.value.status == 400


def embed(value: Any, **fields: Any) -> EmbeddingsRequest:
    return EmbeddingsRequest(model="m", input=msgspec.Raw(msgspec.json.encode(value)), **fields)


async def test_embeddings_are_unit_vectors_one_for_each_text() -> None:
    response = await ECHO.embed(embed(["red fish", "blue fish", ""], dimensions=16), PLAIN)
    vectors = [json.loads(bytes(vector)) for vector in response.data]
    assert [len(vector) for vector in vectors] == [16, 16, 16]
    assert all(math.isclose(math.hypot(*vector), 1) for vector in vectors)


async def test_texts_that_share_words_are_nearer_to_one_another() -> None:
    response = await ECHO.embed(embed(["the red fish swims", "a red fish sleeps", "stock market news"]), PLAIN)
    first, near, far = (json.loads(bytes(vector)) for vector in response.data)
    assert _dot(first, near) > _dot(first, far)


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_base64_holds_the_same_numbers() -> None:
    plain = await ECHO.embed(embed("fish", dimensions=8), PLAIN)
    packed = await ECHO.embed(embed("fish", dimensions=8, encoding_format="base64"), PLAIN)
    numbers = struct.unpack("<8f", base64.b64decode(json.loads(bytes(packed.data[0]))))
    assert numbers == pytest.approx(json.loads(bytes(plain.data[0])))


@pytest.mark.parametrize("value", [[1, 2, 3], [[1, 2], [3]]])
async def test_token_ids_are_embedded_one_vector_for_each_input(value: Any) -> None:
    response = await ECHO.embed(embed(value, dimensions=4), PLAIN)
    assert len(response.data) == (2 if isinstance(value[0], list) else 1)


@pytest.mark.parametrize("dimensions", [-1, 0, 4097])
async def test_dimensions_that_make_no_sense_are_refused(dimensions: int) -> None:
    with pytest.raises(UpstreamRejected) as rejection:
        await ECHO.embed(embed("x", dimensions=dimensions), PLAIN)
    assert rejection.value.status == 400
