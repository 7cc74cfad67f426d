"""Reads the settings of a process: defaults < file < environment < command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from jackfield.errors import ConfigError
from jackfield.settings import checks
from jackfield.settings.environment import read_environment
from jackfield.settings.fields import show_path
from jackfield.settings.layers import Layers, Source
from jackfield.settings.lines import Path as FieldPath
from jackfield.settings.lines import find_lines
from jackfield.settings.model import (
    InstallSettings,
    McpSettings,
    NamedSecret,
    PluginSettings,
    Section,
    ServerSettings,
    Settings,
    StoreSettings,
    Upstream,
    UsageSettings,
)
from jackfield.settings.problems import explain

SectionT = TypeVar("SectionT", bound=Section)

DEFAULT_PLUGINS_FOLDER = "plugins"
_NAME_VARIABLES = ("env", "api_key_env", "client_secret_env")


def load(config_file: Path | None, overrides: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """`overrides` are the command line's, as tables or dotted names. Raises one `ConfigError` for all."""
    settings, problems = inspect(config_file, overrides, environ)
    if len(problems) == 1:
        raise problems[0]
    if problems or settings is None:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    return settings


def inspect(
    config_file: Path | None, overrides: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[Settings | None, list[ConfigError]]:
    """Like `load`, but hands out what is wrong; the settings too where only keys, files or names are."""
    layers = Layers()
    try:
        if config_file is not None:
            _add_file(layers, config_file)
    except ConfigError as error:
        return None, [error]
    given, problems = read_environment(environ, _named_variables(layers.data))
    here = Path.cwd()
    for path, (variable, value) in given.items():
        layers.add(_as_in_file(path, layers.data), value, Source(f"environment {variable}", here))
    for name, value in overrides.items():
        layers.add(tuple(name.split(".")), _plain(value), Source("command line", here))
    layers.resolve_paths()
    settings, found = _validate(layers, environ, config_file)
    return settings, [*problems, *sorted(found, key=lambda problem: problem.line or 0)]


def _as_in_file(path: FieldPath, data: Mapping[str, Any]) -> FieldPath:
    """No variable's name has a hyphen or a dot: the plugin's section that differs in nothing else is meant."""
    if path[:2] != ("plugins", "config") or len(path) <= 2:
        return path
    plugins = data.get("plugins")
    sections = plugins.get("config") if isinstance(plugins, dict) else None
    for name in sections if isinstance(sections, dict) else ():
        if str(name).lower().replace("-", "_").replace(".", "_") == path[2]:
            return (*path[:2], str(name), *path[3:])
    return path


def _add_file(layers: Layers, file: Path) -> None:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read the config file: {error.strerror}", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the config file is not UTF-8 text", file=str(file)) from error
    try:
        data = tomllib.loads(text)
        layers.add_file(data, find_lines(text.replace("\r\n", "\n")), file)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, file) from error
    except RecursionError as error:
        raise ConfigError("is nested too deeply", file=str(file)) from error


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, file: Path) -> ConfigError:
    told = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", told)
    if place is None:
        reason = told.removesuffix(" (at end of document)")
        return ConfigError(f"is not TOML: {reason}", file=str(file), line=text.count("\n") + 1)
    reason = f"{told[: place.start()]}, column {place.group(2)}"
    return ConfigError(f"is not TOML: {reason}", file=str(file), line=int(place.group(1)))


def _named_variables(data: Any) -> frozenset[str]:
    """The variables that the file itself names for keys, which may begin like settings."""
    if isinstance(data, dict):
        own = {value for key, value in data.items() if key in _NAME_VARIABLES and isinstance(value, str)}
        return frozenset(own).union(*(_named_variables(value) for value in data.values()))
    if isinstance(data, list):
        return frozenset().union(*(_named_variables(value) for value in data))
    return frozenset()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _validate(
    layers: Layers, environ: Mapping[str, str], file: Path | None
) -> tuple[Settings | None, list[ConfigError]]:
    data = _with_default_folders(layers.data, file)
    found: dict[FieldPath, str] = {}
    settings = None
    try:
        settings = Settings.model_validate(data)
        settings.take_sources(file, layers.given())
    except ValidationError as error:
        found = explain(error, data)
    upstreams = list(enumerate(settings.upstreams) if settings else _sound_upstreams(data, found))
    for path, message in _check(settings, upstreams, data, environ):
        found.setdefault(path, message)
    return settings, [_locate(layers, path, message) for path, message in found.items()]


