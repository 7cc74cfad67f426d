"""The guide's example, word for word, and plugins that tests vary."""

from __future__ import annotations

SKELETON = """
# plugin.py (inside plugins/my_provider)
from ccproxy.plugins import PluginManifest, ProviderPluginRuntime, ProviderPluginFactory
from pydantic import BaseModel
from fastapi import APIRouter

class MyProviderConfig(BaseModel):
    enabled: bool = True

router = APIRouter()

class MyProviderRuntime(ProviderPluginRuntime):
    async def _on_initialize(self) -> None:
        if self.context.get("config").enabled:
            # Register routes, hooks, services as needed
            pass

class MyProviderFactory(ProviderPluginFactory):
    def __init__(self) -> None:
        manifest = PluginManifest(
            name="my_provider",
            version="1.0.0",
            is_provider=True,
            config_class=MyProviderConfig,
        )
        super().__init__(manifest)

    def create_context(self, core_services):
        context = super().create_context(core_services)
        # If you have routes:
        # context["router"] = router
        return context

# Export factory for discovery
factory = MyProviderFactory()
"""

# A system plugin; `fields` are further ones of its manifest, `body` the rest of its runtime.
_SYSTEM = """
from __future__ import annotations

import asyncio
from fastapi import APIRouter, Request
from pydantic import BaseModel
from ccproxy.core.logging import get_plugin_logger
from ccproxy.core.plugins import *
from ccproxy.core.plugins.declaration import CliArgumentSpec, CliCommandSpec, RouterSpec
from ccproxy.core.plugins.hooks import Hook, HookContext, HookEvent, HookLayer, HookRegistry
from ccproxy.scheduler.tasks import BaseScheduledTask

logger = get_plugin_logger()
seen = []
__BEFORE__

class Config(BaseModel):
    enabled: bool = True
    limit: int = 1
    nested: dict = {}
    name: str = ""

class Runtime(SystemPluginRuntime):
__BODY__

class Factory(SystemPluginFactory):
    def __init__(self):
        super().__init__(PluginManifest(name="__NAME__", version="1.2.3", config_class=Config, __FIELDS__))

factory = Factory()
"""


def system(name: str, body: str = "    pass", fields: str = "", before: str = "") -> str:
    told = {"__NAME__": name, "__BODY__": body, "__FIELDS__": fields, "__BEFORE__": before}
    source = _SYSTEM
    for word, text in told.items():
        source = source.replace(word, text)
    return source
