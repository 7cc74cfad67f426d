"""Some sessions try the other model."""

import hashlib
import random

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ABModelRouter(BasePlugin):
    name, hook, timeout_ms = "ab_model_router", PluginHook.ROUTING, 2

    async def execute(self, ctx):
        if ctx.body.get("model") != self.config.get("control_model"):
            return PluginResponse.passthrough()
        share = self.config.get("split_pct", 0.1)
        if self.config.get("sticky", True):
            drawn = int(hashlib.sha256(ctx.session_id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
        else:
            drawn = random.random()
        arm = "variant" if drawn < share else "control"
        ctx.body["_ab_meta"] = {"experiment": self.config.get("experiment_id"), "arm": arm}
        if arm == "variant":
            ctx.body["model"] = self.config["variant_model"]
        return PluginResponse.modify(body=ctx.body)
