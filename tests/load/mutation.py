"""Request bodies that are a little wrong: real ones, changed at random but the same for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

CHAT: dict[str, Any] = {
    "model": "echo",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                {"type": "text", "text": "And this?"},
            ],
        },
    ],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA, "strict": True}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}},
    "stop": ["STOP"],
    "temperature": 0.5,
    "max_completion_tokens": 100,
    "reasoning_effort": "low",
    "stream": True,
    "stream_options": {"include_usage": True},
    "user": "u1",
}
MESSAGES: dict[str, Any] = {
    "model": "echo",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Weather in Paris?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Paris"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sun"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "text", "text": "And this?"},
            ],
        },
    ],
    "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "stop_sequences": ["STOP"],
    "metadata": {"user_id": "u1"},
    "stream": True,
}
EMBEDDINGS: dict[str, Any] = {
    "model": "echo",
    "input": ["one", "two"],
    "dimensions": 8,
    "encoding_format": "base64",
}
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", CHAT | {"stream": False}),
    ("/v1/messages", MESSAGES),
    ("/v1/messages", MESSAGES | {"stream": False}),
    ("/v1/messages/count_tokens", {k: v for k, v in MESSAGES.items() if k not in ("stream", "max_tokens")}),
    ("/v1/embeddings", EMBEDDINGS),
)
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    10**400,
    "",
    "x" * 5000,
    "\x00",
    "é\u202e😀",
    [],
    {},
    [[]],
    [None],
    {"type": "text"},
    {"type": 7},
    {"": {"": None}},
    "data:image/png;base64,%%%",
    "user",
    "tool",
    "text",
    "none",
)
RAW_ODD = (b"", b"\x00", b"\xff\xfe", b"NaN", b'"', b"[" * 600, b"{", b"\\ud800", b"1e999", b"-", b"\\u0000")


def mutate_request(random_: random.Random) -> tuple[str, bytes]:
    """A path and a body for it."""
    path, body = random_.choice(BODIES)
    changed = copy.deepcopy(body)
    for _ in range(random_.choice((0, 1, 1, 1, 2, 3))):
        random_.choice((replace_node, drop_node, repeat_node, add_field))(changed, random_)
    data = json.dumps(changed, ensure_ascii=random_.random() < 0.5).encode()
    if random_.random() < 0.4:
        data = random_.choice((flip_byte, cut, insert_bytes, double_part))(data, random_)
    return path, data


def pick_node(body: Any, random_: random.Random) -> tuple[Any, Any]:
    """A container anywhere in the body and one of its keys or indexes."""
    container = body
    while True:
        keys = list(container) if isinstance(container, dict) else range(len(container))
        key = random_.choice(list(keys))
        inner = container[key]
        if not (isinstance(inner, dict | list) and inner) or random_.random() < 0.3:
            return container, key
        container = inner


def replace_node(body: Any, random_: random.Random) -> None:
    if body:
        container, key = pick_node(body, random_)
        container[key] = copy.deepcopy(random_.choice(ODD))


def drop_node(body: Any, random_: random.Random) -> None:
    if body:
        container, key = pick_node(body, random_)
        del container[key]


def repeat_node(body: Any, random_: random.Random) -> None:
    if not body:
        return
    container, key = pick_node(body, random_)
    if isinstance(container, list):
        container.extend(copy.deepcopy(container[key]) for _ in range(random_.randrange(1, 50)))
    else:
        container[key] = [copy.deepcopy(container[key])] * 3


def add_field(body: Any, random_: random.Random) -> None:
    if body:
        container, key = pick_node(body, random_)
        if isinstance(container, dict):
            container[f"{key}_{random_.randrange(10)}"] = copy.deepcopy(random_.choice(ODD))


def flip_byte(data: bytes, random_: random.Random) -> bytes:
    place = random_.randrange(len(data))
    return data[:place] + bytes([random_.randrange(256)]) + data[place + 1 :]


def cut(data: bytes, random_: random.Random) -> bytes:
    return data[: random_.randrange(len(data))]


def insert_bytes(data: bytes, random_: random.Random) -> bytes:
    place = random_.randrange(len(data))
    return data[:place] + random_.choice(RAW_ODD) + data[place:]


def double_part(data: bytes, random_: random.Random) -> bytes:
    start, end = sorted((random_.randrange(len(data)), random_.randrange(len(data))))
    return data[:end] + data[start:]


Mutate = Callable[[random.Random], tuple[str, bytes]]
