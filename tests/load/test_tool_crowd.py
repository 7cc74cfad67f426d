"""Two hundred tool calls at once over twenty plugins in processes of their own, four of which misbehave meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackfield.runtimes import node
from jackfield.testing import until
from jackfield.testing.gateway import RunningGateway, run_gateway

CALLS, PLUGINS = 200, 20
# So that the test need not wait longer; it is still far more than a good plugin ever stands still.
HANG_S = 2.0
MEMORY_MB = 128
# By its name, what a plugin does in its tool, and what is told of its end.
BAD = {
    "spinning": ("for (;;);", "it answered nothing for"),
    "eating": ("for (;;) { kept.push(Buffer.alloc(4e6, 1)); await turn(); }", f"more than {MEMORY_MB} MB of memory"),
    "exiting": ("process.exit(3);", "exit code 3"),
    "flooding": (
        "for (;;) { console.log('x'.repeat(1e5)); await new Promise((r) => setTimeout(r, 1)); }",
        "; it printed ",
    ),
}
GOOD = tuple(f"good-{number}" for number in range(PLUGINS - len(BAD)))
CODE = """
    const kept = [], turn = () => new Promise((resolve) => setImmediate(resolve));
    export const plugin = {{ onLoad(api) {{
      const inputSchema = {{ type: "object", properties: {{ n: {{ type: "number" }} }}, required: ["n"] }};
      api.registerTool({{ name: "next", description: "", inputSchema, handler: async ({{ n }}) => {{
        {body}
        return {{ success: true, result: n + 1 }};
      }} }});
    }} }};
"""


def write(folder: Path, name: str, body: str = "") -> None:
    folder.joinpath(name).mkdir(parents=True)
    manifest = {"id": name, "name": name, "version": "1.0.0", "main": "index.mjs", "permissions": ["tools:register"]}
    folder.joinpath(name, "manifest.json").write_text(json.dumps(manifest))
    folder.joinpath(name, "index.mjs").write_text(CODE.format(body=body))


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningGateway]:
    monkeypatch.setattr(node, "Limits", partial(node.Limits, hang_s=HANG_S))
    for name in GOOD:
        write(tmp_path / "plugins", name)
    for name, (body, _) in BAD.items():
        write(tmp_path / "plugins", name, body)
    async with run_gateway(tmp_path, isolation={"memory_mb": MEMORY_MB}) as gateway:
        yield gateway


async def use(caller: Any, plugin: str, number: int) -> tuple[bool, str]:
    """Whether the tool failed, and what it answered."""
    params = {"name": f"plugin_{plugin}_next", "arguments": {"n": number}}
    called = await caller.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    result = called.json["result"]
    return result["isError"], result["content"][0]["text"]


async def misbehave(gateway: RunningGateway, plugin: str) -> tuple[bool, str]:
    async with gateway.caller(accept="application/json, text/event-stream") as caller:
        caller._within = 20
        return await use(caller, plugin, 0)


async def work(gateway: RunningGateway, numbers: range) -> list[tuple[bool, str]]:
    """All of them at once."""

    async def one(number: int) -> tuple[bool, str]:
        async with gateway.caller(accept="application/json, text/event-stream") as caller:
            return await use(caller, GOOD[number % len(GOOD)], number)

    return await asyncio.gather(*map(one, numbers))


async def test_each_call_of_a_good_one_succeeds_and_each_bad_one_is_named(gateway: RunningGateway) -> None:
    bad = {name: asyncio.create_task(misbehave(gateway, name)) for name in BAD}
    answers = await work(gateway, range(CALLS))
    assert answers == [(False, str(number + 1)) for number in range(CALLS)]
    for name, (_, told) in BAD.items():
        failed, words = await bad[name]
        assert failed, name
        assert f"plugin {name}" in words
        described = await until(partial(gateway.plugin, name), lambda found: found["stats"]["errors"] == 1)
        assert told in words or told in described["process"]["exit"], (name, words, described["process"])
    assert await work(gateway, range(len(GOOD))) == [(False, str(number + 1)) for number in range(len(GOOD))]
