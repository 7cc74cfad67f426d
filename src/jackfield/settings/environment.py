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
RESERVED = frozenset({"JACKFIELD_ADMIN_KEY", "JACKFIELD_API_KEY", "JACKFIELD_SECRET", "JACKFIELD_URL"})

_PLUGIN_CONFIG = "JACKFIELD_PLUGINS__CONFIG__"
# Kubernetes puts these into every pod beside a service that is named jackfield.
_SERVICE_LINK = re.compile(r"JACKFIELD_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")
_SERVICE_VALUE = re.compile(r"(tcp|udp|sctp)(://.*)?|\d+|[0-9a-f.:]+")


def read_environment(
    environ: Mapping[str, str], also_allowed: Collection[str] = ()
) -> tuple[dict[FieldPath, tuple[str, Any]], list[ConfigError]]:
    """The variable's name and value for each path, and what is wrong. An empty variable gives nothing."""
    given: dict[FieldPath, tuple[str, Any]] = {}
    problems = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in RESERVED or name in also_allowed:
            continue
        path = _find_path(name)
        if path is None:
            problems += _refuse_unknown(name, environ[name])
        elif environ[name]:
            given[path] = (name, _read_value(path, environ[name]))
    return given, problems


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
