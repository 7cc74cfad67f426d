"""Whole answers, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.base import Encoded
from jackfield.wire.chat import (
    ChatResponse,
    Choice,
    Extra,
    FinishReason,
    Message,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
    freeze,
)
from jackfield.wire.crossing import Body, Crossing, spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    read_document,
    read_fields,
    read_text,
    reader,
    sort_fields,
    upstream_broken,
    wrong,
)
from jackfield.wire.openai_errors import is_error, refuse_error
from jackfield.wire.openai_family import lower_logprobs, share_tier
from jackfield.wire.openai_responses.echo import ECHOED, NO_ECHO
from jackfield.wire.openai_responses.items import read_output
from jackfield.wire.openai_responses.output import write_output
from jackfield.wire.openai_responses.parts import FORMAT, crossing_from
from jackfield.wire.openai_responses.usage import Counts, read_usage, write_usage

UNKNOWN_ID = "resp_unknown"  # told to clients where the upstream gave none

COMPLETED, INCOMPLETE, FAILED = "completed", "incomplete", "failed"
_REASONS: Mapping[str, FinishReason] = MappingProxyType(
    {"max_output_tokens": "length", "content_filter": "content_filter"}
)
# What of the finish reasons leaves an answer incomplete, and why.
_INCOMPLETE: Mapping[FinishReason, str] = MappingProxyType(
    {"length": "max_output_tokens", "content_filter": "content_filter", "refusal": "content_filter"}
)

_read_created = reader(int | float)


def _read_when(raw: Raw, path: str) -> int:
    return int(_read_created(raw, path))


_KNOWN: Mapping[str, tuple[str, Read[Any]]] = MappingProxyType(
    {
        "id": ("id", read_text),
        "model": ("model", read_text),
        "created_at": ("created", _read_when),
        "output": ("output", read_output),
        "status": ("status", read_text),
        "incomplete_details": ("details", read_fields),
        "usage": ("usage", read_usage),
        "object": ("object", read_text),
        "error": ("error", lambda raw, path: raw),
    }
)


def finish_reason_of(status: str | None, reason: str | None, *, has_calls: bool) -> FinishReason | None:
    """`None` for an answer that is not finished."""
    if status == COMPLETED or status is None:
        return "tool_calls" if has_calls else "stop"
    return _REASONS.get(reason or "", "unknown") if status == INCOMPLETE else None


def incomplete_reason(reason: FinishReason | None) -> str | None:
    """Why an answer with this finish reason is incomplete; `None` for one that is complete."""
    return _INCOMPLETE.get(reason) if reason is not None else None


def decode_response(body: bytes) -> ChatResponse:
    try:
        return read_response(read_document(body))
    except Malformed as error:
        raise upstream_broken(error) from error


def read_response(fields: Fields) -> ChatResponse:
    values, extra = sort_fields(fields, _KNOWN, "")
    if "error" in values and is_error(values["error"]):
        refuse_error(values["error"])
    if values.get("status") == FAILED:
        refuse_error(encoded("no reason given"))
    if "output" not in fields:
        raise wrong("output", "required")
    usage, rest = values.get("usage", (None, {}))
    parts: tuple[Part, ...] = values.get("output", ())
    echo = {name: extra.pop(name) for name in tuple(extra) if name in ECHOED}
    return ChatResponse(
        id=values.get("id", ""),
        model=values.get("model", ""),
        created=values.get("created"),
        choices=(_choice(parts, values),),
        usage=usage,
        format=FORMAT,
        echo=freeze(echo),
        extra=freeze(extra | rest),
    )


def _choice(parts: tuple[Part, ...], values: dict[str, Any]) -> Choice:
    details: Fields = values.get("details", {})
    raw_reason = details.pop("reason", NULL)
    status, reason = values.get("status"), None
    if raw_reason != NULL:
        reason = read_text(raw_reason, "incomplete_details.reason")
    finish = finish_reason_of(status, reason, has_calls=any(isinstance(part, ToolCall) for part in parts))
    extra: Fields = spread_rest(details, "incomplete_details")
    if status not in (None, _status_of(finish)):
        extra["status"] = encoded(status)
    if reason is not None and incomplete_reason(finish) != reason:
        extra["incomplete_details.reason"] = raw_reason
    return Choice(message=Message(role="assistant", parts=parts), finish_reason=finish, extra=freeze(extra))


def _status_of(reason: FinishReason | None) -> str:
    return INCOMPLETE if incomplete_reason(reason) is not None else COMPLETED


def encode_response(response: ChatResponse, echo: Extra = NO_ECHO) -> Encoded:
    crossing = crossing_from(response.format)
    if len(response.choices) > 1:
        crossing.drop("choices[1:]")
    choice = response.choices[0] if response.choices else Choice(message=Message(role="assistant", parts=()))
    status = _status_of(choice.finish_reason)
    if choice.stop_sequence is not None:
        crossing.drop("stop_sequence")
    identifier = response.id or UNKNOWN_ID
    output = write_output(_kept(choice.message, crossing), identifier, crossing, status)
    body = response_body(
        identifier,
        response.model,
        response.created,
        status,
        output,
        response.usage,
        response.echo if crossing.own else echo,
    )
    body["incomplete_details"] = details_of(choice.finish_reason)
    crossing.add_extra(body, choice.message.extra, "choices[].message.")
    if not crossing.own and "logprobs" in choice.extra:
        choice = msgspec.structs.replace(choice, extra=lower_logprobs(choice.extra, output))
    _put_ending(body, choice, crossing)
    shared, rest = share_tier(response.extra, response.format, FORMAT)
    body |= shared
    crossing.add_extra(body, rest)
    return Encoded(encode(body), crossing.names())


def _kept(message: Message, crossing: Crossing) -> Iterable[Part]:
    """Without the empty texts that other formats have beside tool calls."""
    if crossing.own:
        return message.parts
    return [part for part in message.parts if _says_something(part)]


def _says_something(part: Part) -> bool:
    if isinstance(part, Thinking):
        return bool(part.text or part.signature or part.redacted is not None)
    return bool(part.text) if isinstance(part, Text | Refusal) else True


def _put_ending(body: Body, choice: Choice, crossing: Crossing) -> None:
    """The upstream's own words for how it ended, unless a hook has changed the finish reason since."""
    extra = dict(choice.extra)
    if crossing.own and choice.finish_reason not in (None, "unknown"):
        extra = {name: raw for name, raw in extra.items() if name not in ("status", "incomplete_details.reason")}
    if any(name.startswith("incomplete_details.") for name in extra) and crossing.own:
        body["incomplete_details"] = body["incomplete_details"] or {}
    crossing.add_extra(body, extra, "choices[].")


