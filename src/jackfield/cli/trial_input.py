"""What a trial is given on the command line: a body, headers, and the plugin's config."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jackfield.errors import ConfigError

STANDARD_INPUT = Path("-")


def read_body(file: Path | None, path: str, *, stream: bool) -> bytes:
    """The request's body as it is in the file. Raises `ConfigError` where that holds no JSON object."""
    from jackfield.testing.asked import Asked

    if file is None:
        return Asked.read("hello", path=path, stream=stream or None, model=None).body
    data = _read(file)
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ConfigError(f"is not JSON: {error}", file=str(file)) from error
    if not isinstance(body, dict):
        raise ConfigError("a request's body is a JSON object", file=str(file))
    return json.dumps(body | {"stream": True}).encode() if stream else data


def read_headers(given: Iterable[str]) -> dict[str, str]:
    """From `name: value`, with or without the space."""
    headers: dict[str, str] = {}
    for pair in given:
        name, colon, value = pair.partition(":")
        if not (colon and name.strip() and (pair.isascii() and pair.isprintable())):
            raise ConfigError(f"--header: expected NAME:VALUE, not {pair!r}")
        headers[name.strip()] = value.strip()
    return headers


def read_config(given: Iterable[str]) -> dict[str, Any]:
    """From `key=value` pairs and files; later ones win."""
    config: dict[str, Any] = {}
    for item in given:
        key, equals, value = item.partition("=")
        if equals and not Path(item).is_file():
            _place(config, key.strip().split("."), _value(value), item)
        else:
            config |= _config_file(Path(item))
    return config


def _place(config: dict[str, Any], steps: list[str], value: Any, item: str) -> None:
    *outer, last = steps
    for step in outer:
        config = config.setdefault(step, {})
        if not isinstance(config, dict):
            raise ConfigError(f"--config: {step!r} is no table", field=item)
    if not last:
        raise ConfigError(f"--config: expected KEY=VALUE or a file, not {item!r}")
    config[last] = value


def _value(text: str) -> Any:
    """JSON where it is, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _config_file(file: Path) -> Mapping[str, Any]:
    """The plugin's own keys; those of the only `[plugins.config.…]` where it is a gateway's config file."""
    data = _read(file)
    try:
        found = json.loads(data) if file.suffix == ".json" else tomllib.loads(data.decode())
    except ValueError as error:
        raise ConfigError(f"cannot be read: {error}", file=str(file)) from error
    if not isinstance(found, dict):
        raise ConfigError("holds no table of settings", file=str(file))
    sections = found.get("plugins", {}).get("config") if isinstance(found.get("plugins"), dict) else None
    if not isinstance(sections, dict):
        return found
    if len(sections) != 1:
        raise ConfigError("has several sections [plugins.config.…]: give the settings as KEY=VALUE", file=str(file))
    only: Mapping[str, Any] = next(iter(sections.values()))
    return only


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
