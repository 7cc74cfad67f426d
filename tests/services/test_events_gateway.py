"""A plugin in a whole gateway: every documented event has a producer, and only a plugin that serves is told or runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jackfield.sdk.events import EVENTS
from jackfield.testing import until
from jackfield.testing.gateway import RunningGateway, run_gateway

LISTENER = """
import json
from pathlib import Path
from jackfield.sdk import *
from jackfield.sdk.caller import current_caller

class Listener(Plugin):
    id = "listener"
    permissions = ("events:subscribe",)

    async def on_load(self):
        for type_ in TYPES:
            self.services.events.on(type_, self.hear)

    async def hear(self, event):
        caller = current_caller()
        line = {"type": event.type, "source": event.source, "data": dict(event.data), "user": caller and caller.user}
        with Path(NOTES).open("a") as file:
            file.write(json.dumps(line) + "\\n")
"""

WORKER = """
import asyncio
from jackfield.sdk import *
from jackfield.sdk.scheduler import task
from jackfield.sdk.tools import tool

class Worker(Plugin):
    id = "worker"
    permissions = (
        "tools:register", "tools:execute", "memory:write", "scheduler:write", "scheduler:read", "users:any",
    )

    @tool("Adds")
    async def add(self, a: int, b: int) -> int:
        return a + b

    @task(every_s=1)
    async def tick(self):
        if not (await self.services.scheduler.list())[0].runs > 1:
            await self.services.tools.execute("add", {"a": 1, "b": 2})
            for importance in (5, 7):
                await self.services.memory.create("alice", "likes tea", "semantic", importance)
"""


class Log:
    def __init__(self, file: Path) -> None:
        self._file = file

    async def read(self) -> list[dict[str, Any]]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [json.loads(line) for line in lines]

    async def types(self) -> set[str]:
        return {line["type"] for line in await self.read()}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "notes")


def listener(tmp_path: Path, types: Any = tuple(EVENTS)) -> str:
    return LISTENER.replace("TYPES", repr(tuple(types))).replace("NOTES", repr(str(tmp_path / "notes")))


async def toggle(gateway: RunningGateway, name: str, enabled: bool) -> None:
    called = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": name, "enabled": enabled})
    assert called.status == 200, called.body


async def say_hello(gateway: RunningGateway) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
    async with gateway.caller() as caller:
        called = await caller.call("POST", "/v1/chat/completions", body=body, headers={"x-jackfield-user": "alice"})
    assert called.status == 200, called.body


async def test_every_event_has_a_producer_and_its_data(tmp_path: Path, log: Log) -> None:
    async with run_gateway(tmp_path, plugins={"listener": listener(tmp_path), "worker": WORKER}) as gateway:
        await say_hello(gateway)
        await until(log.types, lambda types: {"memory:updated", "scheduler:task_executed"} <= types, within=20)
        await toggle(gateway, "worker", False)
        await until(log.types, lambda types: "plugin:unloaded" in types)
    lines = await log.read()
    # Those of signing in have tests where that happens.
    assert {line["type"] for line in lines} == {type_ for type_ in EVENTS if not type_.startswith("oauth:")}
    for line in lines:
        assert line["source"] == "system"
        assert set(line["data"]) <= set(EVENTS[line["type"]]), line
        if line["type"].startswith(("message:", "conversation:", "user:")):
            assert line["user"].endswith("/alice")
    loaded = {line["data"]["pluginId"] for line in lines if line["type"] == "plugin:loaded"}
    assert {"listener", "worker"} <= loaded


async def test_a_plugin_that_is_disabled_hears_nothing_until_it_is_enabled_again(tmp_path: Path, log: Log) -> None:
    async with run_gateway(tmp_path, plugins={"listener": listener(tmp_path, ("message:sent",))}) as gateway:
        for enabled in (True, False, True):
            if (await gateway.plugin("listener"))["state"] != ("active" if enabled else "disabled"):
                await toggle(gateway, "listener", enabled)
            await say_hello(gateway)
        lines = await until(log.read, lambda lines: len(lines) >= 2)
    assert len(lines) == 2
