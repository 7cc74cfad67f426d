"""What every source of plugins does: find them, without running any of their code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Protocol

import msgspec


def keep() -> None:
    """Forgets nothing: what others may have imported as well stays."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that a source has seen. `name` is how the source calls it; `folder` is set where it has one; `load`
    brings its module and may raise anything; `forget` lets go of what `load` brought."""

    name: str
    source: str
    place: str
    load: Callable[[], ModuleType | type]
    folder: Path | None = None
    forget: Callable[[], None] = keep


class Source(Protocol):
    def find(self) -> tuple[Found, ...]: ...
