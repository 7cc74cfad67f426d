"""Where programs of one user keep what they need."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_home", "config_home"]


def cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def config_home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
