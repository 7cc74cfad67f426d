"""Notes answers that are short, cut or refusals."""

import json

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ResponseQualityGate(BasePlugin):
    name, hook, timeout_ms = "response_quality_gate", PluginHook.POST_FLIGHT, 5

    async def execute(self, ctx):
        if ctx.metadata.get("_cache_status") == "HIT" or not getattr(ctx.response, "body", None):
            return PluginResponse.passthrough()
        choice = json.loads(ctx.response.body)["choices"][0]
        issues = []
        if len(choice["message"].get("content") or "") < self.config.get("min_length", 20):
            issues.append("short")
        if self.config.get("check_truncation", True) and choice["finish_reason"] == "length":
            issues.append("cut")
        ctx.metadata["_quality_score"] = 1 - len(issues) / 2
        ctx.metadata["_quality_status"], ctx.metadata["_quality_issues"] = "poor" if issues else "good", issues
        return PluginResponse.passthrough()
