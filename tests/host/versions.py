"""Plugins that come in versions and keep a diary of their lives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import JackfieldError

from .world import World

VERSION = """
    from pathlib import Path
    from jackfield.sdk import Plugin, PluginConfig, hook

    class Config(PluginConfig):
        word: str = "none"

    class Versioned(Plugin[Config]):
        id = "{name}"
        version = "{version}"

        async def on_load(self): self.write("load")
        async def on_unload(self): self.write("unload")

        @hook("ingress")
        async def check(self, exchange): ...

        def write(self, what):
            with (Path(__file__).parents[2] / "diary").open("a") as diary:
                diary.write(f"{{what}} {{self.id}} {{self.version}}\\n")
"""


def write(world: World, name: str = "one", version: str = "1", **more: str) -> Path:
    return world.write(name, VERSION.format(name=name, version=version), **more)


def diary(world: World) -> list[str]:
    file = world.folder.parent / "diary"
    return file.read_text().splitlines() if file.exists() else []


def version(world: World, name: str = "one") -> str:
    return world.running.snapshot.plugins[name].version


async def refused(work: Any, kind: type[JackfieldError], match: str) -> None:
    with pytest.raises(kind, match=match):
        await work
