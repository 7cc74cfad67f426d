"""Notes which endpoint a shadow request would have gone to."""

import random

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ShadowTraffic(BasePlugin):
    name, hook, timeout_ms = "shadow_traffic", PluginHook.BACKGROUND, 50

    async def execute(self, ctx):
        rotator = ctx.metadata.get("rotator")
        if rotator is None or random.random() >= self.config.get("sample_rate", 0.05):
            return PluginResponse.passthrough()
        model = self.config.get("shadow_model")
        for endpoint in await rotator.store.get_pool():
            if model in endpoint.metadata["models"]:
                ctx.metadata["_shadow_url"] = endpoint.url
                await rotator.store.set_state("shadow:last", {"url": endpoint.url, "req_id": ctx.metadata["req_id"]})
        return PluginResponse.passthrough()
