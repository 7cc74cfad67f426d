"""What pydantic found wrong, told in the words of the config file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jackfield.settings.fields import known_keys, nearest, show_path, variable_paths
from jackfield.settings.lines import Path as FieldPath

_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "is_instance_of": "a string",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_BOUNDS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "missing": "is required",
    "string_pattern_mismatch": "must begin with a letter or digit and hold only these, '.', '_' and '-'",
}
_KINDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    dict: "a table",
    list: "a list",
}


def explain(error: ValidationError, data: Mapping[str, Any]) -> dict[FieldPath, str]:
    """One message for each wrong field; the members of a union that all refused a value are told in one."""
    expected: dict[FieldPath, list[str]] = {}
    messages: dict[FieldPath, str] = {}
    for detail in error.errors(include_url=False):
        path = _find_path(detail, data)
        wanted = _wanted(detail)
        if wanted is None:
            messages[path] = _tell(detail, path)
        elif wanted not in expected.setdefault(path, []):
            expected[path].append(wanted)
    for path, wanted_ones in expected.items():
        got = _name_value(_value_at(data, path))
        messages.setdefault(path, f"expected {' or '.join(wanted_ones)}, got {got}")
    return messages


def _wanted(detail: ErrorDetails) -> str | None:
    if detail["type"] == "literal_error":
        return str(detail.get("ctx", {}).get("expected"))
    return _EXPECTED.get(detail["type"])


def _name_value(value: Any) -> str:
    """By kind, never by value: a key may have been written into the wrong place."""
    return _KINDS.get(type(value), "something else")


def _tell(detail: ErrorDetails, path: FieldPath) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return refuse_key(path)
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**detail.get("ctx", {}))
    return detail["msg"]


def refuse_key(path: FieldPath) -> str:
    """Names the nearest key that is known in the same table, or in another."""
    name = str(path[-1])
    siblings = known_keys(path[:-1]) or ()
    close = nearest(name, siblings)
    if close:
        return f"unknown key; the nearest known one is '{close}'"
    elsewhere = next((other for other in variable_paths().values() if other[-1] == name and len(other) > 1), None)
    if elsewhere:
        return f"unknown key here; there is '{show_path(elsewhere)}'"
    return f"unknown key; known here are {', '.join(siblings)}"


def _find_path(detail: ErrorDetails, data: Mapping[str, Any]) -> FieldPath:
    """The location without pydantic's own steps, such as the name of a union's member."""
    path: FieldPath = ()
    at: Any = data
    for step in detail["loc"]:
        if _holds(at, step):
            path, at = (*path, step), at[step]
    last = detail["loc"][-1] if detail["loc"] else None
    if detail["type"] == "missing" and last is not None:
        path = (*path, last)
    within = detail.get("ctx", {}).get("at")
    return path if within is None else (*path, within)


def _holds(at: Any, step: str | int) -> bool:
    if isinstance(at, Mapping):
        return step in at
    return isinstance(at, list) and isinstance(step, int) and step < len(at)


def _value_at(data: Any, path: FieldPath) -> Any:
    for step in path:
        if not _holds(data, step):
            return None
        data = data[step]
    return data
