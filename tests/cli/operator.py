"""An operator at a shell beside a running gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

from jackfield.testing.gateway import RunningGateway

from .conftest import Outcome, Run

QUIET = """
    from jackfield.sdk import Plugin, PluginConfig

    class QuietConfig(PluginConfig):
        greeting: str = "hello"
        api_key: str = "open sesame"
        limits: dict[str, int] = {}

    class Quiet(Plugin[QuietConfig]):
        version = "1.0"
"""
BROKEN = "1 +"


class Operator:
    """Commands run in a thread: each has an event loop of its own, and the gateway keeps this one."""

    def __init__(self, run: Run, gateway: RunningGateway) -> None:
        self._run, self.gateway = run, gateway

    async def plugin(self, *arguments: str) -> Outcome:
        return await asyncio.to_thread(self._run, "plugin", *arguments)

    async def said(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        outcome = await self.plugin(*arguments)
        assert (outcome.code, outcome.err) == (0, ""), outcome
        return outcome.out

    async def told(self, *arguments: str) -> Any:
        return json.loads(await self.said(*arguments, "--json"))

    async def refused(self, *arguments: str) -> str:
        """The one line that a command says that fails."""
        outcome = await self.plugin(*arguments)
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1), outcome
        return outcome.err.removeprefix("jackfield: ").rstrip("\n")

    def put(self, plugin: str, source: str, manifest: str = "") -> Path:
        place = self.gateway.folder / "plugins" / plugin
        place.mkdir(parents=True, exist_ok=True)
        place.joinpath("plugin.py").write_text(dedent(source), encoding="utf-8")
        if manifest:
            place.joinpath("jackfield.toml").write_text(manifest, encoding="utf-8")
        return place
