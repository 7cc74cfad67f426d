"""Was it fast enough."""

import time
from collections import deque

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class LatencySlaGuard(BasePlugin):
    name, hook, timeout_ms = "latency_sla_guard", PluginHook.POST_FLIGHT, 2

    def __init__(self, config=None):
        super().__init__(config)
        self.window = deque(maxlen=self.config.get("window_size", 500))

    async def execute(self, ctx):
        start, first = ctx.metadata.get("_request_start_time"), ctx.metadata.get("_ttft_time")
        if ctx.metadata.get("_cache_status") == "HIT" or not start:
            return PluginResponse.passthrough()
        latency_ms = (time.time() - start) * 1000
        ttft_ms = (first - start) * 1000 if first else None
        self.window.append(latency_ms)
        violations = ["ttft"] if ttft_ms is not None and ttft_ms > self.config.get("ttft_p95_ms", 500) else []
        ctx.metadata["_latency_ms"], ctx.metadata["_ttft_ms"] = latency_ms, ttft_ms
        ctx.metadata["_sla_status"], ctx.metadata["_sla_violations"] = "late" if violations else "ok", violations
        return PluginResponse.passthrough()

    def get_sla_stats(self):
        return {"count": len(self.window)}
