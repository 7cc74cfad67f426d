"""What goes wrong becomes the Anthropic package's own exceptions."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.types.shared import ErrorResponse

from jackfield.testing import Answer

from .kinds import Kind, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(client: anthropic.AsyncAnthropic, model: str = "via-echo", **fields: Any) -> Any:
    fields = {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]} | fields
    return await client.messages.create(model=model, **fields)


def told(error: anthropic.APIStatusError) -> tuple[str, str | None]:
    """The type of the error, and the request's id, as the package's own model reads them."""
    body = ErrorResponse.model_validate(error.body)
    return body.error.type, body.request_id


async def test_a_wrong_key(claude: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError) as caught:
        await ask(claude.with_options(api_key="jf-wrong"))
    kind, request_id = told(caught.value)
    assert kind == "authentication_error"
    assert request_id == caught.value.response.headers["x-request-id"]


async def test_an_unknown_model(claude: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="via-anthropic") as caught:
        await ask(claude, "via-anthropi")
    assert told(caught.value)[0] == "not_found_error"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, r"messages\[0\]\.role"),
        ({"messages": [{"role": "user", "content": 7}]}, r"messages\[0\]\.content"),
        ({"extra_body": {"temperature": "hot"}}, "temperature"),
    ],
    ids=["no messages", "role", "content", "temperature"],
)
async def test_a_malformed_request(claude: anthropic.AsyncAnthropic, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=named) as caught:
        await ask(claude, **fields)
    assert told(caught.value)[0] == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [
        (400, anthropic.BadRequestError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (503, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
async def test_what_the_upstream_refuses(
    claude: anthropic.AsyncAnthropic,
    scripted: Kind,
    world: World,
    status: int,
    kind_of_error: type[Exception],
) -> None:
    world.upstreams[scripted.name].script(Answer.status(status, message="because", retry_after=1))
    with pytest.raises(kind_of_error, match="because") as caught:
        await ask(claude, scripted.model)
    assert isinstance(caught.value, anthropic.APIStatusError)
    assert told(caught.value)[0].endswith("_error")


async def test_the_time_to_wait_is_passed_on(claude: anthropic.AsyncAnthropic, scripted: Kind, world: World) -> None:
    world.upstreams[scripted.name].script(Answer.status(429, retry_after=3))
    with pytest.raises(anthropic.RateLimitError) as caught:
        await ask(claude, scripted.model)
    assert caught.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstreams_wrong_key_is_not_the_clients(
    claude: anthropic.AsyncAnthropic, scripted: Kind, world: World, stream: bool
) -> None:
    world.upstreams[scripted.name].script(Answer.status(401, message="invalid x-api-key"))
    with pytest.raises(anthropic.APIStatusError) as caught:
        await ask(claude, scripted.model, stream=stream)
    assert caught.value.status_code != 401
