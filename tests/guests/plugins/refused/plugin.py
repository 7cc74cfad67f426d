"""Asks for everything, and was granted nothing."""

from typing import Any

from jackfield.sdk import NotGranted, Plugin, Reject, hook

SERVICES = ("kv", "http", "events", "scheduler", "memory", "users", "tools", "mcp")


class Refused(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def tell(self, exchange: Any) -> Any:
        told = []
        for name in SERVICES:
            try:
                getattr(self.services, name)
            except NotGranted as error:
                told.append(f"{name} {error.permission}")
        return Reject(403, "refused", "; ".join(told))
