"""A request that takes several exchanges, since tools are run for it, is one visit for `access_log`, and for
`request_tracer` several exchanges with the secrets of one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jackfield.testing import until
from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]
GARDEN = """
    from jackfield.sdk import Plugin, tool

    class Garden(Plugin):
        permissions = ("tools:register",)

        @tool("Says what grows")
        async def look(self, said: str) -> str:
            return "leeks"
"""
SECRET = "open-sesame-please"
TURNS = [{"tool_calls": [{"name": "plugin_garden_look", "arguments": {"said": SECRET}}]}, {"text": "{results}"}]


def read(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def test_one_line_and_a_file_for_each_turn_without_the_secret(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    config: dict[str, Any] = {
        "plugins.config.access_log": {"enabled": True, "every_s": 0.001, "file": tmp_path / "access.log"},
        "plugins.config.request_tracer": {"enabled": True, "folder": tmp_path / "traces"},
    }
    gateway = await start_gateway(plugins={"garden": GARDEN}, **config)
    body = {"model": "echo", "messages": [{"role": "user", "content": "echo: " + json.dumps({"turns": TURNS})}]}
    async with gateway.caller(**{"x-jackfield-tools": "auto", "cookie": f"a={SECRET}"}) as caller:
        called = await caller.post("/v1/chat/completions", body)
    assert "leeks" in called.json["choices"][0]["message"]["content"]
    lines = await until(lambda: asyncio.to_thread(read, tmp_path / "access.log"), lambda found: len(found) >= 3)
    clients = [line for line in lines if line["kind"] == "client"]
    assert [line["attempts"] for line in clients] == [2]
    assert [line["kind"] for line in lines].count("upstream") == 2
    files = await until(
        lambda: asyncio.to_thread(lambda: list((tmp_path / "traces").glob("2*.json"))), lambda found: len(found) == 2
    )
    texts = [file.read_text() for file in files]
    assert [SECRET in text for text in texts] == [False, False]
    assert all("plugin_garden_look" in text for text in texts)
