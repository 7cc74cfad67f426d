"""The Anthropic package's messages and token counts, whatever API the upstream speaks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

import anthropic
import pytest

from jackfield.testing import Answer
from jackfield.wire.chat import Usage

from .kinds import SAMPLE, SCHEMA, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIXEL = b"\x89PNG pixel"


async def ask(client: anthropic.AsyncAnthropic, kind: Kind, content: Any, **fields: Any) -> Any:
    fields = {"max_tokens": 100, "messages": [{"role": "user", "content": content}]} | fields
    return await client.messages.create(model=kind.model, **fields)


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


async def test_a_message(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    message = await ask(claude, kind, kind.says("You said: Hello"))

    (block,) = message.content
    assert (block.type, block.text) == ("text", "You said: Hello")
    assert (message.role, message.type, message.stop_reason) == ("assistant", "message", "end_turn")
    assert message.id
    assert message.stop_sequence is None


async def test_a_message_for_the_synchronous_client(sync_claude: anthropic.Anthropic, kind: Kind) -> None:
    messages: Any = [{"role": "user", "content": kind.says("You said: Hello")}]
    message = await asyncio.to_thread(sync_claude.messages.create, model=kind.model, max_tokens=100, messages=messages)

    assert text_of(message) == "You said: Hello"


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]], ids=["text", "blocks"])
async def test_system_prompts_arrive(claude: anthropic.AsyncAnthropic, scripted: Kind, system: Any) -> None:
    message = await ask(claude, scripted, "Hello", system=system)

    assert text_of(message) == "You said: Hello. I was told: Be brief."


async def test_a_conversation_arrives_in_order(claude: anthropic.AsyncAnthropic, scripted: Kind, world: World) -> None:
    turns = [("user", "one"), ("assistant", "two"), ("user", "three")]
    message = await ask(claude, scripted, None, messages=[{"role": role, "content": text} for role, text in turns])

    assert text_of(message) == "You said: three"
    assert [m["role"] for m in world.last_request(scripted)["messages"]] == [role for role, _ in turns]


async def test_usage_arrives(claude: anthropic.AsyncAnthropic, scripted: Kind, world: World) -> None:
    usage = Usage(input=40, output=9, cached=16, reasoning=3)
    world.upstreams[scripted.name].script(Answer.text("Sunny.", usage=usage))
    told = (await ask(claude, scripted, "Weather?")).usage

    assert (told.input_tokens, told.cache_read_input_tokens, told.output_tokens) == (24, 16, 9)


async def test_tokens_written_to_the_cache_are_counted(claude: anthropic.AsyncAnthropic, world: World) -> None:
    world.upstreams["anthropic"].script(Answer.text("Sunny.", usage=Usage(input=40, output=9, cache_write=8)))
    told = (await ask(claude, Kind("anthropic"), "Weather?")).usage

    assert (told.input_tokens, told.cache_creation_input_tokens) == (32, 8)


async def test_the_request_id_and_the_upstream_are_visible(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    raw = await claude.messages.with_raw_response.create(
        model=kind.model, max_tokens=100, messages=[{"role": "user", "content": "Hello"}]
    )

    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-jackfield-upstream"] == kind.name
    assert raw.request_id == raw.headers["x-request-id"]


async def test_stop_sequences(claude: anthropic.AsyncAnthropic, world: World) -> None:
    message = await ask(claude, Kind("anthropic"), "one STOP two", stop_sequences=["STOP"])

    assert (text_of(message), message.stop_reason, message.stop_sequence) == (
        "You said: one ",
        "stop_sequence",
        "STOP",
    )


async def test_stop_sequences_reach_an_openai_upstream(claude: anthropic.AsyncAnthropic, world: World) -> None:
    message = await ask(claude, Kind("openai"), "one STOP two", stop_sequences=["STOP"])

    assert text_of(message) == "You said: one "
    assert message.stop_reason in ("end_turn", "stop_sequence")
    assert world.last_request(Kind("openai"))["stop"] in ("STOP", ["STOP"])


async def test_the_token_limit(claude: anthropic.AsyncAnthropic, scripted: Kind) -> None:
    message = await ask(claude, scripted, "one two three", max_tokens=3)

    assert (text_of(message), message.stop_reason) == ("You said: one", "max_tokens")


@pytest.mark.parametrize("given", ["url", "base64"])
async def test_images(claude: anthropic.AsyncAnthropic, scripted: Kind, given: str) -> None:
    packed = base64.b64encode(PIXEL).decode()
    source = {"type": "base64", "media_type": "image/png", "data": packed}
    seen = f"image image/png of 10 bytes {hashlib.sha256(PIXEL).hexdigest()[:12]}"
    if given == "url":
        source = {"type": "url", "url": "https://example.com/a.png"}
        seen = "image at https://example.com/a.png"
    image = {"type": "image", "source": source}
    message = await ask(claude, scripted, [{"type": "text", "text": "What is this?"}, image])

    assert text_of(message) == f"You said: What is this?. You showed: {seen}"


async def test_structured_output(claude: anthropic.AsyncAnthropic, scripted: Kind) -> None:
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    message = await ask(claude, scripted, "Plan a trip", output_config=wanted)

    assert json.loads(text_of(message)) == SAMPLE


async def test_thinking_comes_first(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    asked = kind.thinks("The user says: Hello", "You said: Hello")
    budget = {"type": "enabled", "budget_tokens": 1024}
    message = await ask(claude, kind, asked, thinking=budget, max_tokens=2000)

    thought, said = message.content
    assert (thought.type, thought.thinking) == ("thinking", "The user says: Hello")
    assert (said.type, said.text) == ("text", "You said: Hello")


async def test_signed_thinking_returns_to_its_upstream_unchanged(
    claude: anthropic.AsyncAnthropic, world: World
) -> None:
    budget = {"type": "enabled", "budget_tokens": 1024}
    first = await ask(claude, Kind("anthropic"), "Hello", thinking=budget, max_tokens=2000)
    messages = [{"role": "user", "content": "Hello"}, first.to_param(), {"role": "user", "content": "And now?"}]
    await ask(claude, Kind("anthropic"), None, messages=messages, thinking=budget, max_tokens=2000)

    thought = world.last_request(Kind("anthropic"))["messages"][1]["content"][0]
    assert thought["thinking"] == first.content[0].thinking
    assert thought["signature"] == first.content[0].signature


async def test_tokens_are_counted(claude: anthropic.AsyncAnthropic, kind: Kind) -> None:
    few = await claude.messages.count_tokens(model=kind.model, messages=[{"role": "user", "content": "Hello"}])
    many = await claude.messages.count_tokens(
        model=kind.model, system="Be brief.", messages=[{"role": "user", "content": "Hello " * 100}]
    )

    assert 0 < few.input_tokens < many.input_tokens


async def test_tokens_are_counted_by_the_upstream_where_it_can(claude: anthropic.AsyncAnthropic, world: World) -> None:
    counted = await claude.messages.count_tokens(
        model="via-anthropic", messages=[{"role": "user", "content": "one two three"}]
    )

    assert counted.input_tokens == 3
    assert world.upstreams["anthropic"].requests[-1].path == "/v1/messages/count_tokens"


async def test_models_are_listed_in_the_anthropic_form(claude: anthropic.AsyncAnthropic) -> None:
    models = [model async for model in await claude.models.list()]
    one = await claude.models.retrieve("via-echo")

    assert {"via-openai", "via-anthropic", "via-echo"} <= {model.id for model in models}
    assert (one.id, one.type) == ("via-echo", "model")


async def test_fields_that_the_gateway_does_not_know_pass_through(
    claude: anthropic.AsyncAnthropic, world: World
) -> None:
    extra = {"brand_new": [1, {"a": None}]}
    await ask(claude, Kind("anthropic"), "Hello", extra_body=extra, metadata={"user_id": "u1"})

    received = world.last_request(Kind("anthropic"))
    assert received["brand_new"] == extra["brand_new"]
    assert received["metadata"] == {"user_id": "u1"}


async def test_beta_headers_reach_an_anthropic_upstream(claude: anthropic.AsyncAnthropic, world: World) -> None:
    await ask(claude, Kind("anthropic"), "Hello", extra_headers={"anthropic-beta": "new-thing-2026"})

    request = world.upstreams["anthropic"].requests[-1]
    assert request.header("anthropic-beta") == "new-thing-2026"
    assert request.header("anthropic-version")
