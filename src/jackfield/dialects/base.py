"""What a dialect makes of something loaded: the class to start, and what it says of itself."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Protocol

import msgspec

from jackfield.sdk.manifest import Manifest
from jackfield.sdk.plugin import Plugin
from jackfield.sources.base import Found


class Blueprint(msgspec.Struct, frozen=True):
    """A plugin ready to be configured and started."""

    manifest: Manifest
    kind: type[Plugin[Any]]
    dialect: str


class Dialect(Protocol):
    name: str

    def read(self, found: Found, loaded: ModuleType | type) -> Blueprint | None:
        """`None` where this is not the dialect's; raises `ManifestError` where it is but is wrong."""
