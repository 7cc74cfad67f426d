"""The OpenAI package's responses, whatever API the upstream speaks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from jackfield.testing import Answer
from jackfield.wire.chat import Usage

from .kinds import SAMPLE, SCHEMA, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIXEL = b"\x89PNG pixel"
NAMES = ("get_weather", "get_time")
TOOLS: Any = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": True} for name in NAMES]


class Trip(BaseModel):
    city: str
    days: int


async def ask(client: openai.AsyncOpenAI, kind: Kind, given: Any = "Hello", **fields: Any) -> Any:
    return await client.responses.create(model=kind.model, input=given, **fields)


def called(response: Any) -> list[tuple[str, Any]]:
    calls = [item for item in response.output if item.type == "function_call"]
    return [(call.name, json.loads(call.arguments)) for call in calls]


async def test_a_response(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    response = await ask(gpt, speaker, instructions="Be brief.", metadata={"team": "a"})

    assert response.output_text == "You said: Hello. I was told: Be brief."
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert (response.instructions, response.metadata) == ("Be brief.", {"team": "a"})
    assert response.id
    assert response.created_at > 0
    (item,) = response.output
    assert (item.type, item.role, item.status) == ("message", "assistant", "completed")


async def test_a_response_for_the_synchronous_client(sync_gpt: openai.OpenAI, speaker: Kind) -> None:
    response = await asyncio.to_thread(sync_gpt.responses.create, model=speaker.model, input="Hello")
    assert response.output_text == "You said: Hello"


async def test_echo_answers_too(gpt: openai.AsyncOpenAI) -> None:
    response = await ask(gpt, Kind("echo"), Kind("echo").thinks("Hm.", "Hello"))

    assert response.output_text == "Hello"
    assert response.output[0].summary[0].text == "Hm."
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


async def test_a_conversation_goes_on_with_what_was_answered(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    """As the package's own guide has it: the output is appended to the input, and the results of tools to that."""
    turns: list[Any] = [{"role": "user", "content": f"Use {' and '.join(NAMES)}"}]
    first = await ask(gpt, speaker, turns, tools=TOOLS, reasoning={"effort": "low"})
    assert called(first) == [(name, SAMPLE) for name in NAMES]
    turns += first.output
    calls = [item for item in first.output if item.type == "function_call"]
    turns += [{"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name}!"} for call in calls]
    second = await ask(gpt, speaker, turns, tools=TOOLS)

    assert second.output_text == "Results: call_1=get_weather!; call_2=get_time!"


