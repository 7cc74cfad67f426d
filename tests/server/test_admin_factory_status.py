"""The status page of the factory guide."""

from __future__ import annotations

import pytest

from .admin import refused
from .plugins import BROKEN, QUIET, StartGateway, done, put

AUTH = """
    from jackfield.sdk import Plugin, hook

    class Door(Plugin):
        @hook("auth")
        async def open(self, exchange):
            return None
"""

# Built-in plugins that wait until an operator enables them.
SPARE = frozenset({"access_log", "analytics", "max_tokens", "metrics", "pricing", "request_tracer"})
PRICING = """
    from jackfield.sdk import Plugin

    class Pricing(Plugin):
        async def on_load(self):
            self.services.shared.provide("pricing", self)
"""


@pytest.mark.parametrize("path", ["/api/plugins/status", "/plugins/status"])
async def test_order_services_and_each_plugin_are_told(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway(plugins={"door": AUTH, "broken": BROKEN})
    needs = 'id = "consumer"\n[requires]\nservices = ["pricing"]\n[optional]\nplugins = ["door"]\n'
    put(gateway, "consumer", QUIET, jackfield_toml=needs)
    put(gateway, "pricing", PRICING, jackfield_toml='id = "pricing"\nversion = "3"\nprovides = ["pricing"]\n')
    await done(gateway, "hot-swap")
    told = (await gateway.admin(path)).json
    order = told["initialization_order"]
    assert set(order) == {"anthropic", "echo", "mcp", "openai", "door", "pricing", "consumer"}
    assert order.index("consumer") > max(order.index("pricing"), order.index("door"))
    assert told["services"] == {"pricing": "pricing"}
    plugins = {plugin["name"]: plugin for plugin in told["plugins"]}
    kinds = {name: plugin["type"] for name, plugin in plugins.items()}
    assert kinds == {
        **dict.fromkeys(("anthropic", "echo", "openai"), "provider"),
        **dict.fromkeys(("pricing", "consumer", "broken", "mcp", *sorted(SPARE - {"pricing"})), "system"),
        "door": "auth_provider",
    }
    needed = [plugins["consumer"][key] for key in ("provides", "requires", "optional_requires")]
    assert needed == [[], ["pricing"], ["door"]]
    assert (plugins["pricing"]["version"], plugins["pricing"]["provides"]) == ("3", ["pricing"])
    assert [plugins[name]["initialized"] for name in ("pricing", "broken")] == [True, False]
    assert (plugins["broken"]["state"], "SyntaxError" in plugins["broken"]["reason"]) == ("failed", True)


@pytest.mark.parametrize("path", ["/api/plugins/status", "/plugins/status"])
async def test_it_needs_an_admin_key(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        refused(await caller.get(path), 403, "forbidden")
        refused(await caller.get(path, authorization="Bearer jf-wrong"), 401, "invalid_api_key")
