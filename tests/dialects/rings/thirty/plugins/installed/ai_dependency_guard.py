"""Packages that an answer tells to install must exist."""

import json
import re

from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse

_INSTALL = re.compile(r"\b(?:pip|npm) install ([\w.-]+)")


class AiDependencyGuard(BasePlugin):
    name, hook, timeout_ms = "ai_dependency_guard", PluginHook.POST_FLIGHT, 2500

    async def _is_known(self, package):
        if package in self.config.get("blocklist", []):
            return False
        if not self.config.get("registry_check", True):
            return True
        import aiohttp

        url = f"{self.config['registry_url']}/{package}"
        timeout = aiohttp.ClientTimeout(total=self.config.get("registry_timeout_ms", 1500) / 1000)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            return answer.status == 200

    async def execute(self, ctx):
        if ctx.metadata.get("_cache_status") == "HIT" or not getattr(ctx.response, "body", None):
            return PluginResponse.passthrough()
        text = json.loads(ctx.response.body)["choices"][0]["message"].get("content") or ""
        packages = _INSTALL.findall(text)[: self.config.get("max_packages_per_response", 20)]
        unknown = [package for package in packages if not await self._is_known(package)]
        if packages:
            ctx.metadata["_depguard_packages"], ctx.metadata["_depguard_flagged"] = packages, unknown
        if unknown and self.config.get("block_on_hallucination", False):
            return PluginResponse.block(403, "hallucinated_dependency", f"There is no {', '.join(unknown)}")
        return PluginResponse.passthrough()
