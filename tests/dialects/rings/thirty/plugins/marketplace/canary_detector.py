"""An answer must not give the system prompt away."""

import json
from difflib import SequenceMatcher

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class CanaryDetector(BasePlugin):
    name, hook, timeout_ms = "canary_detector", PluginHook.POST_FLIGHT, 50

    async def execute(self, ctx):
        if ctx.metadata.get("_cache_status") == "HIT" or not getattr(ctx.response, "body", None):
            return PluginResponse.passthrough()
        system = " ".join(str(m["content"]) for m in ctx.body.get("messages", []) if m["role"] == "system")
        answer = json.loads(ctx.response.body)["choices"][0]["message"].get("content") or ""
        match = SequenceMatcher(None, system, answer, autojunk=False).find_longest_match()
        ratio = match.size / len(system) if system else 0.0
        leaked = match.size >= self.config.get("min_leak_chars", 50)
        ctx.metadata["_canary_leak"], ctx.metadata["_canary_ratio"] = leaked, ratio
        if leaked and self.config.get("block_on_leak", False):
            return PluginResponse.block(403, "system_prompt_leak", "The answer gave the system prompt away")
        return PluginResponse.passthrough()
