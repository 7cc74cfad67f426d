"""Cuts the middle out of long tool output."""

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class L0Compressor(BasePlugin):
    name, hook, timeout_ms = "l0_compressor", PluginHook.PRE_FLIGHT, 200

    async def execute(self, ctx):
        head, tail = self.config.get("head_lines", 30), self.config.get("tail_lines", 30)
        saved = 0
        for message in ctx.body.get("messages", []):
            content = message.get("content")
            if message["role"] != "tool" or not isinstance(content, str):
                continue
            lines = content.splitlines()
            if len(lines) >= max(self.config.get("min_lines", 40), head + tail + 1):
                message["content"] = "\n".join([*lines[:head], f"[{len(lines) - head - tail} lines]", *lines[-tail:]])
                saved += len(content) - len(message["content"])
        if saved:
            ctx.metadata["l0_compressed"], ctx.metadata["l0_chars_saved"] = True, saved
            return PluginResponse.modify(body=ctx.body)
        return PluginResponse.passthrough()
