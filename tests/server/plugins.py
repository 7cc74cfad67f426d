"""Plugins for the tests of the admin API, and changing them on a running gateway's disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from textwrap import dedent
from typing import Any

from jackfield.testing import Called
from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]

PLUGINS = "/api/v1/plugins"

GREETER = """
    from pydantic import SecretStr

    from jackfield.sdk import Plugin, PluginConfig, Reject, hook

    class GreeterConfig(PluginConfig):
        greeting: str = "hello"
        api_key: str = "open sesame"
        salt: SecretStr = SecretStr("pepper")

    class Greeter(Plugin[GreeterConfig]):
        version = "1.2.3"

        @hook("pre_flight", on_failure="open", priority=7)
        async def check(self, exchange):
            if exchange.request.last_user_text() == "stop":
                return Reject(429, "stopped", self.config.greeting)

        @hook("response_chunk", on_failure="closed")
        async def look(self, exchange, chunk):
            return None
"""
QUIET = """
    from jackfield.sdk import Plugin

    class Quiet(Plugin):
        version = "1"
"""
BROKEN = "1 +"


def put(gateway: RunningGateway, plugin: str, source: str, **files: str) -> None:
    """Writes a plugin's `plugin.py`, and other files with `_` for `.`, into the plugins folder."""
    place = gateway.folder / "plugins" / plugin
    place.mkdir(parents=True, exist_ok=True)
    for name, text in {"plugin_py": source, **files}.items():
        place.joinpath(name.replace("_", ".")).write_text(dedent(text), encoding="utf-8")


def newer(source: str) -> str:
    return source.replace('version = "1', 'version = "2.1')


async def done(gateway: RunningGateway, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a POST of the admin API that is not refused answers."""
    called = await gateway.admin(f"{PLUGINS}/{path}", "POST", body)
    assert called.status == 200, called.body
    return dict(called.json)


async def generation(gateway: RunningGateway) -> int:
    return int((await gateway.admin(PLUGINS)).json["generation"])


async def put_config(
    gateway: RunningGateway, plugin: str, config: Mapping[str, Any], if_match: str | None = None
) -> Called:
    headers = {} if if_match is None else {"if-match": if_match}
    async with gateway.caller(gateway.admin_key) as caller:
        return await caller.call("PUT", f"{PLUGINS}/{plugin}/config", body=config, headers=headers)
