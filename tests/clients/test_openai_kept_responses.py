"""The OpenAI package's conversations by `previous_response_id`, where the gateway keeps what no upstream does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from jackfield.control.responses import owner_of
from jackfield.sdk.outcomes import Identity
from jackfield.stores.database import Database
from jackfield.stores.responses import Responses
from jackfield.testing.waiting import until

from .kinds import SAMPLE, SCHEMA, Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOLS: Any = [{"type": "function", "name": "get_time", "parameters": SCHEMA, "strict": True}]
STATELESS = [Kind("openai"), Kind("anthropic"), Kind("echo")]
UNKNOWN = "resp_jf" + "0" * 32


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stranger(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    """Somebody else's client."""
    called = await world.gateway.admin("/api/v1/credentials", "POST", {"name": "stranger"})
    async with openai.AsyncOpenAI(
        base_url=f"{world.gateway.url}/v1", api_key=called.json["key"], max_retries=0
    ) as client:
        yield client


async def ask(client: openai.AsyncOpenAI, kind: Kind, given: Any = "Hello", **fields: Any) -> Any:
    return await client.responses.create(model=kind.model, input=given, store=True, **fields)


async def ask_streamed(client: openai.AsyncOpenAI, kind: Kind, given: Any = "Hello", **fields: Any) -> Any:
    """The answer as the last event has it, after a look at what the others say of it."""
    stream = await client.responses.create(model=kind.model, input=given, store=True, stream=True, **fields)
    events = [event async for event in stream]
    told = {event.response.id for event in events if hasattr(event, "response")}
    assert told == {events[-1].response.id}
    return events[-1].response


ASKING = [ask, ask_streamed]


def texts(received: Any) -> str:
    return json.dumps(received)


@pytest.mark.parametrize("kind", STATELESS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("asking", ASKING)
async def test_a_conversation_goes_on(gpt: openai.AsyncOpenAI, kind: Kind, asking: Any) -> None:
    first = await asking(gpt, kind, "My name is Ann.")
    second = await asking(gpt, kind, "Who am I?", previous_response_id=first.id)
    third = await asking(gpt, kind, "Sure?", previous_response_id=second.id)

    assert (first.store, first.previous_response_id) == (True, None)
    assert (third.store, third.previous_response_id) == (True, second.id)
    listed = [item async for item in gpt.responses.input_items.list(third.id, order="asc")]
    said = [part.text for item in listed for part in item.content]
    assert said == ["My name is Ann.", first.output_text, "Who am I?", second.output_text, "Sure?"]


@pytest.mark.parametrize("kind", STATELESS[:2], ids=lambda kind: kind.name)
async def test_the_upstream_is_sent_the_whole_conversation(gpt: openai.AsyncOpenAI, world: World, kind: Kind) -> None:
    first = await ask(gpt, kind, "My name is Ann.", instructions="Be brief.")
    await ask(gpt, kind, "Who am I?", previous_response_id=first.id, instructions="Be kind.")

    received = world.last_request(kind)
    assert [message["role"] for message in received["messages"]][-3:] == ["user", "assistant", "user"]
    assert all(said in texts(received) for said in ("My name is Ann.", first.output_text, "Who am I?", "Be kind."))
    assert "store" not in received
    assert received["messages"][0] == {"role": "system", "content": "Be kind."} or received["system"] == "Be kind."


async def test_instructions_are_those_of_one_turn(gpt: openai.AsyncOpenAI, world: World) -> None:
    kind = Kind("openai")
    first = await ask(gpt, kind, instructions="Be brief.")
    second = await ask(gpt, kind, "So?", previous_response_id=first.id)

    assert (first.instructions, second.instructions) == ("Be brief.", None)
    assert [message["role"] for message in world.last_request(kind)["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("kind", STATELESS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("asking", ASKING)
async def test_tools_have_their_results_with_the_next_turn(gpt: openai.AsyncOpenAI, kind: Kind, asking: Any) -> None:
    first = await asking(gpt, kind, kind.calls("get_time"), tools=TOOLS)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == SAMPLE
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "noon"}]
    second = await asking(gpt, kind, result, tools=TOOLS, previous_response_id=first.id)

    assert second.status == "completed"
    listed = [item.type async for item in gpt.responses.input_items.list(second.id, order="asc")]
    assert listed == ["message", *(item.type for item in first.output), "function_call_output"]


@pytest.mark.parametrize("asking", ASKING)
async def test_an_answer_can_be_read_again(gpt: openai.AsyncOpenAI, asking: Any) -> None:
    told = await asking(gpt, Kind("echo"), "Hello", metadata={"team": "a"})
    assert await gpt.responses.retrieve(told.id) == told
    assert (told.metadata, told.store) == ({"team": "a"}, True)


@pytest.mark.parametrize("kind", STATELESS, ids=lambda kind: kind.name)
async def test_nothing_of_the_request_is_left_out_for_it(gpt: openai.AsyncOpenAI, kind: Kind) -> None:
    raw = await gpt.responses.with_raw_response.create(model=kind.model, input="Hello", store=True)
    assert "store" not in raw.headers.get("x-jackfield-dropped", "")


async def test_the_packages_own_stream_ends_in_what_is_kept(gpt: openai.AsyncOpenAI) -> None:
    async with gpt.responses.stream(model="via-openai", input="Hello", store=True) as stream:
        async for _ in stream:
            pass
        told = await stream.get_final_response()
    assert (await gpt.responses.retrieve(told.id)).output_text == told.output_text


async def test_an_answer_can_be_read_again_by_the_synchronous_client(sync_gpt: openai.OpenAI) -> None:
    told = await asyncio.to_thread(sync_gpt.responses.create, model="via-echo", input="Hello", store=True)
    again = await asyncio.to_thread(sync_gpt.responses.retrieve, told.id)
    assert again.output_text == told.output_text


async def test_items_come_in_pages(gpt: openai.AsyncOpenAI) -> None:
    turns: Any = [{"role": "user", "content": str(number)} for number in range(5)]
    told = await ask(gpt, Kind("echo"), turns)
    page = await gpt.responses.input_items.list(told.id, limit=2)

    assert [item.content[0].text for item in page.data] == ["4", "3"]
    assert page.has_more
    every = [item.content[0].text async for item in gpt.responses.input_items.list(told.id, limit=2, order="asc")]
    assert every == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("query", "param"), [({"limit": 0}, "limit"), ({"after": "msg_9"}, "after"), ({"order": "up"}, "order")]
)
async def test_a_page_that_cannot_be_is_refused(gpt: openai.AsyncOpenAI, query: Any, param: str) -> None:
    told = await ask(gpt, Kind("echo"))
    with pytest.raises(openai.BadRequestError) as caught:
        await gpt.responses.input_items.list(told.id, extra_query=query)
    assert caught.value.param == param


