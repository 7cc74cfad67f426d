"""`plugin.yaml`, `plugin.yml` or `plugin.json`: what the author of a provider says about running it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from jackfield.dialects.provider.document import Unreadable, parse_json, parse_yaml
from jackfield.dialects.provider.metadata import API_VERSION, Metadata, check_api_version, read_metadata
from jackfield.dialects.provider.problems import Problem, Reader, join_problems, spell
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import read_bounded

# The first that is there counts.
FILES = ("plugin.yaml", "plugin.yml", "plugin.json")
HEALTH_INTERVAL_S = 60
LONGEST_INTERVAL_S = 86_400
MOST_ARGUMENTS = 200

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ELSEWHERE = {
    "grpc": 'write jackfield.toml with runtime = "grpc" instead, and speak jackfield.plugin.v1',
    "builtin": "write it as a native plugin instead: jackfield.toml, and a subclass of jackfield.sdk.Plugin",
}


class ProviderManifest(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint` has no slash at its end. `command` is what starts the provider where nothing answers there; it runs
    with `args` and `env`. Without `auto_start` it waits until an operator enables it."""

    type: str
    endpoint: str
    metadata: Metadata
    auto_start: bool = False
    health_check_interval: int = HEALTH_INTERVAL_S
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}


def manifest_file(folder: Path) -> Path | None:
    """Raises `OSError`."""
    return next((file for name in FILES if (file := folder / name).is_file()), None)


def load_manifest(file: Path, shown: Path | None = None) -> tuple[ProviderManifest, list[Problem]]:
    """With what it is warned of. Raises `ManifestError` naming the file, as `shown` where it is a copy, and all that is
    wrong; its message begins with `manifest_parse`, `manifest_invalid` or `type_unsupported`."""
    place = str(shown or file)
    text = read_bounded(file, shown)
    try:
        data = parse_text(text, file.name)
    except Unreadable as error:
        raise ManifestError(f"manifest_parse: {error.message}", file=place, line=error.line) from error
    manifest, problems = read_manifest(data)
    errors = [one for one in problems if not one.warning]
    if errors:
        told = next((one for one in errors if one.field == "type" and one.message.startswith("unsupported")), None)
        code = "manifest_invalid" if told is None else "type_unsupported"
        raise ManifestError(f"{code}: {join_problems(errors if told is None else [told])}", file=place)
    return manifest, problems


def parse_text(text: str, name: str) -> Any:
    """The plain data in a file of that name. Raises `Unreadable`."""
    return parse_json(text) if name.endswith(".json") else parse_yaml(text)


def read_manifest(data: Any) -> tuple[ProviderManifest, list[Problem]]:
    """What can be understood of it, and all that is wrong with it."""
    problems: list[Problem] = []
    reader = Reader(data, "", problems)
    type_ = reader.text("type").lower()
    stated = reader.take("metadata")
    if stated is None and isinstance(data, Mapping):
        reader.wrong("metadata", "manifest missing metadata: metadata is required")
    metadata = Metadata(name="", provider_type="")
    if stated is not None:
        metadata = read_metadata(stated, "metadata", problems)
        if isinstance(stated, Mapping) and not metadata.version:
            reader.wrong("metadata.version", "version is required")
        if (unfit := check_api_version(metadata.plugin_api_version)) is not None:
            reader.wrong(f"metadata.{unfit.field}", unfit.message, warning=unfit.warning)
    manifest = ProviderManifest(
        type=type_,
        endpoint=_read_endpoint(reader, type_),
        metadata=metadata,
        auto_start=bool(reader.flag("auto_start")),
        health_check_interval=reader.whole("health_check_interval", 0, 0, LONGEST_INTERVAL_S) or HEALTH_INTERVAL_S,
        command=reader.text("command"),
        args=_read_arguments(reader),
        env=_read_environment(reader),
    )
    if isinstance(data, Mapping):
        _check_type(reader, type_)
    reader.finish()
    return manifest, problems


def _check_type(reader: Reader, type_: str) -> None:
    if not type_:
        reader.wrong("type", "manifest missing type: type is required")
    elif type_ in _ELSEWHERE:
        reader.wrong("type", f"unsupported plugin type {type_!r}: {_ELSEWHERE[type_]}")
    elif type_ != "http":
        reader.wrong("type", f"unsupported plugin type {type_[:100]!r}: it is http, grpc or builtin")


