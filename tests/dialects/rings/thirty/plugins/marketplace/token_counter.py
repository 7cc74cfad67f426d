"""What an exchange really used and cost."""

import json

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class TokenCounter(BasePlugin):
    name, hook, timeout_ms = "token_counter", PluginHook.BACKGROUND, 50

    async def execute(self, ctx):
        from core.pricing import estimate_cost

        if ctx.metadata.get("_cache_status") == "HIT" or not getattr(ctx.response, "body", None):
            return PluginResponse.passthrough()
        usage = json.loads(ctx.response.body).get("usage") or {}
        tokens_in, tokens_out = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        cost = estimate_cost(ctx.body.get("model", ""), tokens_in, tokens_out)
        ctx.metadata["_actual_tokens_in"], ctx.metadata["_actual_tokens_out"] = tokens_in, tokens_out
        ctx.metadata["_actual_cost_usd"] = cost
        ctx.metadata["_cost_delta_usd"] = cost - ctx.metadata.get("_estimated_cost_usd", 0)
        return PluginResponse.passthrough()
