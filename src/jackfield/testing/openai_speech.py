"""The OpenAI API as an upstream speaks it: chat completions, embeddings, models."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.testing.replies import Asked, OfferedTool, Reply, count_words, describe_image, split_words
from jackfield.testing.speech import Json, WrongRequestError, require, write_event
from jackfield.wire.chat import Usage

CREATED = 1_760_000_000
FINISH = {"stop_sequence": "stop", "refusal": "stop", "pause": "stop", "unknown": "stop"}
ERROR_TYPES = {
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "requests",
}
ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
DIMENSIONS = 8


class OpenAIErrors:
    headers: tuple[tuple[str, str], ...] = (("openai-processing-ms", "12"), ("openai-version", "2020-10-01"))

    def failure(self, status: int, message: str) -> Json:
        kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": ERROR_CODES.get(status)}}

    def failure_event(self, message: str) -> bytes:
        return write_event(self.failure(500, message))

    def end(self) -> bytes:
        return write_event("[DONE]")


class OpenAIChat(OpenAIErrors):
    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        require(body, "model", "messages")
        messages: list[Json] = body["messages"]
        if not messages:
            raise WrongRequestError("Invalid 'messages': empty array. Expected at least one.")
        _check_tool_messages(messages)
        told = [_text_of(m) for m in messages if m["role"] in ("system", "developer")]
        return Asked(
            model=body["model"],
            stream=bool(body.get("stream")),
            stream_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            system="\n".join(told),
            user=next((_text_of(m) for m in reversed(messages) if m["role"] == "user"), ""),
            images=tuple(_images_of(messages)),
            results=tuple(_results_of(messages)),
            tools=tuple(_tools_of(body)),
            choice=_choice_of(body.get("tool_choice", "auto")),
            parallel=body.get("parallel_tool_calls", True),
            schema=_schema_of(body.get("response_format")),
            stop=_stop_of(body.get("stop")),
            max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            thinking=body.get("reasoning_effort", "none") != "none",
            choices=body.get("n") or 1,
            read="\n".join(_text_of(m) for m in messages),
        )

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json:
        choice = {"message": _message_of(reply), "logprobs": None, "finish_reason": _finish_of(reply)}
        return {
            "id": f"chatcmpl-{number:08d}",
            "object": "chat.completion",
            "created": CREATED,
            "model": asked.model,
            "choices": [{"index": index, **choice} for index in range(asked.choices)],
            "usage": _usage_of(reply.spent(asked)),
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        head = {
            "id": f"chatcmpl-{number:08d}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }
        tail: Json = {"usage": None} if asked.stream_usage else {}
        chunks = [{**head, "choices": [choice], **tail} for choice in _chunk_choices(asked, reply)]
        if asked.stream_usage:
            chunks.append({**head, "choices": [], "usage": _usage_of(reply.spent(asked))})
        return [write_event(chunk) for chunk in chunks]


class OpenAIEmbeddings(OpenAIErrors):
    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        require(body, "model", "input")
        return Asked(model=body["model"], read=" ".join(str(item) for item in _inputs_of(body)), body=body)

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json:
        size = asked.body.get("dimensions") or DIMENSIONS
        encode = _pack if asked.body.get("encoding_format") == "base64" else list
        vectors = [encode(embed_text(str(item), size)) for item in _inputs_of(asked.body)]
        tokens = count_words(asked.read)
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)],
            "model": asked.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        return []


def embed_text(text: str, size: int = DIMENSIONS) -> list[float]:
    """A vector of float32 values, the same for the same text."""
    digest = hashlib.shake_128(text.encode()).digest(size)
    return [struct.unpack("<f", struct.pack("<f", byte / 127.5 - 1))[0] for byte in digest]


def list_models(names: tuple[str, ...]) -> Json:
    return {"object": "list", "data": [describe_model(name) for name in names]}


def describe_model(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "scripted"}


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _inputs_of(body: Mapping[str, Any]) -> list[Any]:
    given = body["input"]
    tokens = isinstance(given, list) and bool(given) and isinstance(given[0], int)
    return given if isinstance(given, list) and not tokens else [given]


def _check_tool_messages(messages: list[Json]) -> None:
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise WrongRequestError(
                    f"messages[{index}]: a message with role 'tool' must answer a preceding 'tool_calls'"
                )
        else:
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}


def _text_of(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _images_of(messages: list[Json]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] == "image_url":
                yield _describe_url(part["image_url"]["url"])


def _describe_url(url: str) -> str:
    if not url.startswith("data:"):
        return describe_image(None, None, url)
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return describe_image(kind, base64.b64decode(data), None)


def _results_of(messages: list[Json]) -> Iterator[tuple[str, str]]:
    last = len(messages)
    while last and messages[last - 1]["role"] == "tool":
        last -= 1
    for message in messages[last:]:
        yield message["tool_call_id"], _text_of(message)


def _tools_of(body: Json) -> Iterator[OfferedTool]:
    for tool in body.get("tools") or ():
        if tool["type"] == "function":
            yield OfferedTool(name=tool["function"]["name"], schema=tool["function"].get("parameters") or {})


def _choice_of(choice: str | Json) -> str:
    return choice if isinstance(choice, str) else str(choice["function"]["name"])


def _schema_of(wanted: Json | None) -> Mapping[str, Any] | None:
    if not wanted or wanted["type"] == "text":
        return None
    return wanted["json_schema"]["schema"] if wanted["type"] == "json_schema" else {"type": "object"}


def _stop_of(stop: str | list[str] | None) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def _finish_of(reply: Reply) -> str:
    return FINISH.get(reply.finish, reply.finish)


def _message_of(reply: Reply) -> Json:
    message: Json = {
        "role": "assistant",
        "content": reply.text or None,
        "refusal": reply.refusal,
        "annotations": [],
    }
    if not reply.text and not reply.tool_calls and reply.refusal is None:
        message["content"] = ""
    if reply.thinking is not None:
        message["reasoning_content"] = reply.thinking
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.tool_calls
        ]
    return message


def _usage_of(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _chunk_choices(asked: Asked, reply: Reply) -> Iterator[Json]:
    for index in range(asked.choices):
        for delta in _deltas(reply):
            yield {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish_of(reply)}


def _deltas(reply: Reply) -> Iterator[Json]:
    yield {"role": "assistant", "content": None if reply.tool_calls else "", "refusal": None}
    for piece in split_words(reply.thinking or ""):
        yield {"reasoning_content": piece}
    for piece in split_words(reply.text):
        yield {"content": piece}
    for piece in split_words(reply.refusal or ""):
        yield {"refusal": piece}
    for index, call in enumerate(reply.tool_calls):
        started = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": started}]}
        middle = len(call.arguments) // 2
        for piece in (call.arguments[:middle], call.arguments[middle:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