async def test_a_deleted_answer_is_gone_and_later_turns_stay(gpt: openai.AsyncOpenAI) -> None:
    first = await ask(gpt, Kind("echo"), "one")
    second = await ask(gpt, Kind("echo"), "two", previous_response_id=first.id)
    await gpt.responses.delete(first.id)

    for again in (gpt.responses.retrieve, gpt.responses.delete):
        with pytest.raises(openai.NotFoundError):
            await again(first.id)
    third = await ask(gpt, Kind("echo"), "three", previous_response_id=second.id)
    assert len([item async for item in gpt.responses.input_items.list(third.id)]) == 5


async def test_nothing_is_kept_unless_it_is_asked_for(gpt: openai.AsyncOpenAI) -> None:
    told = await gpt.responses.create(model="via-echo", input="Hello")
    assert told.store is False
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(told.id)


async def test_a_turn_that_is_not_kept_goes_on_all_the_same(gpt: openai.AsyncOpenAI) -> None:
    first = await ask(gpt, Kind("echo"), "one")
    second = await gpt.responses.create(model="via-echo", input="two", previous_response_id=first.id)

    assert (second.store, second.previous_response_id) == (False, first.id)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(second.id)


async def refusal(client: openai.AsyncOpenAI, response: str) -> list[str]:
    """What each way to ask for an answer is refused with."""
    refusals = []
    for asking in (
        client.responses.retrieve(response),
        client.responses.delete(response),
        client.responses.input_items.list(response),
        client.responses.create(model="via-echo", input="x", previous_response_id=response),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            await asking
        refusals.append(caught.value.message.replace(response, "that"))
    return refusals


async def test_somebody_elses_answer_is_as_good_as_none(gpt: openai.AsyncOpenAI, stranger: openai.AsyncOpenAI) -> None:
    told = await ask(gpt, Kind("echo"))
    assert await refusal(stranger, told.id) == await refusal(gpt, UNKNOWN)
    assert (await gpt.responses.retrieve(told.id)).id == told.id


async def test_an_unknown_answer_is_named(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await gpt.responses.create(model="via-openai", input="x", previous_response_id="resp_1")
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


async def test_what_failed_is_not_kept(gpt: openai.AsyncOpenAI) -> None:
    told = 'echo: {"status": 429, "message": "too fast"}'
    with pytest.raises(openai.RateLimitError):
        await ask(gpt, Kind("echo"), told)


async def test_a_stream_of_what_is_over_is_refused(gpt: openai.AsyncOpenAI) -> None:
    told = await ask(gpt, Kind("echo"))
    with pytest.raises(openai.BadRequestError) as caught:
        await gpt.responses.retrieve(told.id, stream=True)
    assert caught.value.param == "stream"


async def test_what_is_kept_goes_with_its_key(world: World) -> None:
    admin = world.gateway.admin
    made = (await admin("/api/v1/credentials", "POST", {"name": "leaver"})).json
    database = await Database.open("sqlite", world.gateway.folder / "data")
    stored, owner = Responses(database), owner_of(Identity(credential=made["id"])) or ""
    try:
        async with openai.AsyncOpenAI(base_url=f"{world.gateway.url}/v1", api_key=made["key"], max_retries=0) as client:
            told = await ask(client, Kind("echo"))
            assert await stored.find(owner, told.id) is not None
            await admin(f"/api/v1/credentials/{made['id']}", "DELETE")
            with pytest.raises(openai.AuthenticationError):
                await client.responses.retrieve(told.id)
        await until(lambda: stored.find(owner, told.id), lambda found: found is None)
    finally:
        await database.dispose()
