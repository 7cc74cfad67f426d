"""So many requests a minute for each key and model."""

import time
from collections import defaultdict

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ModelRateLimiter(BasePlugin):
    name, hook, timeout_ms = "model_rate_limiter", PluginHook.PRE_FLIGHT, 2

    def __init__(self, config=None):
        super().__init__(config)
        self.calls = defaultdict(list)

    async def execute(self, ctx):
        model = ctx.body.get("model", "")
        limit = self.config.get("model_limits", {}).get(model, self.config.get("default_rpm", 60))
        since = time.time() - self.config.get("window_seconds", 60)
        key = ctx.metadata.get("api_key", ctx.session_id), model
        self.calls[key] = [at for at in self.calls[key] if at > since]
        if len(self.calls[key]) >= limit:
            ctx.metadata["_rate_limited_model"] = model
            return PluginResponse.block(429, "model_rate_limited", f"{model}: {limit} a minute")
        self.calls[key].append(time.time())
        ctx.metadata["_model_rpm_used"], ctx.metadata["_model_rpm_limit"] = len(self.calls[key]), limit
        return PluginResponse.passthrough()

    def get_stats(self):
        return {"keys": len(self.calls)}
