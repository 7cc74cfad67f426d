"""Where the process of an isolated plugin begins."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

# Draws tracebacks on terminals, of which a guest has none: structlog imports it where it is there, which would take a
# fifth of a guest's start. A plugin that wants it finds it.
_UNUSED = "rich"


async def begin(arguments: Mapping[str, Any], rpc: Any) -> object:
    """The program. Raises `ManifestError` where the plugin is not found again."""
    hidden = _UNUSED not in sys.modules
    if hidden:
        sys.modules[_UNUSED] = None  # type: ignore[assignment]
    try:
        main = importlib.import_module("jackfield.guests.main")
    finally:
        if hidden:
            del sys.modules[_UNUSED]
    program: object = await main.begin(arguments, rpc)
    return program
