"""Takes restricted tools out of requests of those who are no administrators, or refuses them."""

from core.plugin_engine import PluginContext
from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ToolGuard(BasePlugin):
    name, hook, timeout_ms = "tool_guard", PluginHook.PRE_FLIGHT, 2

    def __init__(self, config=None):
        super().__init__(config)
        self.restricted = frozenset(self.config.get("restricted_tools", []))
        self.admin_roles = frozenset(self.config.get("admin_roles", ["admin"]))

    async def execute(self, ctx: PluginContext) -> PluginResponse:
        if self.admin_roles.intersection(ctx.metadata.get("_user_roles", [])):
            return PluginResponse.passthrough()
        found = [tool["function"]["name"] for tool in ctx.body.get("tools", [])]
        stripped = [name for name in found if name in self.restricted]
        if not stripped:
            return PluginResponse.passthrough()
        if self.config.get("action") == "block":
            return PluginResponse.block(403, "restricted_tools", f"Not for you: {', '.join(stripped)}")
        ctx.metadata["_tool_guard_stripped"] = stripped
        kept = [tool for tool in ctx.body["tools"] if tool["function"]["name"] not in self.restricted]
        body = {name: value for name, value in ctx.body.items() if name != "tools"}
        return PluginResponse.modify(body=body | ({"tools": kept} if kept else {}))
