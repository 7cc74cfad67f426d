"""Requests, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from jackfield.wire.base import Encoded, Peek
from jackfield.wire.chat import ChatRequest, Reasoning, freeze
from jackfield.wire.crossing import Body, Crossing, spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    peek_members,
    read_count,
    read_document,
    read_fields,
    read_flag,
    read_integer,
    read_number,
    read_text,
    reader,
    sort_fields,
    wrong,
)
from jackfield.wire.openai_chat.messages import read_messages, write_messages
from jackfield.wire.openai_chat.parts import FORMAT, SPREAD
from jackfield.wire.openai_chat.plain import peek_plain, read_plain_request
from jackfield.wire.openai_chat.tools import (
    read_tools,
    take_response_format,
    take_tool_choice,
    write_response_format,
    write_tool_choice,
    write_tools,
)
from jackfield.wire.openai_family import share_fields

# Thought budgets of other formats, as the least effort that allows them.
_EFFORTS = ((2048, "low"), (8192, "medium"))


def _read_stop(raw: Raw, path: str) -> tuple[str, ...]:
    value = _read_texts(raw, path)
    return (value,) if isinstance(value, str) else tuple(value)


def _read_effort(raw: Raw, path: str) -> Reasoning:
    effort = read_text(raw, path)
    return Reasoning(enabled=effort != "none", effort=effort)


_read_texts = reader(str | list[str])

_KNOWN: Mapping[str, tuple[str, Read[Any]]] = MappingProxyType(
    {
        "model": ("model", read_text),
        "messages": ("messages", read_messages),
        "tools": ("tools", read_tools),
        "parallel_tool_calls": ("parallel_tool_calls", read_flag),
        "reasoning_effort": ("reasoning", _read_effort),
        "max_completion_tokens": ("max_tokens", read_count),
        "temperature": ("temperature", read_number),
        "top_p": ("top_p", read_number),
        "top_k": ("top_k", read_integer),
        "stop": ("stop", _read_stop),
        "n": ("n", read_count),
        "seed": ("seed", read_integer),
        "presence_penalty": ("presence_penalty", read_number),
        "frequency_penalty": ("frequency_penalty", read_number),
        "user": ("user", read_text),
        "stream": ("stream", read_flag),
    }
)
_SCALARS = (
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "user",
)


def decode_request(body: bytes) -> ChatRequest:
    return read_plain_request(body) or _decode_any(body)


def _decode_any(body: bytes) -> ChatRequest:
    values, extra = sort_fields(read_document(body), _KNOWN, "")
    for name in ("model", "messages"):
        if name not in values:
            raise wrong(name, "required")
    if "max_tokens" in extra:
        _read_max_tokens(values, extra)
    if "stream_options" in extra:
        _read_stream_options(values, extra)
    if "tool_choice" in extra:
        values["tool_choice"] = take_tool_choice(extra)
    if "response_format" in extra:
        values["response_format"] = take_response_format(extra)
    return ChatRequest(format=FORMAT, extra=freeze(extra), **values)


def _read_max_tokens(values: dict[str, Any], extra: Fields) -> None:
    """The older name of the limit. A null in `extra` remembers that it is the one the client, and so perhaps
    its upstream, knows; beside the newer name it stays a field of its own."""
    raw = extra["max_tokens"]
    if raw == NULL:
        del extra["max_tokens"]
        return
    limit = read_count(raw, "max_tokens")
    if "max_tokens" not in values:
        values["max_tokens"] = limit
        extra["max_tokens"] = NULL


def _read_stream_options(values: dict[str, Any], extra: Fields) -> None:
    raw = extra.pop("stream_options")
    if raw == NULL:
        return
    options = read_fields(raw, "stream_options")
    usage = options.pop("include_usage", NULL)
    values["stream_usage"] = usage != NULL and read_flag(usage, "stream_options.include_usage")
    extra |= spread_rest(options, "stream_options")


def encode_request(request: ChatRequest) -> Encoded:
    crossing = Crossing(request.format, FORMAT, SPREAD)
    body: Body = {"model": request.model, "messages": write_messages(request.messages, crossing)}
    for name in _SCALARS:
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if request.stream:
        body["stream"] = True
        if request.stream_usage:
            body["stream_options"] = {"include_usage": True}
    if request.stop:
        body["stop"] = request.stop
    if request.tools and (tools := write_tools(request.tools, crossing)):
        body["tools"] = tools
    if request.extra:
        shared, rest = share_fields(request, FORMAT)
        body |= shared
        crossing.add_extra(body, rest)
    _put_rest(body, request, crossing)
    _put_max_tokens(body, request, crossing)
    return Encoded(encode(body), crossing.names())


def _put_rest(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    if request.tool_choice is not None:
        body["tool_choice"] = write_tool_choice(request.tool_choice)
    if request.response_format is not None:
        body["response_format"] = write_response_format(request.response_format, crossing)
    if request.reasoning is not None:
        _put_effort(body, request.reasoning, crossing)
    if request.top_k is not None and crossing.own:
        body["top_k"] = request.top_k
    elif request.top_k is not None:
        crossing.drop("top_k")


def _put_max_tokens(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    by_old_name = crossing.own and request.extra.get("max_tokens") == NULL
    if by_old_name:
        del body["max_tokens"]
    if request.max_tokens is not None:
        body["max_tokens" if by_old_name else "max_completion_tokens"] = request.max_tokens


def _put_effort(body: Body, reasoning: Reasoning, crossing: Crossing) -> None:
    if not reasoning.enabled:
        body["reasoning_effort"] = "none"
    elif reasoning.effort is not None:
        body["reasoning_effort"] = reasoning.effort
    elif reasoning.budget is not None:
        body["reasoning_effort"] = effort_for(reasoning.budget)
    crossing.add_extra(body, reasoning.extra, "reasoning.")


def effort_for(budget: int) -> str:
    return next((effort for most, effort in _EFFORTS if budget <= most), "high")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_read_options: Read[_StreamOptions | None] = reader(_StreamOptions | None)
_read_optional_flag: Read[bool | None] = reader(bool | None)


def peek(body: bytes) -> Peek:
    return peek_plain(body) or _peek_any(body)


def _peek_any(body: bytes) -> Peek:
    fields = peek_members(body)
    model = fields.get("model", NULL)
    if model == NULL:
        raise wrong("model", "required")
    options = fields.get("stream_options")
    wanted = _read_options(options, "stream_options") if options is not None else None
    return Peek(
        model=read_text(model, "model"),
        stream="stream" in fields and bool(_read_optional_flag(fields["stream"], "stream")),
        stream_usage=wanted is not None and bool(wanted.include_usage),
    )


def with_model(body: bytes, model: str) -> bytes:
    fields = read_document(body)
    fields["model"] = encoded(model)
    return encode(fields)


def with_stream_usage(body: bytes) -> bytes:
    fields = read_document(body)
    raw = fields.get("stream_options", NULL)
    options = read_fields(raw, "stream_options") if raw != NULL else {}
    options["include_usage"] = Raw(b"true")
    return encode({**fields, "stream_options": options})
