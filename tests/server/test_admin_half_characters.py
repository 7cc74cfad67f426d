"""A half character (a lone surrogate) in a plugin's text, which no encoding has, harms nobody."""

from __future__ import annotations

import os

import pytest

from .admin import CHAT
from .plugins import PLUGINS, QUIET, StartGateway, done, put

RAISES = """
    from jackfield.sdk import Plugin, hook

    class Raises(Plugin):
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            raise ValueError("\\udfff x")
"""
UNHEALTHY = """
    from jackfield.sdk import Health, Plugin

    class Unhealthy(Plugin):
        async def health(self):
            return Health(False, "\\ud800 bad")
"""
DEFAULT = """
    from jackfield.sdk import Plugin, PluginConfig

    class Half(PluginConfig):
        word: str = "\\ud800"

    class Default(Plugin[Half]):
        pass
"""
BREAKS = 'raise ValueError("\\ud800 lone")'
PATHS = (PLUGINS, f"{PLUGINS}/stats", "/api/v1/generations", "/api/plugins/status", "/ready")


@pytest.mark.parametrize("source", [RAISES, UNHEALTHY, DEFAULT, BREAKS])
async def test_what_a_plugin_says_breaks_neither_looking_nor_changing(start_gateway: StartGateway, source: str) -> None:
    gateway = await start_gateway(plugins={"half": source, "quiet": QUIET})
    async with gateway.caller() as caller:
        assert (await caller.post("/v1/chat/completions", CHAT)).status == 200
    for path in (*PATHS, f"{PLUGINS}/half", f"{PLUGINS}/half/config"):
        assert (await gateway.admin(path)).status == 200, path
    for enabled in (False, True):
        assert (await done(gateway, "toggle", {"name": "quiet", "enabled": enabled}))["changed"]
    assert "\\ud" in (await gateway.admin(f"{PLUGINS}/half")).body.decode()


async def test_nor_does_the_name_of_a_folder(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, os.fsdecode(b"bad\xff"), QUIET)
    swapped = await gateway.admin(f"{PLUGINS}/hot-swap", "POST", {})
    assert swapped.status in (200, 409), swapped.body
    for path in PATHS:
        assert (await gateway.admin(path)).status == 200, path
    assert (await done(gateway, "toggle", {"name": "quiet", "enabled": False}))["changed"]


async def test_nor_does_a_refusal(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    put(gateway, "quiet", BREAKS)
    called = await gateway.admin(f"{PLUGINS}/hot-swap", "POST", {})
    assert called.status == 409
    assert "\\ud800 lone" in called.json["error"]["message"]
