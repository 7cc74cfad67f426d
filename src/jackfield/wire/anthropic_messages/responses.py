"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed, UpstreamBroken
from jackfield.wire.anthropic_messages.blocks import blocks_of, crossing_from
from jackfield.wire.anthropic_messages.errors import disguised, error_body, error_type
from jackfield.wire.anthropic_messages.parts import FORMAT, read_parts
from jackfield.wire.anthropic_messages.usage import Counts, read_usage, write_usage
from jackfield.wire.base import Encoded
from jackfield.wire.chat import (
    NOTHING,
    ChatResponse,
    Choice,
    ErrorResponse,
    Extra,
    FinishReason,
    Message,
    Part,
    Refusal,
    Response,
    Text,
    Thinking,
    Usage,
    freeze,
)
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    read_document,
    read_text,
    reader,
    sort_fields,
    upstream_broken,
    wrong,
)

_FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "length",
}
_STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "pause": "pause_turn",
    "refusal": "refusal",
    "content_filter": "refusal",
    "unknown": "end_turn",
}

UNKNOWN_ID = "msg_unknown"  # told to clients where the upstream gave none

_RESPONSE: dict[str, tuple[str, Read[Any]]] = {
    "id": ("id", read_text),
    "model": ("model", read_text),
    "content": ("content", read_parts),
    "stop_reason": ("stop_reason", read_text),
    "stop_sequence": ("stop_sequence", read_text),
    "usage": ("usage", read_usage),
    "type": ("type", read_text),
    "role": ("role", read_text),
}


def finish_reason(stop_reason: str | None) -> FinishReason | None:
    return _FINISH_REASONS.get(stop_reason, "unknown") if stop_reason else None


def is_exact(stop_reason: str | None) -> bool:
    """Whether a stop reason can be told from its canonical form."""
    reason = finish_reason(stop_reason)
    return reason is None or _STOP_REASONS[reason] == stop_reason


def stop_reason_of(reason: FinishReason | None, *, has_calls: bool, refused: bool) -> str:
    """Some upstreams say `stop` after tool calls or a refusal; clients of this format act on the reason."""
    if reason in (None, "stop", "unknown"):
        if has_calls:
            return "tool_use"
        if refused:
            return "refusal"
    return _STOP_REASONS[reason or "stop"]


def decode_response(body: bytes) -> ChatResponse:
    try:
        fields = read_document(body)
        if "content" not in fields:
            raise (disguised(body) if "error" in fields else UpstreamBroken("the upstream's answer has no content"))
        return _read_response(fields)
    except Malformed as error:
        raise upstream_broken(error) from error


def _read_response(fields: Fields) -> ChatResponse:
    values, extra = sort_fields(fields, _RESPONSE, "")
    usage, usage_extra = values.get("usage", (None, NOTHING))
    stop_reason = values.get("stop_reason")
    choice = Choice(
        message=Message(role="assistant", parts=values.get("content", ())),
        finish_reason=finish_reason(stop_reason),
        stop_sequence=values.get("stop_sequence"),
        extra=NOTHING if is_exact(stop_reason) else freeze({"stop_reason": encoded(stop_reason)}),
    )
    return ChatResponse(
        id=values.get("id", ""),
        model=values.get("model", ""),
        choices=(choice,),
        usage=usage,
        format=FORMAT,
        extra=freeze({**extra, **usage_extra}),
    )


def encode_response(response: Response) -> Encoded:
    if isinstance(response, ErrorResponse):
        kind = error_type(response.status)
        body = error_body(kind, response.message, code=response.code, plugin=response.plugin)
        return Encoded(body=encode(body))
    if not isinstance(response, ChatResponse):
        raise TypeError(f"{type(response).__name__} is no answer to a conversation")
    crossing = crossing_from(response.format)
    body = _response_body(response, crossing)
    return Encoded(body=encode(body), dropped=crossing.names())


def _response_body(response: ChatResponse, crossing: Crossing) -> Body:
    if len(response.choices) > 1:
        crossing.drop("choices[1:]")
    choice = response.choices[0] if response.choices else Choice(message=Message(role="assistant", parts=()))
    body: Body = {
        "id": response.id or UNKNOWN_ID,
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": blocks_of(_kept(choice.message, crossing), crossing),
        "stop_reason": _stop_reason(choice, crossing),
        "stop_sequence": choice.stop_sequence,
        "usage": write_usage(response.usage),
    }
    crossing.add_extra(body, choice.message.extra, "choices[].message.")
    crossing.add_extra(body, _choice_extra(choice, crossing), "choices[].")
    crossing.add_extra(body, response.extra)
    return body


def _kept(message: Message, crossing: Crossing) -> tuple[Any, ...]:
    if crossing.own:
        return message.parts
    return tuple(part for part in message.parts if _says_something(part))


def _says_something(part: Part) -> bool:
    if isinstance(part, Thinking):
        return bool(part.text or part.signature or part.redacted is not None)
    return bool(part.text) if isinstance(part, Text) else True


def _stop_reason(choice: Choice, crossing: Crossing) -> str | None:
    if crossing.own:
        return _STOP_REASONS[choice.finish_reason] if choice.finish_reason else None
    refused = any(isinstance(part, Refusal) for part in choice.message.parts)
    return stop_reason_of(choice.finish_reason, has_calls=bool(choice.message.tool_calls()), refused=refused)


def _choice_extra(choice: Choice, crossing: Crossing) -> Extra:
    """A hook may have changed the finish reason; then the upstream's own word for it is out of date."""
    raw = choice.extra.get("stop_reason")
    if not crossing.own or raw is None or finish_reason(read_text(raw, "stop_reason")) == choice.finish_reason:
        return choice.extra
    return {name: value for name, value in choice.extra.items() if name != "stop_reason"}


class _Outcome(msgspec.Struct, frozen=True):
    """What `usage_of` reads of a whole answer."""

    usage: Counts | None = None
    stop_reason: str | None = None
    content: Raw = NULL
    error: Raw = NULL


_read_outcome: Read[_Outcome] = reader(_Outcome)


def usage_of(body: bytes) -> tuple[Usage | None, FinishReason | None]:
    try:
        found = _read_outcome(Raw(body), "")
    except Malformed as error:
        raise upstream_broken(error) from error
    if found.content == NULL and found.error != NULL:
        raise disguised(body)
    if found.content == NULL:
        raise upstream_broken(wrong("content", "required"))
    return (found.usage.usage() if found.usage else None), finish_reason(found.stop_reason)