def _check(
    settings: Settings | None,
    upstreams: list[tuple[int, Upstream]],
    data: dict[str, Any],
    environ: Mapping[str, str],
) -> Iterator[checks.Problem]:
    """Checks also the parts of settings that are wrong elsewhere, so that one run tells everything."""
    yield from checks.check_names(upstreams)
    yield from checks.check_not_itself(upstreams, _part(settings, data, "server", ServerSettings))
    yield from checks.take_secrets(upstreams, environ)
    mcp = _part(settings, data, "mcp", McpSettings)
    yield from checks.check_mcp_servers(mcp.servers, _part(settings, data, "server", ServerSettings), environ)
    yield from checks.take_named_secrets(settings.secrets if settings else _sound_secrets(data), environ)
    yield from checks.take_client_secrets(settings.sign_in if settings else {}, environ)
    plugins = _part(settings, data, "plugins", PluginSettings)
    yield from checks.check_folders(plugins)
    yield from checks.check_store_urls(_part(settings, data, "store", StoreSettings))
    yield from checks.take_public_keys(_part(settings, data, "install", InstallSettings))
    yield from checks.check_price_files(_part(settings, data, "usage", UsageSettings))


def _part(settings: Settings | None, data: dict[str, Any], name: str, model: type[SectionT]) -> SectionT:
    if settings is None:
        return _valid(model, data.get(name, {})) or model()
    part = getattr(settings, name)
    assert isinstance(part, model)
    return part


def _sound_upstreams(data: dict[str, Any], found: Collection[FieldPath]) -> Iterator[tuple[int, Upstream]]:
    """Every upstream without what is wrong in it, and with stand-ins for what it must have."""
    upstreams = data.get("upstreams")
    for index, table in enumerate(upstreams if isinstance(upstreams, list) else ()):
        if not isinstance(table, dict):
            continue
        wrong = {path[2] for path in found if path[:2] == ("upstreams", index) and len(path) > 2}
        needed = {"name": f"upstreams-{index}", "provider": "echo", "models": ["echo"]}
        sound = {name: value for name, value in table.items() if name not in wrong}
        upstream = _valid(Upstream, {**needed, **sound})
        if upstream:
            yield index, upstream


def _sound_secrets(data: dict[str, Any]) -> dict[str, NamedSecret]:
    """Those that nothing is wrong with."""
    tables = data.get("secrets")
    given = tables.items() if isinstance(tables, dict) else ()
    return {name: secret for name, table in given if (secret := _valid(NamedSecret, table)) is not None}


def _valid(model: type[SectionT], table: Any) -> SectionT | None:
    try:
        return model.model_validate(table)
    except ValidationError:
        return None


def _with_default_folders(data: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """The default plugin folder lies beside the config file and is used only if it exists; no folder is where plugins
    are not to be looked for on this machine."""
    plugins = data.get("plugins", {})
    if isinstance(plugins, dict) and plugins.get("disable_local_discovery") is True:
        return {**data, "plugins": {**plugins, "dirs": []}}
    if not isinstance(plugins, dict) or "dirs" in plugins:
        return data
    folder = (file.parent if file else Path()).absolute() / DEFAULT_PLUGINS_FOLDER
    return {**data, "plugins": {**plugins, "dirs": [str(folder)] if folder.is_dir() else []}}


def _locate(layers: Layers, path: FieldPath, message: str) -> ConfigError:
    source = layers.source_of(path)
    if source is None or source.file:
        return ConfigError(
            message,
            file=source.file if source else None,
            line=source.line if source else None,
            field=show_path(path),
        )
    return ConfigError(f"{message} ({source.text})", field=show_path(path))
