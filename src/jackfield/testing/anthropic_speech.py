"""The Anthropic API as an upstream speaks it: messages, token counts, models."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.testing.replies import Asked, OfferedTool, Reply, count_words, describe_image, split_words
from jackfield.testing.speech import Json, WrongRequestError, require, write_event
from jackfield.wire.chat import Usage

FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "unknown": "end_turn",
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
CHOICES = {"auto": "auto", "none": "none", "any": "required"}
SIGNATURE = base64.b64encode(b"scripted signature").decode()


class AnthropicErrors:
    headers: tuple[tuple[str, str], ...] = (("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),)

    def failure(self, status: int, message: str) -> Json:
        kind = ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}

    def failure_event(self, message: str) -> bytes:
        return write_event(self.failure(529, message), "error")

    def end(self) -> bytes:
        return write_event({"type": "message_stop"}, "message_stop")


class AnthropicMessages(AnthropicErrors):
    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        require(body, "model", "max_tokens", "messages")
        messages = _checked_messages(body, headers)
        choice = body.get("tool_choice") or {"type": "auto"}
        return Asked(
            model=body["model"],
            stream=bool(body.get("stream")),
            stream_usage=True,
            system=_text_of(body.get("system") or ""),
            user=_last_user_text(messages),
            images=tuple(_images_of(messages)),
            results=tuple(_results_of(messages)),
            tools=tuple(
                OfferedTool(name=tool["name"], schema=tool.get("input_schema") or {})
                for tool in body.get("tools") or ()
            ),
            choice=CHOICES.get(choice["type"], choice.get("name", "auto")),
            parallel=not choice.get("disable_parallel_tool_use", False),
            schema=_schema_of(body),
            stop=tuple(body.get("stop_sequences") or ()),
            max_tokens=body["max_tokens"],
            thinking=(body.get("thinking") or {}).get("type", "disabled") != "disabled",
            read="\n".join([_text_of(body.get("system") or ""), *(_text_of(m["content"]) for m in messages)]),
        )

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json:
        message = _message_head(asked, number)
        message["content"] = [block for block, _ in _blocks_of(reply)]
        message |= {"stop_reason": _finish_of(reply), "stop_sequence": reply.stop_sequence}
        message["usage"] = _usage_of(reply.spent(asked))
        return message

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        spent = reply.spent(asked)
        head = _message_head(asked, number)
        head["usage"] = _usage_of(
            Usage(input=spent.input, output=1, cached=spent.cached, cache_write=spent.cache_write)
        )
        events: list[Json] = [{"type": "message_start", "message": head}]
        for index, (block, deltas) in enumerate(_blocks_of(reply)):
            events.append({"type": "content_block_start", "index": index, "content_block": _emptied(block)})
            events += [{"type": "ping"}] if index == 0 else []
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        ended = {"stop_reason": _finish_of(reply), "stop_sequence": reply.stop_sequence}
        events.append({"type": "message_delta", "delta": ended, "usage": _delta_usage_of(spent)})
        return [write_event(event, event["type"]) for event in events]


class AnthropicTokenCount(AnthropicErrors):
    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        require(body, "model", "messages")
        messages = _checked_messages(body, headers)
        parts = [_text_of(body.get("system") or ""), *(_text_of(m["content"]) for m in messages)]
        return Asked(model=body["model"], read="\n".join(parts))

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json:
        return {"input_tokens": max(count_words(asked.read), 1)}

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        return []


def list_models(names: tuple[str, ...]) -> Json:
    data = [describe_model(name) for name in names]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return {"data": data, "has_more": False, **ends}


def describe_model(name: str) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def _checked_messages(body: Json, headers: Mapping[str, str]) -> list[Json]:
    if "anthropic-version" not in headers:
        raise WrongRequestError("anthropic-version: header is required")
    messages: list[Json] = body["messages"]
    if not messages:
        raise WrongRequestError("messages: at least one message is required")
    for index, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            raise WrongRequestError(f"messages.{index}.role: Input should be 'user' or 'assistant'")
    _check_tool_results(messages)
    return messages


def _check_tool_results(messages: list[Json]) -> None:
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        answered = {block["tool_use_id"] for block in _blocks_in(message) if block["type"] == "tool_result"}
        if answered != open_calls:
            raise WrongRequestError(f"messages.{index}: `tool_use` and `tool_result` blocks do not match")
        open_calls = {block["id"] for block in _blocks_in(message) if block["type"] == "tool_use"}


def _blocks_in(message: Json) -> list[Json]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _text_of(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _last_user_text(messages: list[Json]) -> str:
    said = (_text_of(message["content"]) for message in reversed(messages) if message["role"] == "user")
    return next((text for text in said if text), "")


def _images_of(messages: list[Json]) -> Iterator[str]:
    for message in messages:
        for block in _blocks_in(message):
            if block["type"] == "image":
                yield _describe_source(block["source"])


def _describe_source(source: Json) -> str:
    if source["type"] == "url":
        return describe_image(None, None, source["url"])
    return describe_image(source["media_type"], base64.b64decode(source["data"]), None)


def _results_of(messages: list[Json]) -> Iterator[tuple[str, str]]:
    for block in _blocks_in(messages[-1]):
        if block["type"] == "tool_result":
            yield block["tool_use_id"], _text_of(block.get("content") or "")


def _schema_of(body: Json) -> Mapping[str, Any] | None:
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return wanted["schema"] if wanted else None


def _finish_of(reply: Reply) -> str:
    return FINISH.get(reply.finish, reply.finish)


def _message_head(asked: Asked, number: int) -> Json:
    return {
        "id": f"msg_{number:08d}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": None,
    }


def _usage_of(usage: Usage) -> Json:
    return {
        **_delta_usage_of(usage),
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def _delta_usage_of(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def _blocks_of(reply: Reply) -> Iterator[tuple[Json, list[Json]]]:
    """Each content block with the deltas that build it in a stream."""
    if reply.thinking is not None:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in split_words(reply.thinking)]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        yield {"type": "thinking", "thinking": reply.thinking, "signature": SIGNATURE}, deltas
    if text := reply.text or reply.refusal:
        yield (
            {"type": "text", "text": text},
            [{"type": "text_delta", "text": piece} for piece in split_words(text)],
        )
    for call in reply.tool_calls:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        middle = len(call.arguments) // 2
        pieces = ("", call.arguments[:middle], call.arguments[middle:])
        yield block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _emptied(block: Json) -> Json:
    empty: Json = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) for name, value in block.items()}
