"""Masks names that a model finds; without its model it lets all pass."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class OnnxPiiMasker(BasePlugin):
    name, hook, timeout_ms = "onnx_pii_masker", PluginHook.PRE_FLIGHT, 2000

    def __init__(self, config=None):
        super().__init__(config)
        self.names = None

    async def on_load(self):
        try:
            self.names = self._load(self.config.get("model_id"))
        except FileNotFoundError as error:
            self.logger.warning("no model: %s", error)

    def _load(self, model_id):
        if model_id != "names":
            raise FileNotFoundError(model_id)
        return self.config.get("known_names", [])

    async def execute(self, ctx):
        vault = ctx.metadata["rotator"].security.pii_vault
        for message in ctx.body.get("messages", []):
            for name in self.names or ():
                if isinstance(message["content"], str) and name in message["content"]:
                    token = f"[PERSON_{len(vault) + 1}]"
                    vault[token] = name
                    message["content"] = message["content"].replace(name, token)
                    await ctx.metadata["rotator"]._add_log("masked a name")
        return PluginResponse.modify(body=ctx.body)
