"""What runs in the process of an isolated plugin: finds the plugin, and answers for it."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, NoReturn, cast

import structlog

from jackfield.dialects.base import Blueprint, Dialect
from jackfield.errors import ManifestError
from jackfield.guests.exchanges import FORMS
from jackfield.guests.program import Program, Share
from jackfield.guests.services import Rpc

# Only the dialect that is needed is imported.
_DIALECTS: Mapping[str, tuple[str, str]] = {
    "native": ("jackfield.dialects.native", "NativeDialect"),
    "ring": ("jackfield.dialects.rings.dialect", "RingDialect"),
    "toolbox": ("jackfield.dialects.toolbox.dialect", "ToolboxDialect"),
}


async def begin(arguments: Mapping[str, Any], rpc: Rpc) -> Program:
    """Raises `ManifestError` where the plugin is not found again."""
    tell_log(rpc)
    return make_program(arguments, rpc)


def make_program(arguments: Mapping[str, Any], rpc: Rpc) -> Program:
    share: Share | None = None
    given = {}
    if arguments["dialect"] == "ring":
        world = importlib.import_module("jackfield.guests.ring_world").GuestWorld(arguments, rpc)
        share, given = world, {"world": world}
    elif arguments["dialect"] == "toolbox":
        given = {"development": arguments.get("development", False)}
    return Program(lambda: read_plugin(arguments, given), FORMS[arguments["form"]], share)


def read_plugin(arguments: Mapping[str, Any], given: Mapping[str, Any]) -> Blueprint:
    """Runs the plugin's module. Raises `ManifestError`, and what the module raises."""
    module, name = _DIALECTS[arguments["dialect"]]
    dialect = cast(Dialect, getattr(importlib.import_module(module), name)(**given))
    root, shown = Path(arguments["root"]), Path(arguments["shown"])
    found = [one for one in dialect.find(root, shown) if one.name == arguments["name"]]
    if len(found) != 1:
        raise ManifestError(f"{arguments['name']} is there {len(found)} times where it was found", file=str(shown))
    return dialect.read(found[0])


def tell_log(rpc: Rpc) -> None:
    """Whatever is logged in this process the host is told."""

    def tell(logger: Any, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        text = event.pop("event", "")
        event.pop("plugin", None)
        _tell(rpc, method, str(text), event)
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.stdlib.PositionalArgumentsFormatter(), tell],
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.INFO, handlers=[_Teller(rpc)], force=True)


class _Teller(logging.Handler):
    def __init__(self, rpc: Rpc) -> None:
        super().__init__()
        self._rpc = rpc

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _tell(self._rpc, record.levelname.lower(), record.getMessage(), {"from": record.name})
        except Exception:  # noqa: BLE001 - as the standard library does: logging harms nobody
            self.handleError(record)


def _tell(rpc: Rpc, level: str, text: str, fields: Mapping[str, Any]) -> None:
    plain = {str(name): value if _is_plain(value) else str(value) for name, value in fields.items()}
    rpc.tell("log", {"level": level, "text": text, "fields": plain})


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
