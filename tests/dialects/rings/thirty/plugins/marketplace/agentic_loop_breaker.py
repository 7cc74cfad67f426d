"""An agent that says the same again and again is stopped."""

import hashlib
import time
from collections import defaultdict, deque

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class AgenticLoopBreaker(BasePlugin):
    name, hook, timeout_ms = "agentic_loop_breaker", PluginHook.PRE_FLIGHT, 10

    def __init__(self, config=None):
        super().__init__(config)
        self.seen = defaultdict(deque)

    async def execute(self, ctx):
        last = ctx.body.get("messages", [])[-self.config.get("hash_messages", 3) :]
        digest = hashlib.sha256(repr(last).encode()).hexdigest()
        times = self.seen[ctx.session_id, digest]
        now = time.time()
        while times and times[0] < now - self.config.get("window_seconds", 120):
            times.popleft()
        times.append(now)
        if len(times) > self.config.get("max_repeats", 3):
            return PluginResponse.block(429, "agentic_loop_detected", "The same messages again and again")
        return PluginResponse.passthrough()
