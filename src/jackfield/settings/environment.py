"""Settings from `JACKFIELD_<SECTION>__<NAME>` variables."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from jackfield.errors import ConfigError
from jackfield.settings.fields import nearest, takes_text, variable_paths
from jackfield.settings.lines import Path as FieldPath

PREFIX = "JACKFIELD_"
RESERVED = frozenset(
    {"JACKFIELD_ACCOUNTS_KEY", "JACKFIELD_ADMIN_KEY", "JACKFIELD_API_KEY", "JACKFIELD_SECRET", "JACKFIELD_URL"}
)

_PLUGIN_CONFIG = "JACKFIELD_PLUGINS__CONFIG__"
# The factory guide's own names, in any case.
FACTORY_CONFIG = "PLUGINS__"
NO_DISCOVERY = "PLUGINS_DISABLE_LOCAL_DISCOVERY"
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_FLAGS = ("enabled", "disable_local_discovery")
# Kubernetes puts these into every pod beside a service that is named jackfield.
_SERVICE_LINK = re.compile(r"JACKFIELD_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")
_SERVICE_VALUE = re.compile(r"(tcp|udp|sctp)(://.*)?|\d+|[0-9a-f.:]+")


def read_environment(
    environ: Mapping[str, str], also_allowed: Collection[str] = ()
) -> tuple[dict[FieldPath, tuple[str, Any]], list[ConfigError]]:
    """The variable's name and value for each path, and what is wrong. An empty variable gives nothing."""
    given = _read_factory_names(environ)
    problems = [_refuse_broken(name) for name in sorted(environ) if _is_broken(name, environ[name])]
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in RESERVED or name in also_allowed:
            continue
        path = _find_path(name)
        if path is None:
            problems += _refuse_unknown(name, environ[name])
        elif environ[name]:
            given[path] = (name, _read_value(path, environ[name]))
    return given, problems


def _read_factory_names(environ: Mapping[str, str]) -> dict[FieldPath, tuple[str, Any]]:
    """`PLUGINS__<NAME>__<FIELD>`: a text as it is, for the plugin's config model to read, and JSON where it is a list
    or a table; `PLUGINS__<NAME>`: a table of fields. Of two spellings of one name that in small letters counts."""
    given: dict[FieldPath, tuple[str, Any]] = {}
    for name in sorted(environ):
        upper, value = name.upper(), environ[name]
        if upper == NO_DISCOVERY and value:
            given["plugins", "disable_local_discovery"] = (name, _read_word("disable_local_discovery", value))
        parts = tuple(name.lower().split("__")[1:])
        if value and upper.startswith(FACTORY_CONFIG) and parts and all(parts):
            read = _read_word(parts[-1], value)
            if len(parts) > 1 or isinstance(read, dict):
                given["plugins", "config", *parts] = (name, read)
    return given


def _is_broken(name: str, value: str) -> bool:
    """Whether it was meant as a table of a plugin's fields. What else begins like this may be somebody else's."""
    whole = name.upper().startswith(FACTORY_CONFIG) and name.count("__") == 1 and name.upper() != FACTORY_CONFIG
    return whole and value.lstrip().startswith(("{", "[")) and not isinstance(_read_word("", value), dict)


def _refuse_broken(name: str) -> ConfigError:
    return ConfigError(f"the environment variable {name} must be a JSON object of the plugin's fields")


def _read_word(field: str, text: str) -> Any:
    if field in _FLAGS and text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _find_path(name: str) -> FieldPath | None:
    known = variable_paths().get(name)
    if known is None and name.startswith(_PLUGIN_CONFIG):
        parts = name.removeprefix(_PLUGIN_CONFIG).lower().split("__")
        if len(parts) > 1 and all(parts):
            return ("plugins", "config", *parts)
    return known


def _refuse_unknown(name: str, value: str) -> list[ConfigError]:
    if _SERVICE_LINK.fullmatch(name) and _SERVICE_VALUE.fullmatch(value):
        plain_port = name == "JACKFIELD_PORT" and value.isdigit()
        if not plain_port:
            return []
    close = _nearest_variable(name)
    hint = f"; the nearest known one is {close}" if close else ""
    return [ConfigError(f"the environment variable {name} is not a setting{hint}")]


def _nearest_variable(name: str) -> str | None:
    """One that only lacks its section comes before one that is spelled alike."""
    ending = "__" + name.removeprefix(PREFIX)
    whole = next((known for known in variable_paths() if known.endswith(ending)), None)
    return whole or nearest(name, (*variable_paths(), *RESERVED))


def _read_value(path: FieldPath, text: str) -> Any:
    """JSON where it is JSON and the setting is not a text."""
    if takes_text(path):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
