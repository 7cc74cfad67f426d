"""An easy prompt goes to a cheaper model."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ModelDowngrader(BasePlugin):
    name, hook, timeout_ms = "model_downgrader", PluginHook.PRE_FLIGHT, 2

    async def execute(self, ctx):
        model = ctx.body.get("model", "")
        cheaper = self.config.get("downgrade_map", {}).get(model)
        hard = ctx.metadata.get("_prompt_complexity", 1) >= self.config.get("complexity_threshold", 0.3)
        if cheaper is None or hard:
            return PluginResponse.passthrough()
        ctx.metadata["_original_model"], ctx.metadata["_downgraded_to"] = model, cheaper
        ctx.metadata["_downgrade_reason"] = ctx.metadata["_complexity_tier"]
        ctx.body["model"] = cheaper
        return PluginResponse.modify(body=ctx.body)
