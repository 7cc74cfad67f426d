"""The toolbox guide followed step by step: its plugins and its pieces run word for word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from . import guide
from .fakes import json_answer
from .house import ALL, House

# What stands around the pieces where the guide leaves it out.
AROUND = """
    import type {{ Plugin, PluginAPI, PluginManifest }} from "../../src/core/plugins";
    export default function createPlugin(manifest: PluginManifest): Plugin {{
      return {{
        async onLoad(api: PluginAPI) {{
          api.registerTool({{ name: "run", handler: async (input, context) => {{
            const userId = context.userId;
            const myHandler = () => {{}};
            const taskId = await api.scheduler.schedule("other", 60000, async () => {{}});
            {pieces}
            return {{ success: true, result: await api.storage.get("my_key") }};
          }} }});
        }},
      }};
    }}
"""
URL = "https://api.example.com/data"


def write(house: House, manifest: str, code: str) -> str:
    plugin = str(json.loads(manifest)["id"])
    place = house.folder / plugin
    place.mkdir()
    (place / "manifest.json").write_text(manifest)
    (place / "index.ts").write_text(code)
    return plugin


async def start(house: House, manifest: str, code: str) -> str:
    plugin = write(house, manifest, code)
    assert (await house.start())[plugin].reason is None
    return plugin


async def test_the_structure_of_a_plugin(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await start(house, guide.MANIFEST, guide.INDEX)
    await house.host.toggle("my-plugin", False, actor="test")
    await house.host.drained()
    await house.host.toggle("my-plugin", True, actor="test")
    await house.stop()
    told = capsys.readouterr().out
    places = [told.index(f"[Plugin:my-plugin] Plugin {step}") for step in ("loaded", "enabled", "disabled", "unloaded")]
    assert places == sorted(places)
    assert told.count("Plugin enabled") == 2


async def test_creating_a_plugin_step_by_step(house: House) -> None:
    plugin = await start(house, guide.STEP_2, guide.STEP_3)
    assert house.tools() == ["plugin_my-plugin_my_tool"]
    assert await house.ask(plugin, "my_tool", query="hello") == {"output": "Processed: hello"}
    assert await house.kv.get("plugin:my-plugin", "last_query", namespace="default") == "hello"
    assert "query" in str((await house.call("plugin_my-plugin_my_tool")).error)


async def test_the_weather_plugin_serves_its_second_call_from_its_storage(house: House) -> None:
    plugin = await start(house, guide.WEATHER_MANIFEST, guide.WEATHER)
    wanted = {"location": "Oslo", "temperature": "22C", "conditions": "Sunny"}
    assert [await house.ask(plugin, "get_weather", location="Oslo") for _ in range(2)] == [wanted, wanted]
    assert await house.kv.get("plugin:example-weather", "weather_Oslo", namespace="default") == wanted
    await house.bus.tell("message:received", {"content": "how is the weather"})


async def test_every_piece_of_the_api_reference(house: House) -> None:
    code = AROUND.format(pieces="\n".join(f"{{ {piece} }}" for piece in guide.PIECES))
    said: dict[str, Any] = {"id": "pieces", "name": "Pieces", "version": "1.0.0", "permissions": list(ALL)}
    house.answers[URL] = json_answer(URL, b"{}")
    plugin = await start(house, json.dumps(said), code)
    assert await house.ask(plugin, "run") is None
    assert house.tools() == ["plugin_pieces_run"]
    assert [asked["method"] for asked in house.asked] == ["POST", "GET", "POST"]
    assert house.asked[0] == {
        "method": "POST",
        "url": URL,
        "headers": {"Authorization": "Bearer token"},
        "body": {"key": "value"},
        "timeout_s": 5.0,
    }
    assert {task.name: task.schedule for task, _ in house.agenda.tasks.values()} == {
        "refresh_data": 60.0,
        "daily_report": "0 9 * * *",
    }
    assert [(owner, memory.content, memory.importance) for owner, memory in house.memories] == [
        ("alice", "User prefers dark mode interfaces", 7)
    ]
    assert [(event.type, dict(event.data), event.source) for event in house.bus.emitted] == [
        ("plugin:loaded", {"pluginId": "pieces"}, "pieces")
    ]
    await house.bus.tell("message:received", {"content": "hello"})
