"""Plugins without which nothing is served."""

from __future__ import annotations

import json

from jackfield.testing.gateway import RunningGateway

from .plugins import BROKEN, GREETER, PLUGINS, StartGateway, newer, put

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
EMBED = {"model": "echo", "input": "hello"}


async def start(start_gateway: StartGateway, *required: str, **plugins: str) -> RunningGateway:
    return await start_gateway(plugins=plugins, environ={"JACKFIELD_PLUGINS__REQUIRED": json.dumps(required)})


async def status(gateway: RunningGateway, path: str, body: object) -> tuple[int, str | None]:
    async with gateway.caller() as caller:
        called = await caller.call("POST", path, body=body)
    return called.status, called.json.get("error", {}).get("message")


async def test_while_it_runs_all_is_well(start_gateway: StartGateway) -> None:
    gateway = await start(start_gateway, "greeter", greeter=GREETER)
    assert await status(gateway, "/v1/chat/completions", CHAT) == (200, None)
    assert await status(gateway, "/v1/embeddings", EMBED) == (200, None)


async def test_where_it_does_not_start_nothing_is_served_and_readiness_says_so(start_gateway: StartGateway) -> None:
    gateway = await start(start_gateway, "greeter", greeter=BROKEN)
    told = "plugin greeter is required and does not run: it is failed"
    assert await status(gateway, "/v1/chat/completions", CHAT) == (503, told)
    ready = await gateway.admin("/ready")
    assert (ready.status, ready.json["reasons"]) == (503, [told])


async def test_one_that_is_not_there_is_named_too(start_gateway: StartGateway) -> None:
    gateway = await start(start_gateway, "nobody")
    told = "plugin nobody is required and does not run: it is not there"
    assert await status(gateway, "/v1/embeddings", EMBED) == (503, told)


async def test_what_it_cannot_see_is_refused_and_nothing_else(start_gateway: StartGateway) -> None:
    only_chat = GREETER.replace("priority=7)", 'operations=("chat",))')
    gateway = await start(start_gateway, "greeter", greeter=only_chat)
    assert await status(gateway, "/v1/chat/completions", CHAT) == (200, None)
    told = "plugin greeter is required and has no hook that sees embeddings"
    assert await status(gateway, "/v1/embeddings", EMBED) == (503, told)
    ready = await gateway.admin("/ready")
    assert ready.status == 200
    assert f"requests of the kind embeddings are refused: {told}" in ready.json["notes"]


async def test_it_can_be_replaced_and_not_be_lost(start_gateway: StartGateway) -> None:
    gateway = await start(start_gateway, "greeter", greeter=GREETER)
    refused = await gateway.admin(f"{PLUGINS}/toggle", "POST", {"name": "greeter", "enabled": False})
    assert (refused.status, refused.json["changed"]) == (409, False)
    assert "it is required, and would not run" in refused.json["error"]["message"]
    put(gateway, "greeter", newer(GREETER))
    assert (await gateway.admin(f"{PLUGINS}/hot-swap", "POST", {})).status == 200
    assert (await gateway.plugin("greeter"))["version"] == "2.1.2.3"
    assert await status(gateway, "/v1/chat/completions", CHAT) == (200, None)
