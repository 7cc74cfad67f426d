"""No answer longer than the ceiling."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class MaxTokensEnforcer(BasePlugin):
    name, hook, timeout_ms = "max_tokens_enforcer", PluginHook.PRE_FLIGHT, 1

    async def execute(self, ctx):
        ceiling = self.config.get("ceiling", 4096)
        asked = ctx.body.get("max_tokens")
        if asked is None and self.config.get("inject_default", False):
            ctx.body["max_tokens"] = ceiling
        elif asked is not None and asked > ceiling:
            ctx.body["max_tokens"] = ceiling
            if self.config.get("log_clamp", True):
                self.logger.info("clamped %s to %s", asked, ceiling)
        return PluginResponse(action="modify", body=ctx.body)