def details_of(reason: FinishReason | None) -> Body | None:
    word = incomplete_reason(reason)
    return None if word is None else {"reason": word}


def response_body(
    identifier: str,
    model: str,
    created: int | None,
    status: str,
    output: list[Any],
    usage: Usage | None,
    echo: Extra,
) -> Body:
    """The object that an answer is, and that a stream's first and last events hold."""
    return {
        "id": identifier,
        "object": "response",
        "created_at": created or 0,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": output,
        **echo,
        "usage": write_usage(usage) if usage is not None else None,
    }


class _Details(msgspec.Struct):
    reason: str | None = None


class _Kind(msgspec.Struct):
    type: Any = None


class Outline(msgspec.Struct):
    """What is read of an answer whose content nobody looks at."""

    status: str | None = None
    usage: Counts | None = None
    incomplete_details: _Details | None = None
    error: Raw = NULL
    output: list[_Kind] | msgspec.UnsetType | None = msgspec.UNSET

    def finish_reason(self) -> FinishReason | None:
        has_calls = any(item.type == "function_call" for item in self.output or ())
        reason = self.incomplete_details.reason if self.incomplete_details is not None else None
        return finish_reason_of(self.status, reason, has_calls=has_calls)


_read_outline: Read[Outline] = reader(Outline)


def usage_of(body: bytes) -> tuple[Usage | None, FinishReason | None]:
    try:
        outline = _read_outline(Raw(body), "")
        if is_error(outline.error):
            refuse_error(outline.error)
        if outline.status == FAILED:
            refuse_error(encoded("no reason given"))
        if outline.output is msgspec.UNSET:
            raise wrong("output", "required")
    except Malformed as error:
        raise upstream_broken(error) from error
    return outline.usage.usage() if outline.usage is not None else None, outline.finish_reason()
