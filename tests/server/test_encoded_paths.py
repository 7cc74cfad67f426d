"""A slash that is sent encoded is no slash: it leads to no path that has one there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from jackfield.server.gateway import unfold_path
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link
from jackfield.testing.upstream import Upstream

StartGateway = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("path", ["/v1/chat%2fcompletions", "/v1/chat%2Fcompletions", "/v1%2fchat/completions"])
async def test_an_encoded_slash_leads_nowhere(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        called = await caller.post(path, CHAT)
        assert (called.status, called.json["error"]["code"]) == (404, "not_found")
        assert path in called.json["error"]["message"]
        assert (await caller.post("/v1/chat/completions", CHAT)).status == 200
    assert (await gateway.record())["route"] == "POST /v1/chat/completions"


@pytest.mark.parametrize("path", ["/v1%2fmodels", "/v1/models%2fecho", "/api%2fv1/plugins", "/plugins%2fstatus"])
async def test_neither_do_those_of_lists_and_of_the_admin_api(start_gateway: StartGateway, path: str) -> None:
    called = await (await start_gateway()).admin(path)
    assert (called.status, called.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/chat/complet%69ons", "/%761/chat/completions"])
async def test_letters_may_be_encoded(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        assert (await caller.post(path, CHAT)).status == 200


async def test_the_name_of_a_model_may_have_slashes_of_either_kind(
    start_gateway: StartGateway, upstream: Upstream
) -> None:
    gateway = await start_gateway(upstreams=[link(upstream, models=("meta/llama 3",))])
    async with gateway.caller() as caller:
        for path in ("/v1/models/meta/llama%203", "/v1/models/meta%2Fllama%203"):
            assert (await caller.get(path)).json["id"] == "meta/llama 3"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/a%2Fb%20c", "/v1/a%2Fb c"),
        (b"/v1/a%252Fb", "/v1/a%2Fb"),
        (b"/v1/models/a%252Fb", "/v1/models/a%2Fb"),
        (b"/%C3%A9%2f%", "/é%2f%"),
        (b"/api/v1/credentials/a%2Fb", "/api/v1/credentials/a/b"),
    ],
)
def test_all_else_is_decoded_once(raw: bytes, path: str) -> None:
    assert unfold_path(raw) == path
