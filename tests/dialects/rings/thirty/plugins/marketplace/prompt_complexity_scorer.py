"""How hard a prompt looks, for those who choose a model."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class PromptComplexityScorer(BasePlugin):
    name, hook, timeout_ms = "prompt_complexity_scorer", PluginHook.PRE_FLIGHT, 5

    async def execute(self, ctx):
        messages = ctx.body.get("messages", [])
        text = " ".join(str(message.get("content")) for message in messages)
        signals = {"depth": min(len(text) / 4000, 1), "turns": min(len(messages) / 20, 1), "code": float("```" in text)}
        weights = {"depth": 0.3, "turns": 0.2, "code": 0.25}
        score = sum(value * self.config.get(f"{name}_weight", weights[name]) for name, value in signals.items())
        ctx.metadata["_prompt_complexity"] = score
        ctx.metadata["_complexity_tier"] = "hard" if score > 0.3 else "easy"
        ctx.metadata["_complexity_signals"] = signals
        return PluginResponse.passthrough()
