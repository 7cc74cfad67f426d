"""Canonical conversations for properties: what every chat format can say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import Raw

from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    File,
    Finish,
    Image,
    Message,
    Reasoning,
    ResponseFormat,
    StreamEnd,
    StreamStart,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
    UsageReport,
)

words = st.text(min_size=1, max_size=20)
names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
base64_data = st.sampled_from(["iVBORw0KGgo=", "JVBERi0xLjQ="])
arguments = st.dictionaries(names, st.one_of(words, st.integers(-9, 9), st.booleans()), max_size=3).map(
    lambda value: msgspec.json.encode(value).decode()
)
schemas = st.dictionaries(names, st.just({"type": "string"}), max_size=3).map(
    lambda properties: Raw(msgspec.json.encode({"type": "object", "properties": properties}))
)

texts = st.builds(Text, text=words)
images = st.one_of(
    st.builds(Image, url=st.just("https://example.com/cat.jpg")),
    st.builds(Image, data=base64_data, media_type=st.just("image/png")),
)
files = st.builds(File, data=base64_data, media_type=st.just("application/pdf"), name=words)
user_parts = st.lists(st.one_of(texts, images, files), min_size=1, max_size=3).map(tuple)
tools = st.builds(
    Tool,
    name=names,
    description=st.none() | words,
    parameters=schemas,
    strict=st.none() | st.booleans(),
)


@st.composite
def turns(draw: st.DrawFn, number: int) -> tuple[Message, ...]:
    """A user's turn and the answer; sometimes with tool calls and their results in between."""
    asked = Message(role="user", parts=draw(user_parts))
    calls = tuple(
        ToolCall(id=f"call_{number}_{index}", name=draw(names), arguments=draw(arguments))
        for index in range(draw(st.integers(0, 3)))
    )
    said = draw(st.lists(texts, min_size=0 if calls else 1, max_size=1))
    answer = Message(role="assistant", parts=(*said, *calls))
    results = tuple(
        Message(role="tool", parts=(ToolResult(tool_call_id=call.id, parts=(draw(texts),)),)) for call in calls
    )
    return (asked, answer, *results)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    system = draw(st.lists(texts, max_size=2))
    head = (Message(role="system", parts=tuple(system)),) if system else ()
    body = [message for number in range(draw(st.integers(0, 3))) for message in draw(turns(number))]
    offered = tuple(draw(st.lists(tools, max_size=2)))
    modes: Sequence[Any] = ("auto", "none", "required")
    choice = draw(st.none() | st.sampled_from(modes)) if offered else None
    return ChatRequest(
        model=draw(names),
        messages=(*head, *body, Message(role="user", parts=draw(user_parts))),
        tools=offered,
        tool_choice=ToolChoice(mode=choice) if choice is not None else None,
        max_tokens=draw(st.integers(1, 9999)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        stop=tuple(draw(st.lists(words.filter(str.strip), max_size=2))),
        user=draw(st.none() | words),
        response_format=draw(
            st.none() | st.builds(ResponseFormat, kind=st.just("json_schema"), name=st.just("response"), schema=schemas)
        ),
        reasoning=draw(st.none() | st.just(Reasoning(enabled=False, effort="none"))),
    )


usages = st.builds(
    lambda fresh, cached, written, output, share: Usage(
        input=fresh + cached + written,
        output=output,
        cached=cached,
        cache_write=written,
        reasoning=min(share, output),
    ),
    *(st.integers(0, 9999) for _ in range(5)),
)


@st.composite
def responses(draw: st.DrawFn, *, signed: bool = False) -> ChatResponse:
    """An answer: reasoning, then a text, then tool calls, each of them optional."""
    thoughts = [Thinking(text=draw(words), signature=draw(words) if signed else None)]
    thinking = thoughts if draw(st.booleans()) else []
    said = draw(st.lists(texts, max_size=1))
    calls = [
        ToolCall(id=f"call_{index}", name=draw(names), arguments=draw(arguments))
        for index in range(draw(st.integers(0, 3)))
    ]
    reasons: Sequence[Any] = ("tool_calls", "length") if calls else ("stop", "length")
    return ChatResponse(
        id=draw(names),
        model=draw(names),
        choices=(
            Choice(
                message=Message(role="assistant", parts=(*thinking, *said, *calls)),
                finish_reason=draw(st.sampled_from(reasons)),
            ),
        ),
        usage=draw(usages),
    )


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def streams(draw: st.DrawFn, response: ChatResponse) -> list[ChatEvent]:
    """An answer cut into a stream, with the pieces of its tool calls in any order but their own."""
    events: list[ChatEvent] = [StreamStart(id=response.id, model=response.model)]
    choice = response.choices[0]
    calls: list[list[ChatEvent]] = []
    for part in choice.message.parts:
        if isinstance(part, Text):
            events += (TextDelta(text=piece) for piece in pieces(draw, part.text))
        elif isinstance(part, Thinking):
            events += (ThinkingDelta(text=piece) for piece in pieces(draw, part.text))
            events += [ThinkingDelta(signature=part.signature)] if part.signature else []
        elif isinstance(part, ToolCall):
            first = ToolCallDelta(index=len(calls), id=part.id, name=part.name)
            rest = [ToolCallDelta(index=len(calls), arguments=p) for p in pieces(draw, part.arguments)]
            calls.append([first, *rest])
    events += (call.pop(0) for call in calls)
    while waiting := [call for call in calls if call]:
        events.append(draw(st.sampled_from(waiting)).pop(0))
    events.append(Finish(reason=choice.finish_reason or "stop"))
    if response.usage is not None:
        events.append(UsageReport(usage=response.usage))
    return [*events, StreamEnd()]
