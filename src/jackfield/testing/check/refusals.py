"""Everything that is wrong with a manifest at once, each with its field."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jackfield.errors import ManifestError
from jackfield.testing.check.findings import Finding, finding

Steps = tuple[str | int, ...]
Lines = Mapping[Steps, int]
M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], data: Any, path: Path, lines: Lines) -> M | list[Finding]:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        return list(tell_all(error, model, path, lines))


def tell_all(
    error: ValidationError, model: type[BaseModel], path: Path, lines: Lines, *, below: Steps = ()
) -> Iterator[Finding]:
    """`below` is where in the file the model's data stand."""
    for detail in error.errors(include_url=False):
        steps = (*below, *detail["loc"])
        yield finding(path, line_of(steps, lines), "manifest", f"{show_steps(steps)}: {_message(detail, model)}")


def tell_refusal(error: ManifestError, manifest: Path) -> Finding:
    """What the gateway says, with the place that it names."""
    place = f"{error.file}:{error.line}: " if error.line else f"{error.file}: "
    return finding(Path(error.file or manifest), error.line or 1, "manifest", str(error).removeprefix(place))


def line_of(steps: Steps, lines: Lines) -> int:
    """The line of the field, or of the nearest thing around it that is there."""
    while steps and steps not in lines:
        steps = steps[:-1]
    return lines.get(steps, 1)


def show_steps(steps: Sequence[str | int]) -> str:
    """`plugins[0].ui_schema[2].key`"""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "the manifest"


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown key{closest(str(detail['loc'][-1]), _keys(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return "is missing"
    return detail["msg"].removeprefix("Value error, ")


def closest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys(model: type[BaseModel], steps: Sequence[str | int]) -> list[str]:
    """The keys known at a place inside the model."""
    for step in steps:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments = getattr(annotation, "__args__", ())
    return next((found for inner in arguments if (found := _model_in(inner)) is not None), None)
