"""Refuses what cannot fit into the model's context."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class ContextWindowGuard(BasePlugin):
    name, hook, timeout_ms = "context_window_guard", PluginHook.PRE_FLIGHT, 100

    async def execute(self, ctx):
        from core.tokenizer import count_messages_tokens

        model = ctx.body.get("model", "")
        window = self.config.get("model_windows", {}).get(model, 8192) * self.config.get("safety_margin", 0.9)
        total = count_messages_tokens(ctx.body.get("messages", []), model) + (ctx.body.get("max_tokens") or 0)
        ctx.metadata["_estimated_total_tokens"], ctx.metadata["_context_window_usage"] = total, total / window
        if total > window:
            return PluginResponse.block(413, "context_window_exceeded", f"{total} tokens do not fit into {window:g}")
        return PluginResponse.passthrough()
