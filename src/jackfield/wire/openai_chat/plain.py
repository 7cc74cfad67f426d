"""Plain conversations, which most are: texts in turns, and an answer in text.

Each body is read in one pass of the typed decoder (`plain_reader`), where the readers of everything make one for each
object in it. What is not of the plain shape to the letter is `None` here and theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from jackfield.errors import Malformed
from jackfield.wire.base import Peek
from jackfield.wire.chat import (
    NOTHING,
    ChatRequest,
    ChatResponse,
    Choice,
    Extra,
    Message,
    OptionalRaw,
    Text,
    Usage,
    freeze,
)
from jackfield.wire.json import NULL, Fields, clamp_count, encoded, plain_reader, read_number
from jackfield.wire.openai_chat.parts import FORMAT

_ZERO = Raw(b"0")
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class _Plain(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    pass


class _Turn(_Plain):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class _StreamOptions(_Plain):
    include_usage: bool


class _Request(_Plain):
    model: str
    messages: list[_Turn]
    stream: bool | UnsetType = UNSET
    stream_options: _StreamOptions | UnsetType = UNSET
    max_tokens: _Count | UnsetType = UNSET
    max_completion_tokens: _Count | UnsetType = UNSET
    temperature: OptionalRaw = None
    top_p: OptionalRaw = None
    user: str | UnsetType = UNSET


_read_request = plain_reader(_Request)
# That the limit came by its older name: see `requests`.
_OLDER_LIMIT = freeze({"max_tokens": NULL})


class _Outline(_Plain):
    """The fields of the API by name; of most not even the kind matters."""

    model: str
    messages: Raw
    stream: bool | UnsetType = UNSET
    stream_options: _StreamOptions | UnsetType = UNSET
    frequency_penalty: OptionalRaw = None
    logprobs: OptionalRaw = None
    max_completion_tokens: OptionalRaw = None
    max_tokens: OptionalRaw = None
    metadata: OptionalRaw = None
    n: OptionalRaw = None
    parallel_tool_calls: OptionalRaw = None
    presence_penalty: OptionalRaw = None
    reasoning_effort: OptionalRaw = None
    response_format: OptionalRaw = None
    seed: OptionalRaw = None
    stop: OptionalRaw = None
    store: OptionalRaw = None
    temperature: OptionalRaw = None
    tool_choice: OptionalRaw = None
    tools: OptionalRaw = None
    top_logprobs: OptionalRaw = None
    top_p: OptionalRaw = None
    user: OptionalRaw = None


_read_outline = plain_reader(_Outline, spaced=False)


def peek_plain(body: bytes) -> Peek | None:
    plain = _read_outline(body)
    if plain is None:
        return None
    options = plain.stream_options
    return Peek(plain.model, plain.stream is True, options is not UNSET and options.include_usage)


def read_plain_request(body: bytes) -> ChatRequest | None:
    plain = _read_request(body)
    if plain is None or not plain.messages:
        return None
    older, limit, options = plain.max_tokens, plain.max_completion_tokens, plain.stream_options
    if older is not UNSET and limit is not UNSET:
        return None
    try:
        temperature = None if plain.temperature is None else read_number(plain.temperature, "")
        top_p = None if plain.top_p is None else read_number(plain.top_p, "")
    except Malformed:
        return None
    if older is not UNSET:
        limit = older
    # An empty text is no part.
    messages = [
        Message(role=turn.role, parts=(Text(text=turn.content),) if turn.content else ()) for turn in plain.messages
    ]
    return ChatRequest(
        model=plain.model,
        messages=tuple(messages),
        format=FORMAT,
        max_tokens=None if limit is UNSET else limit,
        temperature=temperature,
        top_p=top_p,
        user=None if plain.user is UNSET else plain.user,
        stream=plain.stream is True,
        stream_usage=options is not UNSET and options.include_usage,
        extra=NOTHING if older is UNSET else _OLDER_LIMIT,
    )


class _Said(_Plain):
    role: Literal["assistant"]
    content: str
    refusal: UnsetType | None = UNSET
    annotations: Annotated[list[None], Meta(max_length=0)] | UnsetType = UNSET


class _Choice(_Plain):
    index: _Count
    message: _Said
    finish_reason: Literal["stop", "length"]
    logprobs: UnsetType | None = UNSET


class _Read(_Plain):
    cached_tokens: _Count | UnsetType = UNSET
    audio_tokens: _Count | UnsetType = UNSET


class _Written(_Plain):
    reasoning_tokens: _Count | UnsetType = UNSET
    audio_tokens: _Count | UnsetType = UNSET
    accepted_prediction_tokens: _Count | UnsetType = UNSET
    rejected_prediction_tokens: _Count | UnsetType = UNSET


class _Usage(_Plain):
    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _Read | UnsetType = UNSET
    completion_tokens_details: _Written | UnsetType = UNSET


class _Completion(_Plain):
    id: str
    object: Literal["chat.completion"]
    created: _Count
    model: str
    choices: list[_Choice]
    usage: _Usage
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


_read_completion = plain_reader(_Completion)
_NO_LOGPROBS = freeze({"logprobs": NULL})
# What a message may have besides its text, by which of the two it has.
_BESIDES: Mapping[tuple[bool, bool], Extra] = {
    (False, False): NOTHING,
    (True, False): freeze({"refusal": NULL}),
    (False, True): freeze({"annotations": Raw(b"[]")}),
    (True, True): freeze({"refusal": NULL, "annotations": Raw(b"[]")}),
}
_READ, _WRITTEN = "usage.prompt_tokens_details.", "usage.completion_tokens_details."
_WRITTEN_BESIDES = ("audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")


def read_plain_response(body: bytes) -> ChatResponse | None:
    plain = _read_completion(body)
    if plain is None:
        return None
    extra: Fields = {}
    if plain.service_tier is not UNSET:
        extra["service_tier"] = encoded(plain.service_tier)
    if plain.system_fingerprint is not UNSET:
        extra["system_fingerprint"] = encoded(plain.system_fingerprint)
    return ChatResponse(
        id=plain.id,
        model=plain.model,
        created=plain.created,
        choices=tuple([_choice(choice) for choice in plain.choices]),
        usage=_take_usage(plain.usage, extra),
        format=FORMAT,
        extra=freeze(extra),
    )


def _choice(choice: _Choice) -> Choice:
    said = choice.message
    return Choice(
        index=choice.index,
        message=Message(
            role="assistant",
            parts=(Text(text=said.content),) if said.content else (),
            extra=_BESIDES[said.refusal is not UNSET, said.annotations is not UNSET],
        ),
        finish_reason=choice.finish_reason,
        extra=NOTHING if choice.logprobs is UNSET else _NO_LOGPROBS,
    )


def _take_usage(usage: _Usage, extra: Fields) -> Usage:
    """The canonical counts; those that have no canonical name go into `extra`."""
    cached = reasoning = 0
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    if read is not UNSET:
        if read.cached_tokens is not UNSET:
            cached = clamp_count(read.cached_tokens)
        if read.audio_tokens is not UNSET:
            extra[_READ + "audio_tokens"] = encoded(read.audio_tokens) if read.audio_tokens else _ZERO
    if written is not UNSET:
        if written.reasoning_tokens is not UNSET:
            reasoning = clamp_count(written.reasoning_tokens)
        for name in _WRITTEN_BESIDES:
            if (count := getattr(written, name)) is not UNSET:
                extra[_WRITTEN + name] = encoded(count) if count else _ZERO
    return Usage(
        input=clamp_count(usage.prompt_tokens),
        output=clamp_count(usage.completion_tokens),
        cached=cached,
        reasoning=reasoning,
    )
