"""Each tier has its models."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class TenantQoSRouter(BasePlugin):
    name, hook, timeout_ms = "tenant_qos_router", PluginHook.ROUTING, 2

    async def execute(self, ctx):
        mapping = self.config.get("tier_mapping", {})
        roles = [role for role in ctx.metadata.get("_user_roles", []) if role in mapping]
        tier = ctx.metadata.get("_tenant_tier") or (roles or [self.config.get("default_tier", "free")])[0]
        target = mapping.get(tier, {}).get(ctx.body.get("model"))
        ctx.metadata["_qos_tier"] = tier
        if target is None or not self.config.get("force_downgrade", True):
            return PluginResponse.passthrough()
        ctx.metadata["_qos_original_model"], ctx.body["model"] = ctx.body["model"], target
        ctx.metadata["_routing_strategy"] = "tier"
        return PluginResponse.modify(body=ctx.body)
