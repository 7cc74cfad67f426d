"""A provider without an upstream: it answers with what it was told, and can be told to misbehave.

The last user message is echoed. A message that begins with `echo:` is followed by a JSON script instead, such as
`echo: {"text": "hi", "first_byte_ms": 50, "break_after": 2}`; an upstream's `options` are the defaults of every script.
With `turns`, a list of scripts, each turn after that message takes the next one, and the last one again; `{results}` in
a text stands for what the tools of the turn before gave.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import re
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jackfield.sdk import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    EmbeddingsRequest,
    EmbeddingsResponse,
    Finish,
    FinishReason,
    Message,
    Part,
    Plugin,
    StreamEnd,
    StreamStart,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Upstream,
    UpstreamBroken,
    UpstreamRejected,
    Usage,
    UsageReport,
)

Milliseconds = Annotated[float, Field(ge=0, le=60_000)]
_PIECES = re.compile(r"\S+\s*|\s+")
_WORDS = re.compile(r"\w+")
_DIMENSIONS = 64


class ScriptedCall(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] = {}


class Script(BaseModel):
    """What to answer. `status` answers an error; `break_after` ends a stream brokenly after that many pieces."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = None
    thinking: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish_reason: FinishReason | None = None
    first_byte_ms: Milliseconds = 0
    delay_ms: Milliseconds = 0
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    message: str = "scripted error"
    retry_after_s: Annotated[float, Field(ge=0, le=86_400)] | None = None
    break_after: Annotated[int, Field(ge=0)] | None = None
    turns: tuple[dict[str, Any], ...] = ()


class Echo(Plugin):
    id = "echo"
    description = "Answers with what it was told; for first steps and tests"

    async def complete(self, request: ChatRequest, upstream: Upstream) -> ChatResponse:
        script = read_script(request, upstream)
        await _begin(script)
        await _pause(script.delay_ms)
        if script.break_after is not None:
            raise UpstreamBroken("echo: broken as scripted")
        message = Message(role="assistant", parts=tuple(_parts(script)))
        return ChatResponse(
            id=_answer_id(request),
            model=request.model,
            choices=(Choice(message=message, finish_reason=_reason(script)),),
            usage=_usage(request, script),
        )

    async def stream(self, request: ChatRequest, upstream: Upstream) -> AsyncIterator[ChatEvent]:
        script = read_script(request, upstream)
        await _begin(script)
        yield StreamStart(id=_answer_id(request), model=request.model)
        deltas = tuple(_deltas(script))
        for event in deltas[: script.break_after]:
            await _pause(script.delay_ms)
            yield event
        if script.break_after is not None and script.break_after <= len(deltas):
            raise UpstreamBroken("echo: broken as scripted")
        yield Finish(reason=_reason(script))
        yield UsageReport(usage=_usage(request, script))
        yield StreamEnd()

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> EmbeddingsResponse:
        dimensions = _DIMENSIONS if request.dimensions is None else request.dimensions
        if not 1 <= dimensions <= 4096:
            raise UpstreamRejected(400, "dimensions: expected 1 to 4096")
        texts = _texts(request)
        vectors = tuple(_encode(embed_text(text, dimensions), request.encoding_format) for text in texts)
        return EmbeddingsResponse(
            model=request.model, data=vectors, usage=Usage(input=sum(count_tokens(text) for text in texts))
        )


def _texts(request: EmbeddingsRequest) -> tuple[str, ...]:
    """One text for each input; token ids are words."""
    value: Any = msgspec.json.decode(request.input)
    if isinstance(value, str) or (value and isinstance(value[0], int)):
        value = [value]
    return tuple(item if isinstance(item, str) else " ".join(map(str, item)) for item in value)


def read_script(request: ChatRequest, upstream: Upstream) -> Script:
    """Raises `UpstreamRejected` with status 400 where the script is not one."""
    text = request.last_user_text()
    given = dict(upstream.options)
    try:
        if text.startswith("echo:"):
            given |= msgspec.json.decode(text.removeprefix("echo:").encode(), type=dict[str, Any])
        else:
            given = {"text": text} | given
        script = Script.model_validate(given)
        if script.turns:
            place = min(_turn_of(request), len(script.turns) - 1)
            script = Script.model_validate(given | {"turns": ()} | script.turns[place])
    except (msgspec.DecodeError, ValidationError) as error:
        raise UpstreamRejected(400, f"echo: not a script: {error}") from error
    return script.model_copy(update={"text": _with_results(script.text, request)})


def _turn_of(request: ChatRequest) -> int:
    """How often the model has answered since the user last said something."""
    answers = 0
    for message in reversed(request.messages):
        if message.role == "user" and message.text():
            break
        answers += message.role == "assistant"
    return answers


def _with_results(text: str | None, request: ChatRequest) -> str | None:
    if text is None or "{results}" not in text:
        return text
    parts = request.messages[-1].parts
    results = (part.parts for part in parts if isinstance(part, ToolResult))
    told = ("".join(part.text for part in result if isinstance(part, Text)) for result in results)
    return text.replace("{results}", "; ".join(told))


async def _begin(script: Script) -> None:
    await _pause(script.first_byte_ms)
    if script.status is not None:
        raise UpstreamRejected(script.status, script.message, retry_after_s=script.retry_after_s)


async def _pause(milliseconds: float) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


def _parts(script: Script) -> Iterator[Part]:
    if script.thinking:
        yield Thinking(text=script.thinking)
    if script.text:
        yield Text(text=script.text)
    for index, call in enumerate(script.tool_calls):
        yield ToolCall(id=f"call_echo_{index}", name=call.name, arguments=_json(call.arguments))


def _deltas(script: Script) -> Iterator[ChatEvent]:
    for piece in _PIECES.findall(script.thinking or ""):
        yield ThinkingDelta(text=piece)
    for piece in _PIECES.findall(script.text or ""):
        yield TextDelta(text=piece)
    for index, call in enumerate(script.tool_calls):
        yield ToolCallDelta(index=index, id=f"call_echo_{index}", name=call.name)
        yield ToolCallDelta(index=index, arguments=_json(call.arguments))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _reason(script: Script) -> FinishReason:
    return script.finish_reason or ("tool_calls" if script.tool_calls else "stop")


def _answer_id(request: ChatRequest) -> str:
    return "echo-" + hashlib.blake2b(request.text().encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _usage(request: ChatRequest, script: Script) -> Usage:
    reasoning = count_tokens(script.thinking or "")
    written = count_tokens(script.text or "") + sum(count_tokens(_json(call.arguments)) for call in script.tool_calls)
    return Usage(input=count_tokens(request.text()), output=written + reasoning, reasoning=reasoning)


def count_tokens(text: str) -> int:
    """A stand-in for a tokenizer: four characters a token, rounded up."""
    return -(-len(text) // 4)


def embed_text(text: str, dimensions: int) -> list[float]:
    """A unit vector of hashed words: texts that share words are near one another."""
    vector = [0.0] * dimensions
    for word in _WORDS.findall(text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        vector[number % dimensions] += 1.0 if number >> 63 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def _encode(vector: list[float], encoding: str | None) -> msgspec.Raw:
    if encoding == "base64":
        packed = struct.pack(f"<{len(vector)}f", *vector)
        return msgspec.Raw(msgspec.json.encode(base64.b64encode(packed).decode("ascii")))
    return msgspec.Raw(msgspec.json.encode(vector))
