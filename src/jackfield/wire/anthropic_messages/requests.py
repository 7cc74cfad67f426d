"""Requests, both ways."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from jackfield.wire.anthropic_messages.blocks import crossing_from
from jackfield.wire.anthropic_messages.messages import read_messages, read_system, write_conversation
from jackfield.wire.anthropic_messages.parts import FORMAT, read_kind
from jackfield.wire.anthropic_messages.reasoning import DEFAULT_MAX_TOKENS, add_reasoning, read_reasoning
from jackfield.wire.anthropic_messages.tools import (
    read_tool_choice,
    read_tools,
    write_tool_choice,
    write_tools,
)
from jackfield.wire.base import Encoded
from jackfield.wire.chat import ChatRequest, ResponseFormat, freeze
from jackfield.wire.crossing import Body, Crossing, extra_of, spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    read_count,
    read_document,
    read_fields,
    read_flag,
    read_number,
    read_object,
    read_text,
    read_texts,
    sort_fields,
    wrong,
)
from jackfield.wire.openai_family import share_fields

_MAX_TEMPERATURE = 1.0


def _read_stop(raw: Raw, path: str) -> tuple[str, ...]:
    return tuple(read_texts(raw, path))


_REQUEST: dict[str, tuple[str, Read[Any]]] = {
    "model": ("model", read_text),
    "max_tokens": ("max_tokens", read_count),
    "system": ("system", read_system),
    "messages": ("messages", read_messages),
    "tools": ("tools", read_tools),
    "tool_choice": ("tool_choice", read_tool_choice),
    "thinking": ("thinking", read_fields),
    "output_config": ("output_config", read_fields),
    "output_format": ("output_format", read_fields),
    "metadata": ("metadata", read_fields),
    "temperature": ("temperature", read_number),
    "top_p": ("top_p", read_number),
    "top_k": ("top_k", read_count),
    "stop_sequences": ("stop", _read_stop),
    "stream": ("stream", read_flag),
}


def decode_request(body: bytes) -> ChatRequest:
    values, extra = sort_fields(read_document(body), _REQUEST, "")
    for name in ("model", "messages"):
        if name not in values:
            raise wrong(name, "required")
    if (system := values.pop("system", None)) is not None:
        values["messages"] = (system, *values["messages"])
    _take_tool_choice(values, extra)
    _take_metadata(values, extra)
    _take_output(values, extra)
    stream = values.get("stream", False)
    return ChatRequest(**values, stream_usage=stream, format=FORMAT, extra=freeze(extra))


def _take_tool_choice(values: dict[str, Any], extra: Fields) -> None:
    if "tool_choice" in values:
        values["tool_choice"], values["parallel_tool_calls"], rest = values["tool_choice"]
        extra.update(rest)


def _take_metadata(values: dict[str, Any], extra: Fields) -> None:
    metadata: Fields = dict(values.pop("metadata", {}))
    if (user := metadata.pop("user_id", NULL)) != NULL:
        values["user"] = read_text(user, "metadata.user_id")
    extra.update(spread_rest(metadata, "metadata"))


def _take_output(values: dict[str, Any], extra: Fields) -> None:
    """How the answer shall look and how hard to think share one object, so they are read together."""
    output: Fields = dict(values.pop("output_config", {}))
    thinking = values.pop("thinking", None)
    raw_effort, raw_format = output.pop("effort", NULL), output.pop("format", NULL)
    effort = None if raw_effort == NULL else read_text(raw_effort, "output_config.effort")
    wanted = values.pop("output_format", None)
    if raw_format != NULL:
        wanted = read_fields(raw_format, "output_config.format")
    if wanted is not None:
        values["response_format"] = _read_format(wanted, "output_config.format")
    if (reasoning := read_reasoning(thinking, effort)) is not None:
        values["reasoning"] = reasoning
    extra.update(spread_rest(output, "output_config"))


def _read_format(fields: Fields, path: str) -> ResponseFormat:
    rest = dict(fields)
    if read_kind(rest, path) != "json_schema":
        raise wrong(f"{path}.type", "expected json_schema")
    del rest["type"]
    schema = rest.pop("schema", NULL)
    return ResponseFormat(
        kind="json_schema", schema=read_object(schema, f"{path}.schema"), extra=extra_of(rest, "", {})
    )


def encode_request(request: ChatRequest) -> Encoded:
    crossing = crossing_from(request.format)
    return Encoded(body=encode(request_body(request, crossing)), dropped=crossing.names())


def request_body(request: ChatRequest, crossing: Crossing) -> Body:
    system, messages = write_conversation(request.messages, crossing)
    body: Body = {"model": request.model, "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS}
    if request.max_tokens == 0 and crossing.own:
        body["max_tokens"] = 0  # warms the prompt cache
    if system is not None:
        body["system"] = system
    body["messages"] = messages
    _add_tools(body, request, crossing)
    _add_sampling(body, request, crossing)
    _add_format(body, request.response_format, crossing)
    add_reasoning(body, request, crossing)
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    if request.stream:
        body["stream"] = True
    shared, rest = share_fields(request, FORMAT)
    body |= shared
    crossing.add_extra(body, rest)
    return body


def _add_tools(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    if request.tools and (tools := write_tools(request.tools, crossing)):
        body["tools"] = tools
    if (choice := write_tool_choice(request, crossing)) is not None:
        body["tool_choice"] = choice


def _add_sampling(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if (request.temperature or 0) > _MAX_TEMPERATURE and not crossing.own:
        body["temperature"] = _MAX_TEMPERATURE
        crossing.drop("temperature")
    if stop := _stop_sequences(request.stop, crossing):
        body["stop_sequences"] = stop
    if request.n not in (None, 1):
        crossing.drop("n")
    if request.seed is not None:
        crossing.drop("seed")
    for name in ("presence_penalty", "frequency_penalty"):
        if getattr(request, name):
            crossing.drop(name)


def _stop_sequences(stop: tuple[str, ...], crossing: Crossing) -> list[str]:
    """Without those of nothing but white space, which the API refuses."""
    kept = [text for text in stop if crossing.own or text.strip()]
    if len(kept) < len(stop):
        crossing.drop("stop")
    return kept


def _add_format(body: Body, wanted: ResponseFormat | None, crossing: Crossing) -> None:
    if wanted is None or wanted.kind == "text":
        return
    if wanted.schema is None:
        crossing.drop("response_format")
        return
    form: Body = {"type": "json_schema", "schema": wanted.schema}
    crossing.add_extra(form, wanted.extra, "response_format.")
    body.setdefault("output_config", {})["format"] = form
