"""What an upstream understood of a request and what it says, whatever API it says it in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jackfield.wire.chat import FinishReason, ToolCall, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The little of a request that a derived reply depends on.

    `choice` is `auto`, `none`, `required` or a tool's name; `results` are the tool results of the last
    turn, by call id; `images` are descriptions; `read` is all that the model has to read, for counting
    tokens. `body` is the request itself where the reply is not a completion.
    """

    model: str = ""
    stream: bool = False
    stream_usage: bool = False
    system: str = ""
    user: str = ""
    images: tuple[str, ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    tools: tuple[OfferedTool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    schema: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    thinking: bool = False
    choices: int = 1
    read: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of a model. Without `usage`, words are counted as tokens."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str | None = None
    refusal: str | None = None
    finish: FinishReason = "stop"
    stop_sequence: str | None = None
    usage: Usage | None = None

    def spent(self, asked: Asked) -> Usage:
        if self.usage is not None:
            return self.usage
        thought = count_words(self.thinking or "")
        said = count_words(self.text) + sum(count_words(call.arguments) + 1 for call in self.tool_calls)
        return Usage(input=count_words(asked.read), output=thought + max(said, 1), reasoning=thought)


def count_words(text: str) -> int:
    return len(text.split())


def split_words(text: str) -> list[str]:
    """Pieces that add up to the text, a word each, as a model streams them."""
    words = text.split(" ")
    return [word if index == 0 else f" {word}" for index, word in enumerate(words) if word or index]


def describe_image(media_type: str | None, data: bytes | None, url: str | None) -> str:
    if data is None:
        return f"image at {url}"
    return f"image {media_type} of {len(data)} bytes {hashlib.sha256(data).hexdigest()[:12]}"


def call_tools(*calls: tuple[str, Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(id=f"call_{number}", name=name, arguments=json.dumps(arguments))
        for number, (name, arguments) in enumerate(calls, start=1)
    )


def derive_reply(asked: Asked) -> Reply:
    """The reply of a model that does what the request says, the same each time.

    It calls the tools that the user names (or one where it must), repeats tool results, fills a JSON schema,
    describes images and otherwise repeats the user; stop sequences and the token limit cut it.
    """
    thinking = f"The user says: {asked.user}" if asked.thinking else None
    if called := _choose_tools(asked):
        calls = call_tools(*((tool.name, sample_value(tool.schema)) for tool in called))
        return Reply(tool_calls=calls, thinking=thinking, finish="tool_calls")
    return _cut(Reply(text=_compose(asked), thinking=thinking), asked)


def _choose_tools(asked: Asked) -> Sequence[OfferedTool]:
    if asked.results or asked.choice == "none":
        return ()
    named = [tool for tool in asked.tools if tool.name in asked.user]
    if asked.choice == "required":
        named = named or list(asked.tools[:1])
    elif asked.choice != "auto":
        return [tool for tool in asked.tools if tool.name == asked.choice]
    return named if asked.parallel else named[:1]


def _compose(asked: Asked) -> str:
    if asked.results:
        return "Results: " + "; ".join(f"{call}={text}" for call, text in asked.results)
    if asked.schema is not None:
        return json.dumps(sample_value(asked.schema))
    parts = [f"You said: {asked.user}"]
    parts += [f"You showed: {image}" for image in asked.images]
    if asked.system:
        parts.append(f"I was told: {asked.system}")
    return ". ".join(parts)


def _cut(reply: Reply, asked: Asked) -> Reply:
    found = [(reply.text.index(stop), stop) for stop in asked.stop if stop in reply.text]
    if found:
        place, stop = min(found)
        reply = replace(reply, text=reply.text[:place], finish="stop_sequence", stop_sequence=stop)
    words = split_words(reply.text)
    if asked.max_tokens is not None and len(words) > asked.max_tokens:
        return replace(reply, text="".join(words[: asked.max_tokens]), finish="length", stop_sequence=None)
    return reply


def sample_value(schema: Mapping[str, Any]) -> Any:
    """A small value that fits a JSON Schema, the same each time."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample_value(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample_value(schema.get("items", {}))]
    return {"string": "sample", "integer": 7, "number": 1.5, "boolean": True}.get(kind)
