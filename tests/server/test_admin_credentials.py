"""Keys through the admin API."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from jackfield.testing.gateway import RunningGateway

from .admin import CHAT, refused

StartGateway = Callable[..., Awaitable[RunningGateway]]
PATH = "/api/v1/credentials"


async def test_a_key_is_shown_once_and_works_at_once(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    wanted = {"name": "ci", "app": "tests", "models": ["echo"], "expires_at": time.time() + 3600}
    made = await gateway.admin(PATH, "POST", wanted)
    assert made.status == 201
    shown = made.json
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["role"] == "inference"
    async with gateway.caller(shown["key"]) as caller:
        assert (await caller.post("/v1/chat/completions", CHAT)).status == 200
        assert (await caller.post("/v1/chat/completions", CHAT | {"model": "other"})).status == 403
    listed = await gateway.admin(PATH)
    assert shown["key"].encode() not in listed.body
    (found,) = [each for each in listed.json["data"] if each["id"] == shown["id"]]
    assert found == {name: value for name, value in shown.items() if name != "key"}
    assert shown["key"].endswith(found["last4"])


async def test_a_name_is_borne_by_one_key(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    assert (await gateway.admin(PATH, "POST", {"name": "twin"})).status == 201
    again = await gateway.admin(PATH, "POST", {"name": "twin"})
    assert "twin" in refused(again, 409, "conflict", changed=False)


async def test_a_revoked_key_is_refused_at_once_and_stays_listed(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    made = (await gateway.admin(PATH, "POST", {"name": "a/b c", "role": "admin"})).json
    revoked = await gateway.admin(f"{PATH}/a%2Fb%20c", "DELETE")
    assert (revoked.status, revoked.json["id"]) == (200, made["id"])
    assert revoked.json["revoked_at"] is not None
    async with gateway.caller(made["key"]) as caller:
        assert (await caller.get(PATH)).status == 401
    assert made["id"] in [each["id"] for each in (await gateway.admin(PATH)).json["data"]]

    refused(await gateway.admin(f"{PATH}/{made['id']}", "DELETE"), 409, "conflict", changed=False)
    message = refused(await gateway.admin(f"{PATH}/nobody", "DELETE"), 404, "not_found", changed=False)
    assert "nobody" in message
