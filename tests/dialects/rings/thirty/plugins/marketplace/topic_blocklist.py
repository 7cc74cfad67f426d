"""Refuses, or notes, what nobody should talk about here."""

import re

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse


class TopicBlocklist(BasePlugin):
    name, hook, timeout_ms = "topic_blocklist", PluginHook.PRE_FLIGHT, 5

    def __init__(self, config=None):
        super().__init__(config)
        self.patterns = []

    async def on_load(self):
        flags = 0 if self.config.get("case_sensitive", False) else re.IGNORECASE
        wrap = {"whole_word": r"\b{}\b", "regex": "{}"}.get(self.config.get("match_mode"), "{}")
        quote = str if self.config.get("match_mode") == "regex" else re.escape
        self.patterns = [re.compile(wrap.format(quote(topic)), flags) for topic in self.config.get("topics", [])]

    async def on_unload(self):
        self.patterns.clear()

    async def execute(self, ctx):
        roles = self.config.get("scan_roles", ["user"])
        texts = [str(message["content"]) for message in ctx.body.get("messages", []) if message["role"] in roles]
        for pattern in self.patterns:
            if any(pattern.search(text) for text in texts):
                if self.config.get("action", "block") == "block":
                    return PluginResponse.block(400, "topic_blocked", "This topic is closed")
                ctx.metadata["_topic_flagged"] = pattern.pattern
        return PluginResponse.passthrough()
