"""Puts the house rules before, after or in the place of the system message."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class SystemPromptEnforcer(BasePlugin):
    name, hook, timeout_ms = "system_prompt_enforcer", PluginHook.PRE_FLIGHT, 2

    async def execute(self, ctx):
        prompt, mode = self.config.get("prompt", ""), self.config.get("mode", "prepend")
        messages = ctx.body.get("messages", [])
        system = next((message for message in messages if message["role"] == "system"), None)
        if not prompt or (system is None and self.config.get("skip_if_empty", False)):
            return PluginResponse.passthrough()
        if system is None:
            messages.insert(0, {"role": "system", "content": prompt})
        elif isinstance(system["content"], str):
            own = system["content"]
            system["content"] = {"prepend": f"{prompt}\n{own}", "append": f"{own}\n{prompt}"}.get(mode, prompt)
        return PluginResponse.modify(body=ctx.body)
