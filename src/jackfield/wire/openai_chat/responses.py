"""Whole responses, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.base import Encoded
from jackfield.wire.chat import ChatResponse, Choice, FinishReason, Message, Thinking, Usage, freeze
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    read_document,
    read_fields,
    read_fields_list,
    read_integer,
    read_text,
    reader,
    sort_fields,
    upstream_broken,
    wrong,
)
from jackfield.wire.openai_chat.messages import read_message, write_assistant
from jackfield.wire.openai_chat.parts import FORMAT, SPREAD
from jackfield.wire.openai_chat.plain import read_plain_response
from jackfield.wire.openai_errors import is_error, is_error_object, refuse_error
from jackfield.wire.openai_family import lift_logprobs, share_tier
from jackfield.wire.openai_usage import Counts, read_usage, write_usage

FINISH_REASONS: Mapping[str, FinishReason] = MappingProxyType(
    {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
    }
)
FINISH_WORDS: Mapping[FinishReason, str] = MappingProxyType(
    {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "stop_sequence": "stop",
        "refusal": "content_filter",
        "pause": "stop",
        "unknown": "stop",
    }
)


def finish_reason_of(word: str | None) -> FinishReason | None:
    return FINISH_REASONS.get(word, "unknown") if word else None


_read_created = reader(int | float)


def _read_when(raw: Raw, path: str) -> int:
    return int(_read_created(raw, path))


_KNOWN: Mapping[str, tuple[str, Read[Any]]] = MappingProxyType(
    {
        "id": ("id", read_text),
        "model": ("model", read_text),
        "created": ("created", _read_when),
        "choices": ("choices", read_fields_list),
        "usage": ("usage", read_usage),
        "object": ("object", read_text),
        "error": ("error", lambda raw, path: raw),
    }
)


def decode_response(body: bytes) -> ChatResponse:
    return read_plain_response(body) or _decode_any(body)


def _decode_any(body: bytes) -> ChatResponse:
    try:
        return _decode(body)
    except Malformed as error:
        raise upstream_broken(error) from error


def _decode(body: bytes) -> ChatResponse:
    fields = read_document(body)
    values, extra = sort_fields(fields, _KNOWN, "")
    choices = values.get("choices") or []
    if "error" in values and is_error(values["error"]) and not choices:
        refuse_error(values["error"])
    if "choices" not in values and is_error_object(fields.get("object", NULL)):
        refuse_error(Raw(body))
    if "choices" not in fields:
        raise wrong("choices", "required")
    usage, rest = values.get("usage", (None, None))
    return ChatResponse(
        id=values.get("id", ""),
        model=values.get("model", ""),
        created=values.get("created"),
        choices=tuple(_read_choice(fields, index) for index, fields in enumerate(choices)),
        usage=usage,
        format=FORMAT,
        extra=freeze(extra | rest if rest else extra),
    )


def _read_choice(fields: Fields, position: int) -> Choice:
    path = f"choices[{position}]"
    raw_index, raw_reason = fields.pop("index", NULL), fields.pop("finish_reason", NULL)
    raw_message = fields.pop("message", NULL)
    message = read_fields(raw_message, f"{path}.message") if raw_message != NULL else {}
    word = read_text(raw_reason, f"{path}.finish_reason") if raw_reason != NULL else None
    if word and FINISH_WORDS.get(finish_reason_of(word) or "unknown") != word:
        fields["finish_reason"] = encoded(word)
    return Choice(
        index=read_integer(raw_index, f"{path}.index") if raw_index != NULL else position,
        message=read_message(message, f"{path}.message", "assistant"),
        finish_reason=finish_reason_of(word),
        extra=freeze(fields),
    )


def encode_response(response: ChatResponse) -> Encoded:
    crossing = Crossing(response.format, FORMAT, SPREAD)
    body: Body = {
        "id": response.id,
        "object": "chat.completion",
        "created": response.created or 0,
        "model": response.model,
        "choices": [_write_choice(choice, crossing) for choice in response.choices],
    }
    if response.usage is not None:
        body["usage"] = write_usage(response.usage)
    if response.extra:
        shared, rest = share_tier(response.extra, response.format, FORMAT)
        body |= shared
        crossing.add_extra(body, rest)
    return Encoded(encode(body), crossing.names())


def _write_choice(choice: Choice, crossing: Crossing) -> Body:
    if choice.stop_sequence is not None:
        crossing.drop("stop_sequence")
    choice, logprobs = (choice, None) if crossing.own else lift_logprobs(choice)
    body: Body = {"index": choice.index, "message": _write_message(choice.message, crossing)}
    if logprobs is not None:
        body["logprobs"] = logprobs
    if choice.extra:
        crossing.add_extra(body, choice.extra, "choices[].")
    said = body.get("finish_reason")
    if said is None or finish_reason_of(read_text(said, "")) != choice.finish_reason:
        body["finish_reason"] = FINISH_WORDS[choice.finish_reason or "stop"]
    return body


def _write_message(message: Message, crossing: Crossing) -> Body:
    """The content of an answer is one text, in however many parts another format had it."""
    thinking = [part for part in message.parts if isinstance(part, Thinking)]
    body = write_assistant(message, crossing, thinking)
    content = body["content"]
    if isinstance(content, list) and all(_is_plain_text(part) for part in content):
        body["content"] = "".join(part["text"] for part in content)
    return body


def _is_plain_text(part: Body | Raw) -> bool:
    return isinstance(part, dict) and part.keys() == {"type", "text"}


class _Ending(msgspec.Struct):
    finish_reason: str | None = None


class _Outline(msgspec.Struct):
    usage: Counts | None = None
    choices: list[_Ending] | msgspec.UnsetType | None = msgspec.UNSET
    error: Raw = NULL
    object: Raw = NULL


_read_outline = reader(_Outline)


def usage_of(body: bytes) -> tuple[Usage | None, FinishReason | None]:
    try:
        outline: _Outline = _read_outline(Raw(body), "")
        choices = outline.choices
        if not choices:
            _refuse_without_choices(outline, body)
    except Malformed as error:
        raise upstream_broken(error) from error
    usage = outline.usage.usage() if outline.usage is not None else None
    return usage, finish_reason_of(choices[0].finish_reason) if choices else None


def _refuse_without_choices(outline: _Outline, body: bytes) -> None:
    if is_error(outline.error):
        refuse_error(outline.error)
    if is_error_object(outline.object):
        refuse_error(Raw(body))
    if outline.choices is msgspec.UNSET:
        raise wrong("choices", "required")
