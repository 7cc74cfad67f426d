"""What a dialect makes of something found: the class to start, and what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from jackfield.sdk.manifest import Manifest
from jackfield.sdk.plugin import Plugin
from jackfield.sources.base import Found


class Blueprint(msgspec.Struct, frozen=True):
    """A plugin ready to be configured and started.

    `ui_schema` is the form of its config where the dialect has one of its own; else it is the JSON Schema of the config
    model. `aliases` are names it can be asked for by, beside its id and its display name. `gives_freely` is whether it
    may give other plugins services that its manifest does not declare. `runtime` is where its code
    runs, `agent` what its HTTP requests call it, before its id.
    """

    manifest: Manifest
    kind: type[Plugin[Any]]
    ui_schema: Any = None
    aliases: tuple[str, ...] = ()
    runtime: str = "inprocess"
    agent: str = "Jackfield-Plugin"
    gives_freely: bool = False


class Dialect(Protocol):
    name: str

    def find(self, folder: Path, shown: Path | None = None) -> tuple[Found, ...]:
        """A `Finder`: the plugins of this dialect in a plugins folder; `shown` is where its files stand for people,
        where `folder` is a copy."""

    def read(self, found: Found) -> Blueprint:
        """Runs the plugin's code. Raises `ManifestError`, and whatever the code raises."""


class Reader(Protocol):
    """Reads plugins whose code runs elsewhere: in a process of their own, or behind an address."""

    async def read(self, found: Found) -> Blueprint:
        """Raises `ManifestError`, `ConfigError`, and `SessionLost` with the last words of a process that did not come
        up. What it started for this is taken over by the instance of the blueprint's `kind`, or ends by itself."""

    async def aclose(self) -> None:
        """Ends at once what was started to be read, and was not taken over."""