def _read_endpoint(reader: Reader, type_: str) -> str:
    endpoint = reader.text("endpoint").rstrip("/")
    if not endpoint:
        if type_ in ("http", "grpc"):
            reader.wrong("endpoint", "endpoint is required")
        return ""
    if type_ == "http" and (unfit := check_endpoint(endpoint)) is not None:
        reader.wrong("endpoint", unfit)
    return endpoint


def check_endpoint(endpoint: str) -> str | None:
    """What is wrong with it, if anything is."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        return f"is no address: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"must begin with http:// or https:// and name a host, not {endpoint[:100]!r}"
    if parts.username is not None or parts.password is not None:
        return "must not carry credentials"
    if parts.query or parts.fragment or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        return "must be an address without a query, a fragment, spaces or letters beyond ASCII"
    return "has no port 0" if port == 0 else None


def _read_arguments(reader: Reader) -> tuple[str, ...]:
    items = reader.items("args")
    if len(items) > MOST_ARGUMENTS:
        reader.wrong("args", f"has more than {MOST_ARGUMENTS}")
    for index, item in enumerate(items):
        if isinstance(item, dict | list) or "\0" in spell(item):
            reader.wrong(f"args.{index}", "must be a string without NUL")
    return tuple(spell(item) for item in items[:MOST_ARGUMENTS])


def _read_environment(reader: Reader) -> dict[str, str]:
    """Scalars become strings: in YAML a port is a number."""
    given = reader.table("env")
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name):
            reader.wrong(f"env.{name[:100]}", "is not the name of an environment variable")
        elif isinstance(value, dict | list) or "\0" in spell(value):
            reader.wrong(f"env.{name}", "must be a string without NUL")
    return {name: spell(value) for name, value in given.items()}


def write_manifest(manifest: ProviderManifest, file: Path) -> None:
    """As JSON where the name ends so, else as YAML; folders that are missing are made. Raises `OSError`."""
    data = tell_manifest(manifest)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".json":
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    else:
        text = str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)


def tell_manifest(manifest: ProviderManifest) -> dict[str, Any]:
    """As its author would write it, in snake case; what is not said is left out."""
    metadata = {
        name: value for name in Metadata.__struct_fields__[:8] if (value := getattr(manifest.metadata, name)) != ""
    }
    told: dict[str, Any] = {"type": manifest.type, "endpoint": manifest.endpoint, "metadata": metadata}
    capabilities = msgspec.to_builtins(manifest.metadata.capabilities)
    custom = capabilities.pop("custom")
    metadata["capabilities"] = {name: flag for name, flag in capabilities.items() if flag is not None}
    if custom:
        metadata["capabilities"]["custom_capabilities"] = custom
    if manifest.metadata.config_schema:
        metadata["config_schema"] = [_tell_field(field) for field in manifest.metadata.config_schema]
    told |= {"auto_start": manifest.auto_start, "health_check_interval": manifest.health_check_interval}
    for name in ("command", "args", "env"):
        if value := getattr(manifest, name):
            told[name] = msgspec.to_builtins(value)
    return told


def _tell_field(field: Any) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(field)
    rule = {name: value for name, value in told.pop("rule").items() if value not in (None, [], ())}
    kept = {name: value for name, value in told.items() if value not in (None, "") and value is not False}
    return kept | ({"validation": rule} if rule else {})


def example_manifest(endpoint: str = "http://localhost:8090") -> ProviderManifest:
    """A manifest to begin with."""
    data = {
        "type": "http",
        "endpoint": endpoint,
        "metadata": {
            "name": "Example Plugin",
            "version": "1.0.0",
            "plugin_api_version": API_VERSION,
            "provider_type": "example-provider",
            "description": "An example of a provider plugin",
            "author": "Your Name",
            "license": "MIT",
            "capabilities": {"streaming": True},
            "config_schema": [
                {
                    "name": "api_key",
                    "type": "string",
                    "required": True,
                    "description": "API key for authentication",
                    "sensitive": True,
                },
                {"name": "endpoint", "type": "string", "description": "The address of the provider's API"},
            ],
        },
        "auto_start": False,
        "health_check_interval": HEALTH_INTERVAL_S,
    }
    return read_manifest(data)[0]
