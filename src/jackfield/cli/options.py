"""Options that several commands share, and the settings that they make."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield.errors import ConfigError

if TYPE_CHECKING:
    from jackfield.settings import ServerSettings, Settings, StoreSettings

DEFAULT_CONFIG = Path("jackfield.toml")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The config file; default ./jackfield.toml.")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where data is kept; default ./.jackfield.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def find_config(config: Path | None) -> Path | None:
    """The named file, or the default one if it is there."""
    if config is not None:
        return config
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def read_settings(config: Path | None, overrides: Mapping[str, Any]) -> Settings:
    from jackfield.settings import load

    return load(find_config(config), given(overrides), os.environ)


def read_store_settings(config: Path | None, data_dir: Path | None) -> StoreSettings:
    """For commands that need the store alone: a shell without the upstreams' keys will do."""
    return _inspect(config, {"store.data_dir": data_dir}).store


def read_server_settings(config: Path | None) -> ServerSettings:
    """For commands that only need to know where the gateway is; likewise."""
    return _inspect(config, {}).server


def _inspect(config: Path | None, overrides: Mapping[str, Any]) -> Settings:
    from jackfield.settings import inspect

    settings, problems = inspect(find_config(config), given(overrides), os.environ)
    if settings is None:
        raise problems[0] if len(problems) == 1 else ConfigError("\n".join(map(str, problems)))
    return settings


def given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Options that were not used override nothing."""
    return {name: value for name, value in overrides.items() if value not in (None, [])}
