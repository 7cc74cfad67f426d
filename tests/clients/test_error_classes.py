"""Each of the official clients raises its own class for every status, whatever API the upstream speaks."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from jackfield.testing import Answer

from .kinds import Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPENAI: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
    504: openai.InternalServerError,
    529: openai.InternalServerError,
}
ANTHROPIC: dict[int, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    413: anthropic.RequestTooLargeError,
    422: anthropic.UnprocessableEntityError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    502: anthropic.InternalServerError,
    503: anthropic.ServiceUnavailableError,
    504: anthropic.DeadlineExceededError,
    529: anthropic.OverloadedError,
}
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


async def ask(client: Any, api: str, model: str, **fields: Any) -> Any:
    if api == "responses":
        return await client.responses.create(**{"model": model, "input": "Hello", **fields})
    told = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **fields}
    if api == "chat":
        return await client.chat.completions.create(**told)
    return await client.messages.create(**{"max_tokens": 100, **told})


async def succeed(client: Any, api: str, kind: Kind) -> None:
    """An upstream that failed again and again would be left alone for a while."""
    await ask(client, api, kind.model)


@STREAMED
@pytest.mark.parametrize("status", OPENAI)
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_what_an_upstream_refuses_for_the_openai_package(
    gpt: openai.AsyncOpenAI, world: World, speaker: Kind, api: str, status: int, stream: bool
) -> None:
    world.upstreams[speaker.name].script(Answer.status(status, message="because"))
    with pytest.raises(OPENAI[status], match="because") as caught:
        await ask(gpt, api, speaker.model, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.request_id
    await succeed(gpt, api, speaker)


@STREAMED
@pytest.mark.parametrize("status", ANTHROPIC)
async def test_what_an_upstream_refuses_for_the_anthropic_package(
    claude: anthropic.AsyncAnthropic, world: World, speaker: Kind, status: int, stream: bool
) -> None:
    world.upstreams[speaker.name].script(Answer.status(status, message="because"))
    with pytest.raises(ANTHROPIC[status], match="because") as caught:
        await ask(claude, "messages", speaker.model, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.request_id
    await succeed(claude, "messages", speaker)


def clients(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, api: str) -> tuple[Any, Any, Any]:
    """The client, its package, and one like it with a wrong key."""
    client: Any = claude if api == "messages" else gpt
    return client, anthropic if api == "messages" else openai, client.with_options(api_key="jf-wrong")


APIS = pytest.mark.parametrize("api", ["chat", "responses", "messages"])


@STREAMED
@APIS
async def test_what_the_gateway_itself_refuses(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, api: str, stream: bool
) -> None:
    client, package, wrong = clients(gpt, claude, api)
    large = (
        {"input": "x" * 11_000_000}
        if api == "responses"
        else {"messages": [{"role": "user", "content": "x" * 11_000_000}]}
    )
    with pytest.raises(package.AuthenticationError):
        await ask(wrong, api, "via-echo", stream=stream)
    with pytest.raises(package.NotFoundError):
        await ask(client, api, "via-nobody", stream=stream)
    with pytest.raises(package.BadRequestError):
        await ask(client, api, "via-echo", stream=stream, extra_body={"temperature": "hot"})
    with pytest.raises(package.APIStatusError) as caught:
        await ask(client, api, "via-echo", stream=stream, **large)
    assert caught.value.status_code == 413


@APIS
async def test_a_key_that_may_not_use_a_model(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, world: World, api: str
) -> None:
    named = {"name": f"narrow-{api}", "models": ["via-openai"]}
    key = (await world.gateway.admin("/api/v1/credentials", "POST", named)).json["key"]
    client, package, _ = clients(gpt, claude, api)
    with pytest.raises(package.PermissionDeniedError):
        await ask(client.with_options(api_key=key), api, "via-echo")


@APIS
async def test_an_upstream_that_breaks_off(
    gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, world: World, speaker: Kind, api: str
) -> None:
    world.upstreams[speaker.name].script(Answer.html())
    client, package, _ = clients(gpt, claude, api)
    with pytest.raises(package.InternalServerError) as caught:
        await ask(client, api, speaker.model)
    assert caught.value.status_code == 502
    await succeed(client, api, speaker)


@APIS
async def test_a_stream_that_fails(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, api: str) -> None:
    """Behind its beginning there is no status any more: the package says what the event says."""
    told = 'echo: {"text": "one two three", "break_after": 1}'
    fields: Any = {"input": told} if api == "responses" else {"messages": [{"role": "user", "content": told}]}
    client, package, _ = clients(gpt, claude, api)
    stream = await ask(client, api, "via-echo", stream=True, **fields)
    with pytest.raises(package.APIError):
        async for _ in stream:
            pass
