"""The list of models asks no upstream: it is no exchange, but who calls is asked of the same hooks."""

from __future__ import annotations

from typing import Any

from .conftest import OpenGate

HOOKS = """
@hook("ingress")
async def enter(self, exchange):
    SEEN.append(exchange.model)

@hook("auth")
async def identify(self, exchange):
    return Reject(403, "not_you", "Not you.") if exchange.inbound.path == "/v1/models/none" else None
"""


async def test_hooks_find_out_who_calls_and_nothing_else_is_kept(open_gate: OpenGate, seen: list[Any]) -> None:
    gate = await open_gate({"door": HOOKS})
    async with gate.gateway.caller() as caller:
        listed, refused = await caller.get("/v1/models"), await caller.get("/v1/models/none")
    assert (listed.status, listed.json["data"][0]["id"]) == (200, "scripted")
    assert (refused.status, refused.json["error"]["plugin"]) == (403, "door")
    assert seen == ["", ""]
    assert (await gate.gateway.plugin("door"))["stats"]["calls"] == 4
    assert (await gate.chat()).status == 200
    record = await gate.record()
    traces = (await gate.gateway.admin("/api/v1/traces")).json["data"]
    assert [trace["id"] for trace in traces] == [record["id"]]
