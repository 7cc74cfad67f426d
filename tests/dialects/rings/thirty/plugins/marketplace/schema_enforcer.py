"""An answer must be JSON of the expected shape."""

import json

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class SchemaEnforcer(BasePlugin):
    name, hook, timeout_ms = "schema_enforcer", PluginHook.POST_FLIGHT, 5

    async def execute(self, ctx):
        schema = ctx.metadata.get("_expected_schema")
        if not schema or len(str(schema)) > self.config.get("max_schema_size", 8192) or "choices" not in ctx.body:
            return PluginResponse.passthrough()
        if isinstance(schema, str):
            schema = json.loads(schema)
        errors = self._errors(ctx.body["choices"][0]["message"]["content"], schema)
        ctx.metadata["_schema_valid"], ctx.metadata["_schema_errors"] = not errors, errors
        if errors and self.config.get("action", "warn") == "block":
            return PluginResponse.block(422, "schema_violation", "; ".join(errors))
        return PluginResponse.passthrough()

    def _errors(self, text, schema):
        try:
            value = json.loads(text)
        except ValueError:
            return ["not JSON"]
        return [f"{name} is missing" for name in schema.get("required", []) if name not in value]
