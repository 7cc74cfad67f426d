"""Every effective setting with where it comes from, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

from jackfield.settings.fields import show_path
from jackfield.settings.lines import Path as FieldPath
from jackfield.settings.model import FromVariable, Settings
from jackfield.settings.secret import Secret, conceal


class Described(msgspec.Struct, frozen=True):
    """`source` reads `default`, `file:line`, `environment NAME` or `command line`."""

    name: str
    value: Any
    source: str


def describe(settings: Settings) -> tuple[Described, ...]:
    return tuple(
        Described(show_path(path), value, settings.sources.get(path, "default"))
        for path, value in _leaves(settings, ())
    )


def _leaves(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    if _is_section(value):
        for name in (*type(value).model_fields, *(value.model_extra or ())):
            yield from _leaves(getattr(value, name), (*path, name))
    elif isinstance(value, tuple) and any(map(_is_section, value)):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    elif isinstance(value, dict) and any(map(_is_section, value.values())):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, _show(value, str(path[-1]))


def _is_section(value: Any) -> bool:
    return isinstance(value, BaseModel) and not isinstance(value, FromVariable)


def _show(value: Any, name: str) -> Any:
    """As JSON; what is neither JSON nor a setting's own type is told as text."""
    if isinstance(value, FromVariable):
        return {"env": value.env}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_show(item, name) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _show(item, str(key)) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str | Secret):
        return conceal(value, name)
    return str(value)
