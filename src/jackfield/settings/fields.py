"""What the models say of a path: which keys are known there, and how an environment variable is read."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from jackfield.settings.lines import Path as FieldPath
from jackfield.settings.model import Settings


def show_path(path: FieldPath) -> str:
    """`upstreams[1].weight`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part and "." not in part else f'"{part}"'
            text += f".{name}" if text else name
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.55)
    return found[0] if found else None


def known_keys(path: FieldPath) -> tuple[str, ...] | None:
    """The keys of the table at a path; None where any key may stand."""
    model = model_at(path)
    return tuple(model.model_fields) if model else None


def model_at(path: FieldPath) -> type[BaseModel] | None:
    annotation: Any = Settings
    for part in path:
        annotation = _step(annotation, part)
    return _model_of(annotation)


def _step(annotation: Any, part: str | int) -> Any:
    for option in _options(annotation):
        if _is_model(option) and isinstance(part, str) and part in option.model_fields:
            return option.model_fields[part].annotation
        if get_origin(option) is tuple and isinstance(part, int):
            return get_args(option)[0]
        if get_origin(option) is dict and isinstance(part, str):
            return get_args(option)[1]
    return None


def _model_of(annotation: Any) -> type[BaseModel] | None:
    return next((option for option in _options(annotation) if _is_model(option)), None)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _options(annotation: Any) -> Iterator[Any]:
    """The members of a union, without `Annotated` around them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _options(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def takes_text(path: FieldPath) -> bool:
    """Whether the setting is a text, so that `123` in the environment stays one."""
    annotation: Any = Settings
    for part in path:
        annotation = _step(annotation, part)
    options = [option for option in _options(annotation) if option is not type(None)]
    return annotation is not None and all(_is_text(option) for option in options)


def _is_text(annotation: Any) -> bool:
    structured = get_origin(annotation) in (dict, tuple) or _is_model(annotation)
    return get_origin(annotation) is Literal or not (structured or annotation in (int, float, bool, Any))


@cache
def variable_paths() -> dict[str, FieldPath]:
    """Every setting that an environment variable can give, by the variable's name."""
    names: dict[str, FieldPath] = {}
    for section, field in Settings.model_fields.items():
        names[variable_name((section,))] = (section,)
        model = _model_of(field.annotation)
        for name in model.model_fields if model else ():
            names[variable_name((section, name))] = (section, name)
    return names


def variable_name(path: FieldPath) -> str:
    return "JACKFIELD_" + "__".join(str(part).upper() for part in path)
