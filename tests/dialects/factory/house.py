"""A gateway with factory plugins, and what became of them."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from jackfield.dialects.factory.world import FactoryWorld
from jackfield.testing.gateway import RunningGateway

CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


class House:
    def __init__(self, gateway: RunningGateway, world: FactoryWorld) -> None:
        self.gateway, self.world = gateway, world

    def member(self, name: str) -> Any:
        return next(one for one in self.world.members() if one.id == name)

    def module(self, name: str) -> Any:
        """The `plugin.py` of one that runs."""
        return sys.modules[type(self.member(name).factory).__module__]

    async def status(self) -> dict[str, Any]:
        called = await self.gateway.admin("/api/plugins/status")
        return dict(called.json)

    async def described(self, name: str) -> dict[str, Any]:
        return next(one for one in (await self.status())["plugins"] if one["name"] == name)

    async def chat(self, path: str = CHAT, **fields: Any) -> Any:
        async with self.gateway.caller() as caller:
            return await caller.post(path, {**HELLO, **fields})

    async def settle(self) -> None:
        for member in self.world.members():
            await member.observers.settle(5.0)


def put(folder: Path, name: str, source: str, **files: str) -> Path:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    place.joinpath("plugin.py").write_text(dedent(source), encoding="utf-8")
    for file, text in files.items():
        place.joinpath(f"{file}.py").write_text(dedent(text), encoding="utf-8")
    return place
