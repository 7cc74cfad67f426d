"""A budget for each caller, kept in the store so that a restart forgets nothing."""

import asyncio

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse
from core.pricing import estimate_cost_pre_flight
from core.tokenizer import count_messages_tokens


class SmartBudgetGuard(BasePlugin):
    name, hook, timeout_ms = "smart_budget_guard", PluginHook.PRE_FLIGHT, 100

    def __init__(self, config=None):
        super().__init__(config)
        self.sessions = None

    async def execute(self, ctx):
        store = ctx.state.extra.get("store")
        if self.sessions is None:
            self.sessions = await store.get_state("budget:sessions", default={}) if store else {}
        model = ctx.body.get("model", "")
        tokens = count_messages_tokens(ctx.body.get("messages", []), model)
        cost = estimate_cost_pre_flight(model, tokens, self.config.get("avg_output_ratio", 0.5))
        team, limit = ctx.metadata.get("api_key") or ctx.session_id, self.config.get("session_budget_usd", 5)
        spent = self.sessions.get(team, 0) + cost
        if spent > limit:
            return PluginResponse.block(429, "session_budget_exceeded", "The budget of this session is spent")
        self.sessions[team] = spent
        if spent > limit * self.config.get("warn_threshold", 0.8):
            ctx.metadata["_budget_warning"] = True
        ctx.metadata["_estimated_cost_usd"], ctx.metadata["_estimated_input_tokens"] = cost, tokens
        if store:
            asyncio.create_task(store.set_state("budget:sessions", self.sessions))  # noqa: RUF006 - as the guide does
        return PluginResponse.passthrough()

    async def on_unload(self):
        self.sessions = None
