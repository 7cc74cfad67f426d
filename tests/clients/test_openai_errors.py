"""What goes wrong becomes the OpenAI package's own exceptions."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from jackfield.testing import Answer

from .kinds import Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(client: openai.AsyncOpenAI, model: str = "via-echo", **fields: Any) -> Any:
    messages = fields.pop("messages", [{"role": "user", "content": "Hello"}])
    return await client.chat.completions.create(model=model, messages=messages, **fields)


async def test_a_wrong_key(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        await ask(gpt.with_options(api_key="jf-wrong"))
    assert caught.value.code == "invalid_api_key"
    assert "jf-wrong" not in caught.value.message


async def test_an_unknown_model(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="via-openai") as caught:
        await ask(gpt, "via-opena")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"temperature": "hot"}, "temperature"),
    ],
    ids=["no messages", "role", "content", "temperature"],
)
async def test_a_malformed_request(gpt: openai.AsyncOpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(gpt, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [
        (400, openai.BadRequestError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_what_the_upstream_refuses(
    gpt: openai.AsyncOpenAI, scripted: Kind, world: World, status: int, kind_of_error: type[Exception]
) -> None:
    world.upstreams[scripted.name].script(Answer.status(status, message="because", retry_after=1))
    with pytest.raises(kind_of_error, match="because"):
        await ask(gpt, scripted.model)


async def test_the_time_to_wait_is_passed_on(gpt: openai.AsyncOpenAI, scripted: Kind, world: World) -> None:
    world.upstreams[scripted.name].script(Answer.status(429, retry_after=3))
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(gpt, scripted.model)
    assert caught.value.response.headers["retry-after"] == "3"


async def test_echo_fails_as_it_is_told(gpt: openai.AsyncOpenAI) -> None:
    told = 'echo: {"status": 429, "message": "too fast", "retry_after_s": 2}'
    with pytest.raises(openai.RateLimitError, match="too fast") as caught:
        await ask(gpt, messages=[{"role": "user", "content": told}])
    assert caught.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstreams_wrong_key_is_not_the_clients(
    gpt: openai.AsyncOpenAI, scripted: Kind, world: World, stream: bool
) -> None:
    world.upstreams[scripted.name].script(Answer.status(401, message="Incorrect API key provided"))
    with pytest.raises(openai.APIStatusError) as caught:
        await ask(gpt, scripted.model, stream=stream)
    assert caught.value.status_code != 401
