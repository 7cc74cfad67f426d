"""A hook that only one config needs, and what it knows of its permissions."""

from typing import Any

from jackfield.sdk import HookSpec, Plugin, PluginConfig, Reject, hook


class Config(PluginConfig):
    strict: bool = False


class Deaf(Plugin[Config]):
    permissions = ("storage:read", "users:read")

    def hears(self, spec: HookSpec) -> bool:
        return spec.name != "check" or self.config.strict

    @hook("pre_flight", on_failure="open", priority=1)
    async def check(self, exchange: Any) -> Any:
        return None

    @hook("pre_flight", on_failure="open", priority=2)
    async def tell(self, exchange: Any) -> Any:
        return Reject(400, "told", ", ".join(sorted(self.services.permissions)))
