"""What the admin API tells of ring plugins: one hook each, as its author sees it, also of one that does not run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jackfield.testing.gateway import RunningGateway

from .folders import entry, write_folder

StartGateway = Callable[..., Awaitable[RunningGateway]]

CODE = """
import asyncio
from core.plugin_sdk import BasePlugin


class Slow(BasePlugin):
    timeout_ms = 700

    async def execute(self, ctx): ...


async def look(ctx): ...


async def lookup(ctx):
    ctx.metadata["_cache_key"] = None
"""
# One of another dialect, so that there is a plugins folder from the start.
NATIVE = {"quiet": "from jackfield.sdk import Plugin\nclass Quiet(Plugin): ..."}
SECRET_FORM = [{"key": "word", "type": "text"}, {"key": "api_key", "type": "text"}]


async def told(gateway: RunningGateway, *entries: Any) -> dict[str, dict[str, Any]]:
    """Ring plugins by id, of a manifest with these entries."""
    write_folder(gateway.folder / "plugins", *entries, files={"marketplace/many.py": CODE})
    assert (await gateway.admin("/api/v1/plugins/hot-swap", "POST")).status == 200
    listed = (await gateway.admin("/api/v1/plugins")).json["plugins"]
    return {plugin["id"]: plugin for plugin in listed if plugin["dialect"] == "ring"}


def fields(plugin: dict[str, Any]) -> list[Any]:
    names = ("state", "hook", "type", "timeout_ms", "fail_policy", "priority")
    return [plugin[name] for name in names]


async def test_the_hook_is_the_authors_whatever_its_ring_needs_beside_it(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins=NATIVE)
    after = entry("After", "marketplace.many", "look", hook="post_flight", priority=7, timeout_ms=20)
    cache = entry("Cache", "marketplace.many", "lookup")
    plugins = await told(gateway, after, cache)
    assert fields(plugins["after"]) == ["active", "post_flight", "python", 20, "open", 7]
    assert fields(plugins["cache"]) == ["active", "pre_flight", "python", 50, "open", 100]
    assert [[hook["hook"] for hook in plugin["hooks"]] for plugin in plugins.values()] == [["run"], ["run"]]


async def test_one_that_is_off_is_told_as_it_would_run(start_gateway: StartGateway) -> None:
    config = {"word": "hello", "api_key": "open sesame"}
    rings = [
        entry("Off", "marketplace.many", "look", hook="routing", enabled=False, timeout_ms=20, priority=3),
        entry("Of Class", "marketplace.many", "Slow", enabled=False, fail_policy="closed"),
        entry("Formed", "marketplace.many", "look", enabled=False, ui_schema=SECRET_FORM, config=config),
    ]
    gateway = await start_gateway(plugins=NATIVE, environ={"JACKFIELD_PLUGINS__CONFIG__FORMED__TIMEOUT_MS": "900"})
    plugins = await told(gateway, *rings)
    assert fields(plugins["off"]) == ["disabled", "routing", "python", 20, "closed", 3]
    assert fields(plugins["of_class"]) == ["disabled", "pre_flight", "python", 700, "closed", 100]
    assert fields(plugins["formed"]) == ["disabled", "pre_flight", "python", 900, "open", 100]
    assert plugins["formed"]["config"] == {"word": "hello", "api_key": "***"}
