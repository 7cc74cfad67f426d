"""Requests, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jackfield.wire.base import Encoded
from jackfield.wire.chat import ChatRequest, Extra, Message, Reasoning, Text, freeze
from jackfield.wire.crossing import Body, Crossing, extra_of, spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    read_count,
    read_document,
    read_fields,
    read_flag,
    read_number,
    read_optional_text,
    read_text,
    sort_fields,
    wrong,
)
from jackfield.wire.openai_chat.requests import effort_for
from jackfield.wire.openai_family import share_fields
from jackfield.wire.openai_responses.conversation import INSTRUCTIONS, write_conversation
from jackfield.wire.openai_responses.items import read_input
from jackfield.wire.openai_responses.parts import FORMAT, crossing_from
from jackfield.wire.openai_responses.tools import (
    read_tools,
    take_text,
    take_tool_choice,
    write_format,
    write_tool_choice,
    write_tools,
)

_KNOWN: Mapping[str, tuple[str, Read[Any]]] = MappingProxyType(
    {
        "model": ("model", read_text),
        "input": ("messages", read_input),
        "instructions": ("instructions", read_text),
        "tools": ("tools", read_tools),
        "parallel_tool_calls": ("parallel_tool_calls", read_flag),
        "max_output_tokens": ("max_tokens", read_count),
        "temperature": ("temperature", read_number),
        "top_p": ("top_p", read_number),
        "user": ("user", read_text),
        "stream": ("stream", read_flag),
    }
)
_SCALARS = ("parallel_tool_calls", "temperature", "top_p", "user")
# What no request of this format can ask for.
_ABSENT = ("top_k", "seed", "presence_penalty", "frequency_penalty")


def decode_request(body: bytes) -> ChatRequest:
    values, extra = sort_fields(read_document(body), _KNOWN, "")
    if "model" not in values:
        raise wrong("model", "required")
    values["messages"] = _messages_of(values, extra)
    if "tool_choice" in extra:
        values["tool_choice"] = take_tool_choice(extra)
    if "text" in extra:
        values["response_format"] = take_text(extra)
    if "reasoning" in extra:
        values["reasoning"] = _take_reasoning(extra)
    _spread_stream_options(extra)
    return ChatRequest(stream_usage=values.get("stream", False), format=FORMAT, extra=freeze(extra), **values)


def _messages_of(values: dict[str, Any], extra: Fields) -> tuple[Message, ...]:
    """Instructions come first. Only with what the upstream keeps may there be no input."""
    said: tuple[Message, ...] = values.pop("messages", ())
    instructions = values.pop("instructions", None)
    if not said and all(extra.get(name, NULL) == NULL for name in ("previous_response_id", "conversation", "prompt")):
        raise wrong("input", "required")
    if instructions is None:
        return said
    mark = freeze({INSTRUCTIONS: NULL})
    return (Message(role="system", parts=(Text(text=instructions),), extra=mark), *said)


def _take_reasoning(extra: Fields) -> Reasoning | None:
    raw = extra.pop("reasoning")
    fields = {name: value for name, value in read_fields(raw, "reasoning").items() if value != NULL}
    effort = read_optional_text(fields.pop("effort", NULL), "reasoning.effort")
    if effort is None and not fields:
        return None
    return Reasoning(enabled=effort != "none", effort=effort, extra=extra_of(fields, "", {}))


def _spread_stream_options(extra: Fields) -> None:
    raw = extra.pop("stream_options", NULL)
    if raw != NULL:
        extra |= spread_rest(read_fields(raw, "stream_options"), "stream_options")


def encode_request(request: ChatRequest) -> Encoded:
    crossing = crossing_from(request.format)
    instructions, items = write_conversation(request.messages, crossing)
    body: Body = {"model": request.model}
    if instructions is not None:
        body["instructions"] = instructions
    if items or not crossing.own:
        body["input"] = items
    for name in _SCALARS:
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    if request.stream:
        body["stream"] = True
    _put_tools(body, request, crossing)
    if request.response_format is not None:
        body["text"] = {"format": write_format(request.response_format, crossing)}
    _put_reasoning(body, request.reasoning, crossing)
    rest = request.extra
    if not crossing.own:
        _put_foreign(body, request, crossing)
        rest = _put_shared(body, request)
    crossing.add_extra(body, rest)
    return Encoded(encode(body), crossing.names())


def _put_tools(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    if request.tools and (tools := write_tools(request.tools, crossing)):
        body["tools"] = tools
    if request.tool_choice is not None:
        body["tool_choice"] = write_tool_choice(request.tool_choice)


def _put_reasoning(body: Body, reasoning: Reasoning | None, crossing: Crossing) -> None:
    if reasoning is None:
        return
    told: Body = {}
    if not reasoning.enabled:
        told["effort"] = "none"
    elif reasoning.effort is not None:
        told["effort"] = reasoning.effort
    elif reasoning.budget is not None:
        told["effort"] = effort_for(reasoning.budget)
    crossing.add_extra(told, reasoning.extra, "reasoning.")
    if told:
        body["reasoning"] = told


def _put_foreign(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    """A client of another format cannot ask for what was kept, so nothing is; reasoning comes encrypted instead and
    returns with the next turn."""
    body["store"] = False
    if body.get("reasoning", {}).get("effort") not in (None, "none"):
        body["include"] = ["reasoning.encrypted_content"]
    if request.n not in (None, 1):
        crossing.drop("n")
    if request.stop:
        crossing.drop("stop")
    for name in _ABSENT:
        if getattr(request, name):
            crossing.drop(name)


def _put_shared(body: Body, request: ChatRequest) -> Extra:
    """What the format has in common with the client's; the rest of what that says."""
    shared, rest = share_fields(request, FORMAT)
    for name, value in shared.items():
        if name == "text":
            body["text"] = {**body.get("text", {}), **value}
        elif name == "include":
            body["include"] = [*body.get("include", ()), *value]
        else:
            body[name] = value
    return rest


def with_model(body: bytes, model: str) -> bytes:
    fields = read_document(body)
    fields["model"] = encoded(model)
    return encode(fields)
