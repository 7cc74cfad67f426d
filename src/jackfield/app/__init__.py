"""The one composition root: from settings to a gateway that serves."""

from jackfield.app.gateway import Gateway
from jackfield.app.plugins import find_sources, make_dialects
from jackfield.app.serving import EMBEDDED_DRAIN_S, Running, prepare, running, serve

__all__ = [
    "EMBEDDED_DRAIN_S",
    "Gateway",
    "Running",
    "find_sources",
    "make_dialects",
    "prepare",
    "running",
    "serve",
]
