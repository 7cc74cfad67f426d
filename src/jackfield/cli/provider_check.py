"""The live half of `jackfield plugin check`: providers over HTTP, by their address or by their folder."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield.errors import ConfigError

if TYPE_CHECKING:
    from jackfield.testing.check import Subject
    from jackfield.testing.check.live import Config, Verdict

_SCHEMES = ("http://", "https://")


def is_address(place: str) -> bool:
    return place.startswith(_SCHEMES)


def check_live(place: str, subjects: list[Subject], config: Path | None) -> tuple[list[Verdict], str]:
    """The verdicts, and what was started for them: nothing where the place is no provider by itself, or its manifest is
    wrong, which is told elsewhere."""
    from jackfield.testing.check.live import check_endpoint, check_provider_live
    from jackfield.testing.check.provider import find_start

    if is_address(place):
        return asyncio.run(check_endpoint(place, read_configs(config, ""))), ""
    if len(subjects) != 1 or not _is_itself(place, subjects[0]) or (found := find_start(subjects[0])) is None:
        return [], ""
    folder, manifest = found
    return asyncio.run(check_provider_live(folder, manifest, read_configs(config, folder.name)))


def _is_itself(place: str, subject: Subject) -> bool:
    """Whether the place is one provider, and not a folder in which there happens to be one."""
    if subject.dialect != "provider":
        return False
    path = Path(place)
    return not path.exists() or path.resolve() in (subject.told.resolve(), subject.told.resolve().parent)


def read_configs(file: Path | None, folder: str) -> Config:
    """From a JSON file that is the provider's own config, or from the gateway's config file, by the folder's name or
    the provider's type. Raises `ConfigError`."""
    if file is not None and file.suffix == ".json":
        own = _read_json(file)
        return lambda kind: own
    sections = _sections(file)
    return lambda kind: sections.get(folder) or sections.get(kind) or {}


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
    except ValueError as error:
        raise ConfigError(f"is not JSON: {error}", file=str(file)) from error
    if not isinstance(value, dict):
        raise ConfigError("must be an object: the provider's config", file=str(file))
    return value


def _sections(file: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """As far as they can be told: a config that lacks an upstream's key is no reason not to look at a provider."""
    from jackfield.cli.options import find_config
    from jackfield.settings import inspect

    if file is not None and not file.is_file():
        raise ConfigError("there is no such file", file=str(file))
    settings, _ = inspect(find_config(file), {}, os.environ)
    if settings is None:
        return {}
    return {name: config.own for name, config in settings.plugins.config.items()}
