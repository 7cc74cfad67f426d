"""Plugins folders of ring plugins, written by tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from jackfield.dialects.rings.dialect import RingDialect
from jackfield.sources.base import Found

PASSES = """
from core.plugin_sdk import BasePlugin, PluginResponse


class Passes(BasePlugin):
    name = "passes"

    async def execute(self, ctx):
        return PluginResponse.passthrough()
"""


def entry(name: str = "My Plugin", module: str = "marketplace.my_plugin", symbol: str = "Passes", **more: Any) -> Any:
    return {"name": name, "hook": "pre_flight", "entrypoint": f"{module}:{symbol}", **more}


def write_folder(
    folder: Path, *entries: Any, files: Mapping[str, str | bytes] | None = None, installed: list[Any] | None = None
) -> Path:
    """A plugins folder with these entries; `marketplace/my_plugin.py` is there unless `files` has another."""
    for path, text in {"marketplace/my_plugin.py": PASSES, **(files or {})}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "manifest.yaml").write_text(yaml.safe_dump({"plugins": list(entries)}, sort_keys=False))
    if installed is not None:
        (folder / "installed").mkdir(exist_ok=True)
        (folder / "installed" / "manifest.yaml").write_text(yaml.safe_dump({"plugins": installed}, sort_keys=False))
    return folder


def find_one(folder: Path, dialect: RingDialect | None = None) -> Found:
    (found,) = (dialect or RingDialect()).find(folder)
    return found


def reason_of(found: Found) -> str:
    """Why it is refused when it is loaded."""
    try:
        found.load()
    except Exception as error:  # noqa: BLE001 - what is raised is what is asked for
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"{found.name} is not refused")
