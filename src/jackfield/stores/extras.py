"""Drivers that come with an extra of the package."""

from __future__ import annotations

from importlib.util import find_spec

from jackfield.errors import ConfigError
from jackfield.settings.store_urls import missing


def need(module: str, *, extra: str, field: str) -> None:
    """Raises `ConfigError` with the command that installs what is missing."""
    if find_spec(module) is None:
        raise ConfigError(missing(extra), field=field)