async def test_reasoning_returns_to_its_upstream(gpt: openai.AsyncOpenAI, speaker: Kind, world: World) -> None:
    told = {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"], "store": False}
    first = await ask(gpt, speaker, max_output_tokens=9000, **told)
    assert first.output[0].summary[0].text == "The user says: Hello"
    turns: list[Any] = [{"role": "user", "content": "Hello"}, *first.output, {"role": "user", "content": "So?"}]
    await ask(gpt, speaker, turns, **told)

    received = json.dumps(world.last_request(speaker))
    seal = {"openai": '"content": "You said: Hello"', "anthropic": '"signature": "c2NyaXB0ZWQ', "responses": "gAAAAA"}
    assert seal[speaker.name] in received


async def test_usage_arrives(gpt: openai.AsyncOpenAI, speaker: Kind, world: World) -> None:
    usage = Usage(input=40, output=9, cached=16, reasoning=3)
    world.upstreams[speaker.name].script(Answer.text("Sunny.", usage=usage))
    told = (await ask(gpt, speaker)).usage

    assert (told.input_tokens, told.output_tokens, told.total_tokens) == (40, 9, 49)
    assert told.input_tokens_details.cached_tokens == 16
    assert told.output_tokens_details.reasoning_tokens == 3


async def test_the_token_limit(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    response = await ask(gpt, speaker, "one two three", max_output_tokens=3)

    assert (response.output_text, response.status) == ("You said: one", "incomplete")
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("given", ["url", "base64"])
async def test_images(gpt: openai.AsyncOpenAI, speaker: Kind, given: str) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    seen = f"image image/png of 10 bytes {hashlib.sha256(PIXEL).hexdigest()[:12]}"
    if given == "url":
        url, seen = "https://example.com/a.png", "image at https://example.com/a.png"
    content: Any = [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    response = await ask(gpt, speaker, [{"role": "user", "content": content}])

    assert response.output_text == f"You said: What?. You showed: {seen}"


async def test_structured_output_is_parsed_by_the_package(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    response = await gpt.responses.parse(model=speaker.model, input="Plan a trip", text_format=Trip)
    assert response.output_parsed == Trip(**SAMPLE)


async def test_a_choice_of_tool(gpt: openai.AsyncOpenAI, speaker: Kind) -> None:
    choice: Any = {"type": "function", "name": "get_time"}
    assert called(await ask(gpt, speaker, tools=TOOLS, tool_choice=choice)) == [("get_time", SAMPLE)]
    assert called(await ask(gpt, speaker, tools=TOOLS, tool_choice="required")) == [("get_weather", SAMPLE)]
    single = await ask(gpt, speaker, f"Use {NAMES}", tools=TOOLS, parallel_tool_calls=False)
    assert called(single) == [("get_weather", SAMPLE)]


async def test_a_refusal_is_told(gpt: openai.AsyncOpenAI, world: World) -> None:
    for name in ("openai", "responses"):
        world.upstreams[name].script(Answer.refusal("I can not say."))
        response = await ask(gpt, Kind(name))
        assert response.output[0].content[0].refusal == "I can not say."


async def test_what_the_upstream_speaks_itself_is_not_touched(gpt: openai.AsyncOpenAI, world: World) -> None:
    fields: dict[str, Any] = {
        "previous_response_id": "resp_1",
        "store": True,
        "tools": [{"type": "web_search"}],
        "truncation": "auto",
        "include": ["web_search_call.action.sources"],
    }
    await ask(gpt, Kind("responses"), **fields)
    received = world.last_request(Kind("responses"))

    assert received == {"model": "scripted", "input": "Hello", **fields}
    assert world.upstreams["responses"].requests[-1].path == "/v1/responses"


@pytest.mark.parametrize("name", ["openai", "anthropic", "echo"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("conversation", "conv_1"),
        ("background", True),
        ("prompt", {"id": "pmpt_1"}),
    ],
)
async def test_what_only_such_an_upstream_keeps_is_refused(
    gpt: openai.AsyncOpenAI, name: str, field: str, value: Any
) -> None:
    with pytest.raises(openai.BadRequestError, match=f"{field}: only an upstream that speaks") as caught:
        await ask(gpt, Kind(name), **{field: value})
    assert caught.value.param == field


async def test_so_are_tools_that_only_such_an_upstream_runs(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(gpt, Kind("openai"), tools=[*TOOLS, {"type": "web_search"}])
    assert caught.value.param == "tools[2]"
    reference: Any = [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "msg_1"}]
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(gpt, Kind("anthropic"), reference)
    assert caught.value.param == "input[1]"


async def test_what_had_no_place_is_named(gpt: openai.AsyncOpenAI) -> None:
    raw = await gpt.responses.with_raw_response.create(
        model="via-anthropic", input="Hello", truncation="auto", top_logprobs=2
    )
    assert {"top_logprobs", "truncation"} <= set(raw.headers["x-jackfield-dropped"].split(", "))


@pytest.mark.parametrize("stream", [False, True])
async def test_clients_of_other_apis_reach_it(gpt: openai.AsyncOpenAI, claude: Any, world: World, stream: bool) -> None:
    turns: Any = [{"role": "user", "content": "Hello"}]
    if stream:
        async with claude.messages.stream(model="via-responses", max_tokens=50, messages=turns) as told:
            assert (await told.get_final_message()).content[0].text == "You said: Hello"
        async with gpt.chat.completions.stream(model="via-responses", messages=turns) as chunks:
            assert (await chunks.get_final_completion()).choices[0].message.content == "You said: Hello"
    else:
        message = await claude.messages.create(model="via-responses", max_tokens=50, messages=turns)
        assert message.content[0].text == "You said: Hello"
        completion = await gpt.chat.completions.create(model="via-responses", messages=turns)
        assert completion.choices[0].message.content == "You said: Hello"
    assert world.last_request(Kind("responses"))["store"] is False


async def test_their_reasoning_returns_to_it(claude: Any, world: World) -> None:
    kind = Kind("responses")
    asked: Any = [{"role": "user", "content": "Hello"}]
    thinking = {"type": "enabled", "budget_tokens": 2048}
    first = await claude.messages.create(model=kind.model, max_tokens=9000, messages=asked, thinking=thinking)
    assert first.content[0].thinking == "The user says: Hello"
    turns = [*asked, {"role": "assistant", "content": first.content}, {"role": "user", "content": "So?"}]
    await claude.messages.create(model=kind.model, max_tokens=9000, messages=turns, thinking=thinking)

    (_, reasoning, _, _) = world.last_request(kind)["input"]
    assert reasoning["type"] == "reasoning"
    assert reasoning["encrypted_content"].startswith("gAAAAA")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": "x", "temperature": "hot"}, "temperature"),
        ({"input": "x", "text": {"format": {}}}, "text.format.type"),
    ],
)
async def test_a_malformed_request(gpt: openai.AsyncOpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gpt.responses.create(model="via-echo", **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (503, openai.InternalServerError)],
)
async def test_what_the_upstream_refuses(
    gpt: openai.AsyncOpenAI, speaker: Kind, world: World, status: int, kind_of_error: type[Exception]
) -> None:
    world.upstreams[speaker.name].script(Answer.status(status, message="because", retry_after=1))
    with pytest.raises(kind_of_error, match="because"):
        await ask(gpt, speaker)
