"""A toolbox plugin in a whole gateway: every part of the API over the services that operators get."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jackfield.testing.gateway import RunningGateway

from .house import ALL

StartGateway = Callable[..., Awaitable[RunningGateway]]
CODE = """
    export const plugin = { onLoad(api) {
      const seen = [];
      const tool = (name, handler) => api.registerTool({ name, handler });
      api.events.on("memory:created", (event) => seen.push([event.data.userId, event.timestamp instanceof Date]));
      api.events.on("from:me", (event) => seen.push(event.source));
      tool("use", async (input, { userId }) => {
        await api.storage.set("at", { at: new Date(0) }, { scope: "user" });
        const { at } = await api.storage.get("at", { scope: "user" });
        await api.memory.create(userId, "likes green tea", "semantic", 8);
        const [memory] = await api.memory.search("green tea", userId);
        const task = await api.scheduler.schedule("daily", "0 9 * * *", () => {});
        const [listed] = await api.scheduler.list();
        api.events.emit("from:me", {});
        const refused = await api.http.get("http://169.254.169.254/").catch((error) => error.message);
        const other = await api.executeTool("second", {});
        return { success: true, result: {
          at: at.getTime(), memory: [memory.content, memory.importance, memory.createdAt instanceof Date],
          task: [listed.id === task, listed.schedule, listed.nextRun instanceof Date], refused, other,
          user: (await api.users.get(userId)).id === userId, secret: api.config.get("api_key"),
        } };
      });
      tool("second", async () => ({ success: true, result: 2 }));
      tool("seen", async () => ({ success: true, result: seen }));
    } };
"""


async def call(gateway: RunningGateway, tool: str) -> Any:
    asked = {"name": f"plugin_all_{tool}", "arguments": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    async with gateway.caller(accept="application/json, text/event-stream") as caller:
        answer = await caller.call("POST", "/mcp", body=message)
    assert answer.status == 200, answer.body
    result = answer.json["result"]
    assert not result.get("isError"), result
    return json.loads(result["content"][0]["text"])


async def test_every_service_works_as_the_guide_says(start_gateway: StartGateway, tmp_path: Path) -> None:
    place = tmp_path / "kept" / "all"
    place.mkdir(parents=True)
    manifest = {"id": "all", "name": "All", "version": "1.0.0", "permissions": list(ALL), "main": "index.js"}
    (place / "manifest.json").write_text(json.dumps(manifest))
    (place / "index.js").write_text(CODE)
    environ = {
        "JACKFIELD_PLUGINS__DIRS": json.dumps([str(place.parent)]),
        "JACKFIELD_PLUGINS__CONFIG__ALL__API_KEY": "k-1",
    }
    gateway = await start_gateway(environ=environ)
    shown = await gateway.plugin("all")
    assert (shown["state"], shown["dialect"], shown["runtime"], shown["reason"]) == ("active", "toolbox", "node", None)
    assert "k-1" not in json.dumps(shown)
    process = shown["process"]
    assert (process["state"], process["starts"], process["exit"]) == ("running", 1, None)
    assert process["pid"] > 0
    assert {"seccomp", "node_permission"} <= set(process["layers"])
    used = await call(gateway, "use")
    refused = used.pop("refused")
    assert "169.254.169.254" in refused
    assert used == {
        "at": 0,
        "memory": ["likes green tea", 8, True],
        "task": [True, "0 9 * * *", True],
        "other": {"success": True, "result": 2},
        "user": True,
        "secret": "k-1",
    }
    (created, own) = await call(gateway, "seen")
    assert (created[1], own) == (True, "all")
