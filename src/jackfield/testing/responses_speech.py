"""The Responses API as an upstream speaks it, which keeps the responses that it is asked to."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.testing.openai_speech import CREATED, OpenAIErrors
from jackfield.testing.replies import Asked, OfferedTool, Reply, describe_image, split_words
from jackfield.testing.speech import Json, WrongRequestError, require, write_event
from jackfield.wire.chat import ToolCall, Usage

PARAMETERS = frozenset(
    (
        *("background", "conversation", "include", "input", "instructions", "max_output_tokens", "max_tool_calls"),
        *(
            "metadata",
            "model",
            "parallel_tool_calls",
            "previous_response_id",
            "prompt",
            "prompt_cache_key",
            "reasoning",
        ),
        *("reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature", "text"),
        *("tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user"),
    )
)
CONTENT = {"assistant": {"output_text", "refusal"}}
USER_CONTENT = {"input_text", "input_image", "input_file"}
ECHOED = ("instructions", "max_output_tokens", "metadata", "previous_response_id", "temperature", "top_p", "user")
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
ENCRYPTED = "gAAAAA" + base64.b64encode(b"scripted reasoning").decode()


class OpenAIResponses(OpenAIErrors):
    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        require(body, "model")
        if unknown := sorted(body.keys() - PARAMETERS):
            raise WrongRequestError(f"Unknown parameter: '{unknown[0]}'.")
        items = _items_of(body)
        messages = [item for item in items if item["type"] == "message"]
        told = [_text_of(item) for item in messages if item["role"] in ("system", "developer")]
        told = [body["instructions"], *told] if body.get("instructions") else told
        return Asked(
            model=body["model"],
            stream=bool(body.get("stream")),
            stream_usage=True,
            system="\n".join(told),
            user=next((_text_of(item) for item in reversed(messages) if item["role"] == "user"), ""),
            images=tuple(_images_of(messages)),
            results=tuple(_results_of(items)),
            tools=tuple(_tools_of(body)),
            choice=_choice_of(body.get("tool_choice") or "auto"),
            parallel=body.get("parallel_tool_calls", True),
            schema=_schema_of(body.get("text")),
            max_tokens=body.get("max_output_tokens"),
            thinking=(body.get("reasoning") or {}).get("effort", "none") != "none",
            read="\n".join(_text_of(item) for item in messages),
            body=body,
        )

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json:
        status = "incomplete" if reply.finish in INCOMPLETE else "completed"
        return _response(asked, number, status, list(_output_of(asked, reply, number)), reply)

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        begun = _response(asked, number, "in_progress", [], None)
        told = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
        for place, item in enumerate(_output_of(asked, reply, number)):
            told += _events_of(item, place)
        whole = self.whole(asked, reply, number)
        told.append((f"response.{whole['status']}", {"response": whole}))
        return [write_event({"type": kind, "sequence_number": n, **body}, kind) for n, (kind, body) in enumerate(told)]

    def end(self) -> bytes:
        """The last event has ended it; what follows is a comment."""
        return b": end\n\n"

    def failure_event(self, message: str) -> bytes:
        body = {"type": "error", "sequence_number": 99, "code": "server_error", "message": message, "param": None}
        return write_event(body, "error")


def _items_of(body: Json) -> list[Json]:
    given = body.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not items and not body.get("previous_response_id"):
        raise WrongRequestError("Missing required parameter: 'input'.")
    items = [{"type": "message", **item} for item in items]
    called: set[str] = set()
    for place, item in enumerate(items):
        _check_item(item, f"input[{place}]", called, body)
    return items


def _check_item(item: Json, path: str, called: set[str], body: Json) -> None:
    if item["type"] == "message":
        allowed = CONTENT.get(item["role"], USER_CONTENT)
        for part in item["content"] if isinstance(item["content"], list) else ():
            if part["type"] not in allowed:
                raise WrongRequestError(f"Invalid value: '{part['type']}' at '{path}.content'.")
    elif item["type"] == "function_call":
        called.add(item["call_id"])
    elif item["type"] == "function_call_output":
        if item["call_id"] not in called and not body.get("previous_response_id"):
            raise WrongRequestError(f"No tool call found for function call output with call_id {item['call_id']}.")
    elif item["type"] == "reasoning" and item.get("encrypted_content") not in (None, ENCRYPTED):
        raise WrongRequestError("The encrypted content could not be verified.")


def _text_of(item: Json) -> str:
    content = item.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] in ("input_text", "output_text"))


def _images_of(messages: list[Json]) -> Iterator[str]:
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "input_image":
                yield _describe_url(part["image_url"])


def _describe_url(url: str) -> str:
    if not url.startswith("data:"):
        return describe_image(None, None, url)
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return describe_image(kind, base64.b64decode(data), None)


def _results_of(items: list[Json]) -> Iterator[tuple[str, str]]:
    last = len(items)
    while last and items[last - 1]["type"] == "function_call_output":
        last -= 1
    for item in items[last:]:
        yield item["call_id"], _text_of({"content": item["output"]})


def _tools_of(body: Json) -> Iterator[OfferedTool]:
    for tool in body.get("tools") or ():
        if tool["type"] == "function":
            yield OfferedTool(name=tool["name"], schema=tool.get("parameters") or {})


def _choice_of(choice: str | Json) -> str:
    return choice if isinstance(choice, str) else str(choice["name"])


def _schema_of(text: Json | None) -> Mapping[str, Any] | None:
    wanted = (text or {}).get("format") or {"type": "text"}
    if wanted["type"] == "text":
        return None
    return wanted["schema"] if wanted["type"] == "json_schema" else {"type": "object"}


def _response(asked: Asked, number: int, status: str, output: list[Json], reply: Reply | None) -> Json:
    reason = INCOMPLETE.get(reply.finish) if reply is not None else None
    return {
        "id": f"resp_{number:08d}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason is not None else None,
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": asked.parallel,
        "reasoning": asked.body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": asked.body.get("store", True),
        "text": asked.body.get("text") or {"format": {"type": "text"}},
        "tool_choice": asked.body.get("tool_choice") or "auto",
        "tools": asked.body.get("tools") or [],
        "truncation": "disabled",
        "usage": _usage_of(reply.spent(asked)) if reply is not None else None,
        **{name: asked.body.get(name) for name in ECHOED},
    }


def _usage_of(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _output_of(asked: Asked, reply: Reply, number: int) -> Iterator[Json]:
    if reply.thinking is not None:
        yield _reasoning_of(asked, reply.thinking, number)
    if content := list(_content_of(reply)):
        head = {"id": f"msg_{number:08d}", "type": "message", "status": "completed", "role": "assistant"}
        yield {**head, "content": content}
    for place, call in enumerate(reply.tool_calls):
        yield _call_of(call, f"fc_{number:08d}_{place}")


def _reasoning_of(asked: Asked, thinking: str, number: int) -> Json:
    item: Json = {"id": f"rs_{number:08d}", "type": "reasoning"}
    item["summary"] = [{"type": "summary_text", "text": thinking}]
    if "reasoning.encrypted_content" in (asked.body.get("include") or ()):
        item["encrypted_content"] = ENCRYPTED
    return item


def _content_of(reply: Reply) -> Iterator[Json]:
    if reply.text or not (reply.tool_calls or reply.refusal):
        yield {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    if reply.refusal is not None:
        yield {"type": "refusal", "refusal": reply.refusal}


def _call_of(call: ToolCall, identifier: str) -> Json:
    head = {"id": identifier, "type": "function_call", "status": "completed"}
    return {**head, "arguments": call.arguments, "call_id": call.id, "name": call.name}


def _events_of(item: Json, place: int) -> Iterator[tuple[str, Json]]:
    where = {"item_id": item["id"], "output_index": place}
    begun = {**item, "status": "in_progress"}
    if item["type"] == "function_call":
        yield "response.output_item.added", {"output_index": place, "item": {**begun, "arguments": ""}}
        yield from _pieces("response.function_call_arguments", "arguments", item["arguments"], where)
    elif item["type"] == "message":
        yield "response.output_item.added", {"output_index": place, "item": {**begun, "content": []}}
        for number, part in enumerate(item["content"]):
            yield from _part_events(part, {**where, "content_index": number})
    else:
        begun = {name: value for name, value in item.items() if name != "encrypted_content"}
        yield "response.output_item.added", {"output_index": place, "item": {**begun, "summary": []}}
        for number, part in enumerate(item["summary"]):
            at = {**where, "summary_index": number}
            yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
            yield from _pieces("response.reasoning_summary_text", "text", part["text"], at)
            yield "response.reasoning_summary_part.done", {**at, "part": part}
    yield "response.output_item.done", {"output_index": place, "item": item}


def _part_events(part: Json, at: Json) -> Iterator[tuple[str, Json]]:
    name = "refusal" if part["type"] == "refusal" else "text"
    kind = "response.refusal" if name == "refusal" else "response.output_text"
    more: Json = {} if name == "refusal" else {"logprobs": []}
    yield "response.content_part.added", {**at, "part": {**part, name: ""}}
    yield from _pieces(kind, name, part[name], {**at, **more})
    yield "response.content_part.done", {**at, "part": part}


def _pieces(kind: str, field: str, text: str, at: Json) -> Iterator[tuple[str, Json]]:
    for piece in split_words(text):
        yield f"{kind}.delta", {**at, "delta": piece}
    yield f"{kind}.done", {**at, field: text}
