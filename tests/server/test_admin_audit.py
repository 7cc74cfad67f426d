"""Who changed what, through the admin API."""

from __future__ import annotations

import pytest

from .admin import refused
from .plugins import QUIET, StartGateway, done

PATH = "/api/v1/audit"


async def test_every_change_is_told_with_who_and_what(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    made = (await gateway.admin("/api/v1/credentials", "POST", {"name": "ops", "role": "admin"})).json
    async with gateway.caller(made["key"]) as caller:
        toggled = await caller.post("/api/v1/plugins/toggle", {"name": "quiet", "enabled": False})
    assert toggled.status == 200
    newest, before = (await gateway.admin(f"{PATH}?limit=2")).json["data"]
    told = ("kind", "object_id", "action", "actor")
    assert [newest[key] for key in told] == ["plugin", "quiet", "disable", made["id"]]
    assert [before[key] for key in told] == ["credential", made["id"], "create", "key_environment_admin"]
    assert newest["before_digest"] != newest["after_digest"]
    assert newest["at"] >= before["at"] > 0


async def test_a_refused_change_leaves_no_trace(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"broken": "1 +"})
    before = (await gateway.admin(PATH)).json
    called = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "broken", "enabled": True})
    assert called.status == 409
    assert (await gateway.admin(PATH)).json == before


async def test_entries_are_filtered_and_paged(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    for enabled in (False, True, False):
        await done(gateway, "toggle", {"name": "quiet", "enabled": enabled})
    first = (await gateway.admin(f"{PATH}?kind=plugin&object_id=quiet&limit=2")).json
    second = (await gateway.admin(f"{PATH}?kind=plugin&object_id=quiet&limit=2&cursor={first['next']}")).json
    assert [one["action"] for one in first["data"] + second["data"]] == ["disable", "enable", "disable", "start"]
    assert (await gateway.admin(f"{PATH}?kind=nothing")).json == {"data": [], "next": None}


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), (f"kind={'x' * 6000}", "kind")],
)
async def test_a_wrong_parameter_is_named(start_gateway: StartGateway, query: str, param: str) -> None:
    gateway = await start_gateway()
    refused(await gateway.admin(f"{PATH}?{query}"), 422, "unprocessable", param)
