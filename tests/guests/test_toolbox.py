"""Toolbox plugins in Python, in process and isolated; those in JavaScript have a process of their own already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.guests.places import PLACES, find, host_plugin

from jackfield.clock import SystemClock
from jackfield.errors import ManifestError
from jackfield.guests.reader import IsolatedReader
from jackfield.settings import IsolationSettings

WEATHER = """
class Weather:
    async def on_load(self, api):
        self.api, self.steps = api, ["load"]
        api.register_tool(
            name="get_weather",
            description="Current weather for a city",
            input_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            handler=self.get_weather,
        )
        api.events.on("message:received", self.on_message)
        api.logger.info("Weather plugin loaded")

    async def on_enable(self):
        self.steps.append("enable")

    async def on_message(self, event):
        await self.api.storage.set("last", {"said": event.data["content"], "at": event.timestamp})

    async def get_weather(self, input, context):
        unit = self.api.config.get("unit", "C")
        asked = (await self.api.storage.get("asked") or 0) + 1
        await self.api.storage.set("asked", asked)
        last = await self.api.storage.get("last")
        try:
            await self.api.http.get("https://api.example.com/")
        except PermissionError as error:
            refused = str(error)
        result = {"city": input["city"], "unit": unit, "asked": asked, "last": last and last["said"]}
        return {"success": True, "result": {**result, "refused": refused, "steps": self.steps, "user": context.user_id}}


def create_plugin(manifest):
    return Weather()
"""
MANIFEST = {
    "id": "weather",
    "name": "Weather",
    "version": "1.0.0",
    "description": "Weather for cities",
    "author": "A. Author",
    "main": "index.py",
    "permissions": ["tools:register", "events:subscribe", "storage:read", "storage:write"],
}


def write(folder: Path, code: str = WEATHER, **manifest: Any) -> Path:
    place = folder / "weather"
    place.mkdir()
    (place / "manifest.json").write_text(json.dumps({**MANIFEST, **manifest}))
    (place / str(manifest.get("main", "index.py"))).write_text(code)
    return folder


@pytest.mark.parametrize("place", PLACES)
async def test_it_does_the_same(place: str, tmp_path: Path) -> None:
    async with host_plugin(place, "weather", folder=write(tmp_path), config={"unit": "F"}) as host:
        await host.announce("message:received", {"content": "good morning"})
        reply = await host.call_tool("get_weather", {"city": "Troy"})
        assert reply.error is None
        assert reply.result == {
            "city": "Troy",
            "unit": "F",
            "asked": 1,
            "last": "good morning",
            "refused": "Plugin weather does not have 'http:outbound' permission",
            "steps": ["load", "enable"],
            "user": "tester",
        }
        assert not (await host.call_tool("get_weather", {})).success


async def test_one_in_javascript_is_not_isolated_twice(tmp_path: Path) -> None:
    found = find("weather", write(tmp_path, "export default () => ({})", main="index.js"))
    reader = IsolatedReader(SystemClock(), IsolationSettings(), tmp_path)
    with pytest.raises(ManifestError, match="runs in a process of node already"):
        await reader.read(found)
