"""Responses requests whose tools the gateway runs."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from .conftest import World
from .worlds import calls, turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADDING = calls(("add", {"a": 2, "b": 3}), text="Let me see.")
ASKED = turns(ADDING, {"text": "It is {results}."})
AUTO = {"x-jackfield-tools": "auto"}


async def test_what_a_tool_gave_is_answered_with(world: World) -> None:
    body = {"model": "via-echo", "input": ASKED, "metadata": {"team": "a"}}
    called = await world.ask("/v1/responses", body)
    assert called.status == 200, called.body
    assert called.headers["x-jackfield-turns"] == "2"
    told = called.json
    assert (told["status"], told["metadata"]) == ("completed", {"team": "a"})
    texts = [part["text"] for item in told["output"] for part in item["content"]]
    assert texts == ["Let me see.", "It is 5."]


async def test_the_turns_are_one_stream(world: World) -> None:
    url, key = f"{world.gateway.url}/v1", world.gateway.api_key
    async with (
        openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, default_headers=AUTO) as client,
        client.responses.stream(model="via-echo", input=ASKED) as stream,
    ):
        numbers = [event.sequence_number async for event in stream]
        response: Any = await stream.get_final_response()
    assert numbers == list(range(len(numbers)))
    assert response.output_text == "Let me see.It is 5."
    assert [item.type for item in response.output] == ["message"]


async def test_what_the_upstream_would_keep_is_refused(world: World) -> None:
    body = {"model": "via-echo", "input": ASKED, "previous_response_id": "resp_1"}
    called = await world.ask("/v1/responses", body)
    assert (called.status, called.json["error"]["param"]) == (400, "previous_response_id")
