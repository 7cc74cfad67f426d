"""The ring guide's own example, word for word."""

PLUGIN = """# plugins/marketplace/my_plugin.py

from typing import Dict, Any
from core.plugin_sdk import BasePlugin, PluginResponse, PluginHook
from core.plugin_engine import PluginContext


class MyPlugin(BasePlugin):
    name = "my_plugin"
    hook = PluginHook.PRE_FLIGHT
    version = "1.0.0"
    author = "your-name"
    description = "What it does"
    timeout_ms = 10

    def __init__(self, config: Dict[str, Any] = None):
        super().__init__(config)
        self.my_setting = self.config.get("my_setting", "default")

    async def execute(self, ctx: PluginContext) -> PluginResponse:
        # Access request body
        messages = ctx.body.get("messages", [])

        # Your logic
        if should_block:
            return PluginResponse.block(
                status_code=429,
                error_type="my_error",
                message="Blocked: reason"
            )

        # Add metadata for downstream plugins
        ctx.metadata["_my_plugin_result"] = "value"

        return PluginResponse.passthrough()

    async def on_load(self):
        self.logger.info(f"Loaded with setting={self.my_setting}")

    async def on_unload(self):
        self.logger.info("Unloaded")
"""

MANIFEST = """plugins:
- name: "My Plugin"
  hook: "pre_flight"
  priority: 25
  enabled: false
  type: "python"
  entrypoint: "marketplace.my_plugin:MyPlugin"
  version: "1.0.0"
  author: "your-name"
  description: "What it does"
  timeout_ms: 10
  config:
    my_setting: "default"
  ui_schema:
    - key: "my_setting"
      type: "text"
      label: "My Setting"
      description: "Controls behavior X"
      default: "default"
"""

TESTS = """# tests/test_my_plugin.py

import pytest
from plugins.marketplace.my_plugin import MyPlugin
from core.plugin_engine import PluginContext, PluginState


@pytest.mark.asyncio
async def test_passthrough():
    plugin = MyPlugin(config={"my_setting": "value"})
    ctx = PluginContext(
        body={"messages": [{"role": "user", "content": "hello"}]},
        session_id="test",
        metadata={},
        state=PluginState(),
    )
    result = await plugin.execute(ctx)
    assert result.action == "passthrough"


@pytest.mark.asyncio
async def test_block():
    plugin = MyPlugin(config={"my_setting": "trigger"})
    ctx = PluginContext(
        body={"messages": [{"role": "user", "content": "bad input"}]},
        session_id="test",
        metadata={},
        state=PluginState(),
    )
    result = await plugin.execute(ctx)
    assert result.action == "block"
    assert result.status_code == 429
"""

# The guide leaves its condition to the reader; this one makes its tests pass.
FINISHED_PLUGIN = PLUGIN.replace(
    "# Your logic\n", '# Your logic\n        should_block = self.my_setting == "trigger"\n'
)
