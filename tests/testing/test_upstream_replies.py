"""Without a script the upstream does what the request says, the same each time, in both APIs alike."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from jackfield.testing import Caller, Upstream

PIXEL = base64.b64encode(b"\x89PNG pixel").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = ("get_weather", "get_time")
OPENAI_TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in TOOLS]
ANTHROPIC_TOOLS = [{"name": name, "input_schema": SCHEMA} for name in TOOLS]


async def chat(content: Any, **fields: Any) -> dict[str, Any]:
    messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
    async with Upstream() as upstream, Caller(upstream.openai_url) as caller:
        called = await caller.post("/chat/completions", {"model": "m", "messages": messages, **fields})
    assert called.status == 200, called.body
    return dict(called.json["choices"][0])


async def message(content: Any, **fields: Any) -> dict[str, Any]:
    messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
    body = {"model": "m", "max_tokens": 100, "messages": messages, **fields}
    async with Upstream() as upstream, Caller(upstream.anthropic_url) as caller:
        called = await caller.post("/v1/messages", body, anthropic_version="2023-06-01")
    assert called.status == 200, called.body
    return dict(called.json)


def text_of(answer: dict[str, Any]) -> str:
    if "message" in answer:
        return str(answer["message"]["content"])
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


async def test_it_repeats_the_user_and_the_system_prompt() -> None:
    openai = await chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}])
    anthropic = await message("Hello there", system="Be brief.")

    assert text_of(openai) == text_of(anthropic) == "You said: Hello there. I was told: Be brief."
    assert (openai["finish_reason"], anthropic["stop_reason"]) == ("stop", "end_turn")


async def test_it_calls_the_tools_that_the_user_names() -> None:
    asked = "Use get_weather and get_time"
    openai = await chat(asked, tools=OPENAI_TOOLS)
    anthropic = await message(asked, tools=ANTHROPIC_TOOLS)

    calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in openai["message"]["tool_calls"]]
    assert calls == [(name, {"city": "sample", "days": 7}) for name in TOOLS]
    assert [(b["name"], b["input"]) for b in anthropic["content"]] == calls
    assert (openai["finish_reason"], anthropic["stop_reason"]) == ("tool_calls", "tool_use")


async def test_it_calls_one_tool_where_parallel_calls_are_ruled_out() -> None:
    asked = "Use get_weather and get_time"
    one = {"type": "auto", "disable_parallel_tool_use": True}
    openai = await chat(asked, tools=OPENAI_TOOLS, parallel_tool_calls=False)
    anthropic = await message(asked, tools=ANTHROPIC_TOOLS, tool_choice=one)

    assert len(openai["message"]["tool_calls"]) == len(anthropic["content"]) == 1


@pytest.mark.parametrize(
    ("openai", "anthropic", "called"),
    [
        ("none", {"type": "none"}, []),
        ("required", {"type": "any"}, ["get_weather"]),
        (
            {"type": "function", "function": {"name": "get_time"}},
            {"type": "tool", "name": "get_time"},
            ["get_time"],
        ),
    ],
)
async def test_it_follows_the_tool_choice(openai: Any, anthropic: Any, called: list[str]) -> None:
    chosen = (await chat("Hello", tools=OPENAI_TOOLS, tool_choice=openai))["message"].get("tool_calls", [])
    used = (await message("Hello", tools=ANTHROPIC_TOOLS, tool_choice=anthropic))["content"]

    assert [call["function"]["name"] for call in chosen] == called
    assert [block["name"] for block in used if block["type"] == "tool_use"] == called


async def test_it_repeats_the_results_of_parallel_calls() -> None:
    call = {"type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    openai = await chat(
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "tool_calls": [call | {"id": "a"}, call | {"id": "b"}]},
            {"role": "tool", "tool_call_id": "a", "content": "sun"},
            {"role": "tool", "tool_call_id": "b", "content": "rain"},
        ]
    )
    use = {"type": "tool_use", "name": "get_weather", "input": {}}
    result = {"type": "tool_result"}
    anthropic = await message(
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": [use | {"id": "a"}, use | {"id": "b"}]},
            {
                "role": "user",
                "content": [
                    result | {"tool_use_id": "a", "content": "sun"},
                    result | {"tool_use_id": "b", "content": [{"type": "text", "text": "rain"}]},
                ],
            },
        ]
    )

    assert text_of(openai) == text_of(anthropic) == "Results: a=sun; b=rain"


async def test_it_describes_images() -> None:
    text = {"type": "text", "text": "What is this?"}
    openai = await chat(
        [
            {
                "role": "user",
                "content": [
                    text,
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ]
    )
    packed = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    anthropic = await message(
        [
            {
                "role": "user",
                "content": [
                    text,
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                    {"type": "image", "source": packed},
                ],
            }
        ]
    )

    assert text_of(openai) == text_of(anthropic)
    assert "image at https://example.com/a.png" in text_of(openai)
    assert "image image/png of 10 bytes" in text_of(openai)


async def test_it_fills_a_json_schema() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}}
    openai = await chat("Plan", response_format=wanted)
    anthropic = await message("Plan", output_config={"format": {"type": "json_schema", "schema": SCHEMA}})

    assert json.loads(text_of(openai)) == json.loads(text_of(anthropic)) == {"city": "sample", "days": 7}


async def test_it_stops_at_a_stop_sequence() -> None:
    openai = await chat("one STOP two", stop=["STOP"])
    anthropic = await message("one STOP two", stop_sequences=["STOP"])

    assert text_of(openai) == text_of(anthropic) == "You said: one "
    assert (openai["finish_reason"], anthropic["stop_reason"]) == ("stop", "stop_sequence")
    assert anthropic["stop_sequence"] == "STOP"


async def test_it_keeps_the_token_limit() -> None:
    openai = await chat("one two three", max_completion_tokens=3)
    anthropic = await message("one two three", max_tokens=3)

    assert text_of(openai) == text_of(anthropic) == "You said: one"
    assert (openai["finish_reason"], anthropic["stop_reason"]) == ("length", "max_tokens")


async def test_it_thinks_where_it_is_asked_to() -> None:
    openai = await chat("Hello", reasoning_effort="low")
    anthropic = await message("Hello", thinking={"type": "enabled", "budget_tokens": 1024})

    assert openai["message"]["reasoning_content"] == "The user says: Hello"
    assert anthropic["content"][0]["thinking"] == "The user says: Hello"
    assert anthropic["content"][0]["signature"]
    assert anthropic["usage"]["output_tokens_details"]["thinking_tokens"] == 4


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        ("/v1/messages", {"model": "m", "messages": [{"role": "user", "content": "x"}]}, 400, "max_tokens"),
        ("/v1/messages", {"model": "m", "max_tokens": 1, "messages": []}, 400, "messages"),
        (
            "/v1/messages",
            {"model": "m", "max_tokens": 1, "messages": [{"role": "tool", "content": "x"}]},
            400,
            "messages.0.role",
        ),
        ("/v1/chat/completions", {"model": "m"}, 400, "messages"),
        (
            "/v1/chat/completions",
            {"model": "m", "messages": [{"role": "tool", "tool_call_id": "x", "content": ""}]},
            400,
            "messages[0]",
        ),
        ("/v1/unknown", {}, 404, "/v1/unknown"),
    ],
)
async def test_it_refuses_what_the_api_refuses(path: str, body: dict[str, Any], status: int, named: str) -> None:
    async with Upstream() as upstream, Caller(upstream.url) as caller:
        called = await caller.post(path, body, anthropic_version="2023-06-01")

    assert called.status == status
    assert named in called.json["error"]["message"]


@pytest.mark.parametrize("presented", [{"authorization": "Bearer sk-right"}, {"x-api-key": "sk-right"}])
async def test_it_refuses_a_wrong_key(presented: dict[str, str]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    async with Upstream(key="sk-right") as upstream, Caller(upstream.openai_url) as caller:
        right = await caller.call("POST", "/chat/completions", body=body, headers=presented)
        wrong = await caller.post("/chat/completions", body, authorization="Bearer sk-wrong")

    assert (right.status, wrong.status) == (200, 401)
    assert wrong.json["error"]["code"] == "invalid_api_key"
